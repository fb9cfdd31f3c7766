"""Letters that are written backwards, and shown forwards by a right-to-left override."""

from __future__ import annotations

import re
from typing import Final

from stream_guard.events.obfuscation.letters import LETTERS

_OVERRIDE: Final = "\u202e"
_OVERRIDDEN: Final = re.compile("\u202e([^\n\r\u2028\u2029\u202a-\u202e\u2066-\u2069]*+)\u202c?")
_TWO_LETTERS: Final = re.compile(f"[{LETTERS}][^{LETTERS}]*+[{LETTERS}]")


def as_shown(text: str) -> str:
    """The text with what an override turns around in the order in which it is read.

    Only overrides of letters that are read from left to right: all other marks of direction are ordinary where Arabic or
    Hebrew is written, and around names and numbers everywhere.
    """
    return _OVERRIDDEN.sub(_turned, text) if _OVERRIDE in text else text


def _turned(found: re.Match[str]) -> str:
    inner = found[1]
    return inner[::-1] if _TWO_LETTERS.search(inner) else found[0]
