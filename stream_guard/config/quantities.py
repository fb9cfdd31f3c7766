"""Sizes and durations, as numbers or the way a human writes them: `64MiB`, `500kB`, `8s`, `1h30m`."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

_BYTES = {"": 1, "b": 1} | {
    f"{letter}{suffix}": base ** (power + 1)
    for power, letter in enumerate("kmgt")
    for suffix, base in (("b", 1000), ("ib", 1024))
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_DURATIONS = re.compile(rf"(?:{_DURATION.pattern})+")


def parse_size(value: object) -> object:
    """The bytes that a text like `64MiB` means; anything but a text is returned as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    unit = _BYTES.get(match[2].lower()) if match else None
    if match is None or unit is None:
        msg = "not a size: write a number of bytes, or one with a unit (kB, MB, GB, KiB, MiB, GiB)"
        raise ValueError(msg)
    return round(float(match[1]) * unit)


def parse_duration(value: object) -> object:
    """The seconds that a text like `1h30m` means; anything but a text is returned as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if _DURATIONS.fullmatch(text) is None:
        msg = "not a duration: write a number of seconds, or one with a unit (ms, s, m, h, d), as in 1h30m"
        raise ValueError(msg)
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


Bytes: TypeAlias = Annotated[
    int,
    Field(gt=0),
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKmMgGtT]?[iI]?[bB])?\s*$"},
            ],
            "description": "Bytes: a number, or a text like 64MiB.",
        }
    ),
]
"""A number of bytes, at least 1."""

Seconds: TypeAlias = Annotated[
    float,
    Field(gt=0),
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)?\s*)+$"},
            ],
            "description": "Seconds: a number, or a text like 8s, 500ms or 1h30m.",
        }
    ),
]
"""A duration in seconds, above 0."""
