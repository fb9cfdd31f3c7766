"""Bytes of a record -> the JSON document in them, or why there is none: for readers of records that are not our own."""

from __future__ import annotations

from typing import Any

from msgspec import MsgspecError
from msgspec.json import Decoder

from stream_guard.events.outcome import Rejection, RejectionReason
from stream_guard.events.rejection import invalid, nests_deeper, not_json

_DECODE = Decoder().decode


def parse(value: bytes, max_bytes: int, max_depth: int) -> Any:
    """The document, or a Rejection with the reasons of `decode.py`; never raises. Of duplicate keys the last one counts."""
    if len(value) > max_bytes:
        return Rejection(RejectionReason.TOO_LARGE, f"{len(value)} bytes exceed {max_bytes}")
    try:
        document = _DECODE(value)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return not_json(value, max_depth) or invalid("number is out of range", "")
    if nests_deeper(value, max_depth):
        return Rejection(RejectionReason.TOO_DEEP, f"nests deeper than {max_depth}")
    return document
