"""What the bytes of a sampled record are: a document, a text, something in a registry's frame, or none of these."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import MsgspecError, Struct

from stream_guard.records import Record

_FRAME = 5
"""The frame of a schema registry: a zero byte, and the schema's id in four bytes."""
_SCHEMA_HEADERS = frozenset({"__value_schema_id", "apicurio.value.globalId", "apicurio.value.contentId"})
"""Headers by which serializers name the schema instead."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_CLOUD_EVENT = ("specversion", "id", "source", "type")


class Form(StrEnum):
    """What the bytes of a value are."""

    TOMBSTONE = "tombstones"
    EMPTY = "empty values"
    FRAMED = "values in a schema registry's frame"
    JSON = "JSON"
    TEXT = "plain text"
    BINARY = "bytes of no format that is known"


class Envelope(StrEnum):
    """How a CloudEvent is carried."""

    STRUCTURED = "structured"
    """The value is the event, its data inside."""
    BINARY = "binary"
    """The attributes are headers, the value is the data."""


class Sight(Struct, frozen=True):
    """What was seen of one record. `document` is its JSON, where it has any."""

    record: Record
    form: Form
    value: bytes = b""
    """What a reader is given: the value, without a registry's frame."""
    document: Any = None
    envelope: Envelope | None = None

    def __repr__(self) -> str:
        return f"Sight({self.record!r}, {self.form})"


def sight(record: Record) -> Sight:
    """Looks at one record. Never raises, whatever the bytes."""
    value = record.document if isinstance(record.document, bytes) else record.value
    if value is None:
        return Sight(record, Form.TOMBSTONE)
    if not value.strip():
        return Sight(record, Form.EMPTY, value)
    framed = value[0] == 0 and len(value) > _FRAME
    value = value[_FRAME:] if framed else value
    document = _json(value)
    if framed or any(name in _SCHEMA_HEADERS for name, _ in record.headers):
        return Sight(record, Form.FRAMED, value, document)
    envelope = _envelope(record, document)
    if isinstance(document, dict | list | str):
        return Sight(record, Form.JSON, value, document, envelope)
    # A number alone is JSON too, but nobody writes so what is to be read.
    return Sight(record, Form.TEXT if _is_text(value) else Form.BINARY, value, None, envelope)


def data_of(seen: Sight) -> Any:
    """What a mapping looks into: the document, or the data of the CloudEvent that it is."""
    return seen.document.get("data") if seen.envelope is Envelope.STRUCTURED else seen.document


def _envelope(record: Record, document: Any) -> Envelope | None:
    if isinstance(document, dict) and all(isinstance(document.get(name), str) for name in _CLOUD_EVENT):
        return Envelope.STRUCTURED
    names = {name for name, _ in record.headers}
    return Envelope.BINARY if {f"ce_{name}" for name in _CLOUD_EVENT} <= names else None


def _json(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (MsgspecError, UnicodeError, RecursionError):
        return None


def _is_text(value: bytes) -> bool:
    try:
        return _CONTROL.search(value.decode()) is None
    except UnicodeDecodeError:
        return False
