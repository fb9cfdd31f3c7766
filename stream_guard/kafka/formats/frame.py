"""What stands before a value: a zero byte, the id of its schema in four, and for Protobuf which message of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple, Protocol

from confluent_kafka.serialization import MessageField, SerializationContext

from stream_guard.records import Undecodable

_HEAD = 5
_MAX_INDEXES = 32
_MAX_VARINT = 5


class Frame(NamedTuple):
    """A value taken apart. `indexes` lead from the schema's file to the message type, one for each level of nesting."""

    schema_id: int
    body: bytes
    indexes: tuple[int, ...] = ()


class Prepared(Protocol):
    """A schema, ready to read values with."""

    def document(self, topic: str, frame: Frame) -> bytes:
        """The value as JSON. Raises whatever the libraries raise: it is the value's fault, but for RegistryUnavailable.

        ValueError where we refuse it: its text says why, and quotes nothing.
        """


class Refused(ValueError):
    """A value or a schema that we do not read. Its text is made here, of numbers and words of ours alone."""


def unframed(value: bytes, *, message: bool) -> Frame | Undecodable:
    """Takes a value apart; `message` where Protobuf's indexes stand in it."""
    if len(value) < _HEAD:
        return Undecodable(f"{len(value)} bytes are too few for the id of a schema")
    if value[0] != 0:
        return Undecodable("does not begin with the zero byte before the id of a schema")
    schema_id = int.from_bytes(value[1:_HEAD], "big")
    if not message:
        return Frame(schema_id, value[_HEAD:])
    try:
        indexes, begin = _indexes(value, _HEAD)
    except (IndexError, Refused):
        return Undecodable("does not say which message of the schema it is")
    return Frame(schema_id, value[begin:], indexes)


def _indexes(value: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count, at = _zigzag(value, at)
    if count == 0:
        return (0,), at
    if not 0 < count <= _MAX_INDEXES:
        raise Refused
    found = []
    for _ in range(count):
        index, at = _zigzag(value, at)
        found.append(index)
    return tuple(found), at


def _zigzag(value: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place in range(_MAX_VARINT):
        byte = value[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return (number >> 1) ^ -(number & 1), at + place + 1
    raise Refused


class Reading(SerializationContext):
    """What a deserializer is told of a value: that its frame was read already. `rest` is what it reads the value from."""

    def __init__(self, topic: str, frame: Frame) -> None:
        super().__init__(topic, MessageField.VALUE)
        self.frame = frame
        self.rest = io.BytesIO(frame.body)


class _SchemaId(Protocol):
    id: int | None
    message_indexes: list[int] | None


def _take_frame(payload: bytes, context: Reading, schema_id: _SchemaId) -> io.BytesIO:
    """Called by a deserializer to have the frame taken off."""
    del payload
    schema_id.id = context.frame.schema_id
    schema_id.message_indexes = list(context.frame.indexes)
    return context.rest


def _no_subject(context: SerializationContext | None, name: str | None) -> None:
    """The id alone says what the schema is. Without a subject no rules of the registry run: they may change content."""
    del context, name


SERDE: dict[str, Callable[..., object]] = {
    "schema.id.deserializer": _take_frame,
    "subject.name.strategy": _no_subject,
}
"""What every deserializer is configured with."""
