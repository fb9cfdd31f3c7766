"""Characters that nobody sees: of zero width, tags, and variation selectors.

All of them have honest uses, which are left alone: joiners in Persian, in the scripts of India and in emoji, breaks in Thai,
soft hyphens, what phones put around a name or number, tags in flags, selectors after emoji and ideographs.
"""

from __future__ import annotations

import re
from typing import Final

from stream_guard.events.obfuscation.letters import LETTERS
from stream_guard.events.obfuscation.readable import text_in

_INVISIBLE: Final = "\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a"
"""Of no use within a word of these scripts: joiners, fillers, marks of direction, and the like."""
_TOLERATED: Final = "\u00ad\u202a-\u202e\u2066-\u2069"
"""Soft hyphens, and what software puts around names and numbers to keep their direction."""
_SELECTORS: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_TAG: Final = "\U000e0000-\U000e007f"

_WORD: Final = f"{LETTERS}0-9"
_IN_WORD: Final = re.compile(f"(?<=[{_WORD}])[{_TOLERATED}]*+[{_INVISIBLE}][{_INVISIBLE}{_TOLERATED}]*+(?=[{_WORD}])")
_IN_A_ROW: Final = re.compile(f"[{_INVISIBLE}]{{4,}}+")
_CHAIN: Final = re.compile(f"(?<=[{LETTERS}])(?:[{_TOLERATED}]++[{LETTERS}]){{2}}[{_TOLERATED}]++(?=[{LETTERS}])")
"""Two letters that stand alone, one after the other: no hyphenation does that."""
_TOLERATED_IN_WORD: Final = re.compile(f"(?<=[{_WORD}])[{_TOLERATED}]++(?=[{_WORD}])")

_ANY: Final = re.compile(f"[{_INVISIBLE}{_TOLERATED}{_SELECTORS}{_TAG}]")
_OUT_OF_PLACE: Final = re.compile(
    f"[{_TOLERATED}{_TAG}]|[{_INVISIBLE}](?<=[{_WORD}{_INVISIBLE}].)|[{_SELECTORS}](?<=[{LETTERS}{_SELECTORS}].)"
)


def may_hold_invisible(text: str) -> bool:
    """Whether a text has anything that the functions here could take out. Cheap; emoji and joiners between letters are not meant."""
    return _ANY.search(text) is not None and _OUT_OF_PLACE.search(text) is not None


def without_zero_width(text: str) -> str:
    """The text without invisible characters that stand within a word, or four or more in a row."""
    text = _IN_A_ROW.sub("", _IN_WORD.sub("", text))
    return _TOLERATED_IN_WORD.sub("", text) if _CHAIN.search(text) else text


_TAGS: Final = re.compile(
    f"\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{{3,6}}+\U000e007f|[{_TAG}]++"
)  # fmt: skip
_BLACK_FLAG: Final = "\U0001f3f4"


def with_tags_shown(text: str) -> str:
    """The text with each tag as the ASCII character that it stands for. The tags of a flag stay."""
    return _TAGS.sub(_shown_tags, text)


def _shown_tags(found: re.Match[str]) -> str:
    tags = found[0]
    if tags[0] == _BLACK_FLAG:
        return tags
    shown = (chr(ord(tag) - 0xE0000) for tag in tags)
    return "".join(character for character in shown if character.isprintable())


_SELECTORS_IN_A_ROW: Final = re.compile(f"[{_SELECTORS}]{{2,}}+")
_SELECTOR_IN_WORD: Final = re.compile(f"(?<=[{LETTERS}])[{_SELECTORS}](?=[{LETTERS}])")
_PRESENTATION: Final = frozenset("\ufe0e\ufe0f")
"""As text or as emoji. Where emoji were taken out of a text, these are left behind."""


def without_selectors(text: str) -> str:
    """The text without selectors that select nothing. Where a row of them spells a text, that stands in its place."""
    return _SELECTOR_IN_WORD.sub("", _SELECTORS_IN_A_ROW.sub(_spelled, text))


def _spelled(found: re.Match[str]) -> str:
    row = found[0]
    if _PRESENTATION.issuperset(row):
        return row
    return text_in(bytes(map(_byte, row)), least=2) or ""


def _byte(selector: str) -> int:
    """The byte that a selector stands for, as the usual tools number them: VS1 is 0, VS256 is 255."""
    return ord(selector) - 0xFE00 if selector <= "\ufe0f" else ord(selector) - 0xE0100 + 16
