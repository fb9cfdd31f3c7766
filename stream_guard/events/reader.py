"""How the values of a topic are read: the reader port, and the reader of our own canonical events."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from stream_guard.events.decode import decode
from stream_guard.events.model import Event
from stream_guard.events.outcome import Ignored, Rejection
from stream_guard.records import Record


class Format(StrEnum):
    """How a value is written. The last three carry the id of a schema that a registry keeps."""

    JSON = "json"
    TEXT = "text"
    """The value is the text of a message, in UTF-8."""
    AVRO = "avro"
    PROTOBUF = "protobuf"
    JSON_SCHEMA = "json_schema"


class Reader(Protocol):
    """Makes an event of a record. Pure; never raises, whatever the bytes."""

    def read(self, value: bytes, record: Record, *, max_bytes: int, max_depth: int) -> Event | Ignored | Rejection:
        """The event in a value (JSON, or what a text format holds); `record` has the key and the headers.

        `max_bytes` bounds the value, `max_depth` how deep its objects and arrays nest (the outermost is 1).
        """


class CanonicalReader:
    """Reads our own events: a message, a chat or a completion in JSON."""

    def read(self, value: bytes, record: Record, *, max_bytes: int, max_depth: int) -> Event | Ignored | Rejection:
        """See the port."""
        del record
        return decode(value, max_bytes=max_bytes, max_depth=max_depth)


CANONICAL = CanonicalReader()
