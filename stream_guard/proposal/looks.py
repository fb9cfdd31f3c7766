"""What a value looks like: the one thing that is told of a sampled value, never the value itself."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec
from msgspec import MsgspecError

LOOKED_AT = 2000
"""Characters of a value that are looked at: what it is shows early."""


class Look(StrEnum):
    """What a value looks like, in words for a person."""

    TEXT = "text"
    WORD = "single words"
    NUMBER = "numbers"
    EPOCH = "times (epoch)"
    TIME = "times (ISO 8601)"
    UUID = "UUIDs"
    URL = "URLs"
    EMAIL = "e-mail addresses"
    TOKEN = "tokens"  # noqa: S105 - the name of a look
    ENCODED = "JSON inside a text"
    BOOLEAN = "true or false"
    BLANK = "blank"
    OBJECT = "objects"
    ARRAY = "arrays"


_URL = re.compile(r"(?:[a-z][a-z0-9+.-]{1,15}://|mailto:|data:[a-z]+/|www\.)\S+", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
_TIME = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}(?:[T ]\d{2}:\d{2}[0-9:.,]*\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?)?")
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?")
_TOKEN = re.compile(r"(?=[^\s]*\d)[A-Za-z0-9+/=_.:~-]{16,}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff66-\uff9f]")
"""Scripts that are written without spaces between words, and Hangul."""
_EXCLAIMS = "!?\u2026\u3002\uff01\uff1f"
_SECONDS = (946_684_800, 4_102_444_800)
"""The years 2000 to 2100 as Unix time."""


def look(value: object) -> Look:
    """What a JSON value looks like. Never raises."""
    if isinstance(value, str):
        return _look_of_text(value[:LOOKED_AT].strip())
    if isinstance(value, bool):
        return Look.BOOLEAN
    if isinstance(value, int | float):
        return Look.EPOCH if is_epoch(value) else Look.NUMBER
    if isinstance(value, dict):
        return Look.OBJECT
    return Look.ARRAY if isinstance(value, list) else Look.BLANK


def is_epoch(number: float) -> bool:
    """Whether a number is a time of this century in seconds, milli-, micro- or nanoseconds."""
    return any(_SECONDS[0] * unit <= number <= _SECONDS[1] * unit for unit in (1, 10**3, 10**6, 10**9))


def is_language(value: object) -> bool:
    """Whether a value could be a language tag, such as `en` or `pt-BR`."""
    return isinstance(value, str) and _LANGUAGE.fullmatch(value) is not None


def _look_of_text(text: str) -> Look:
    if not text:
        return Look.BLANK
    if _NUMBER.fullmatch(text):
        return Look.EPOCH if is_epoch(float(text)) else Look.NUMBER
    for pattern, found in _PATTERNS:
        if pattern.fullmatch(text):
            return found
    if text[0] in "{[" and _is_json(text):
        return Look.ENCODED
    return Look.TEXT if _is_prose(text) else Look.WORD


_PATTERNS = (
    (_UUID, Look.UUID),
    (_TIME, Look.TIME),
    (_URL, Look.URL),
    (_EMAIL, Look.EMAIL),
    (_TOKEN, Look.TOKEN),
)


def _is_json(text: str) -> bool:
    """Whether it is JSON, as far as it was looked at."""
    if len(text) >= LOOKED_AT - 1 and text[:2] in {'{"', "[{", '["'}:
        return True
    try:
        msgspec.json.decode(text)
    except (MsgspecError, UnicodeError, RecursionError):
        return False
    return True


def _is_prose(text: str) -> bool:
    """Whether somebody may have written this to be read: words with spaces, or a script without them."""
    if len(_UNSPACED.findall(text)) > 1:
        return True
    letters = sum(map(str.isalpha, text))
    filled = sum(not character.isspace() for character in text)
    if letters * 2 < filled:
        return False
    return filled < len(text) or text[-1] in _EXCLAIMS
