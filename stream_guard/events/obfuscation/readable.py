"""Whether bytes are a text that somebody wrote."""

from __future__ import annotations

import unicodedata
from typing import Final

_LETTERS_AT_LEAST: Final = 0.7
"""Letters and spaces in a text, at least: of what is no text, hardly anything has as many."""
_CUT: Final = 3
"""Bytes of a letter that was cut off at the end."""


def text_in(raw: bytes, *, least: int) -> str | None:
    """The text that these bytes spell in UTF-8, None where they spell none. It has `least` bytes at least."""
    if len(raw) < least:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if len(raw) - error.start > _CUT or error.reason != "unexpected end of data":
            return None
        text = raw[: error.start].decode()
    if not text.isprintable() and not all(map(_is_written, text)):
        return None
    letters = sum(map(str.isalpha, text)) + sum(map(str.isspace, text))
    return text if letters >= _LETTERS_AT_LEAST * len(text) else None


def _is_written(character: str) -> bool:
    """Also what hides in a text in its turn: format characters."""
    return character.isprintable() or character in "\t\n\r" or unicodedata.category(character) in {"Cf", "Zs"}
