"""Avro values as JSON.

Unions are written as the value they hold, enums by name, records and maps as objects. Logical types: timestamps and
times as RFC 3339 texts (UTC with a `Z`; local ones without), dates as `2026-01-31`, UUIDs as they stand, decimals as a text
of digits. Bytes, and a decimal or a time that is out of any range, stay what Avro wrote: bytes as base64, numbers as
numbers. NaN and Infinity, which JSON lacks, are null: a field that nobody maps must not cost the record.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.avro import AvroDeserializer
from fastavro.read import LOGICAL_READERS
from fastavro.schema import parse_schema

from stream_guard.kafka.formats.avro_bounds import Bounds
from stream_guard.kafka.formats.frame import SERDE, Frame, Reading, Refused
from stream_guard.kafka.formats.registry import Client

_MAX_DECIMAL = 128
"""Bytes of a decimal. Its digits cost their square: one of 100 kB takes a second [fastavro 1.13.1]."""


class AvroSchema:
    """One schema of the registry, ready to read values with."""

    def __init__(self, schema: Schema, client: Client) -> None:
        """Raises RegistryUnavailable where a schema that it refers to can't be had now; else whatever is wrong with it."""
        named: dict[str, Any] = {}
        self._bounds = Bounds(_parsed(schema, client, named, set()), named)
        self._read = AvroDeserializer(client, conf=SERDE)

    def document(self, topic: str, frame: Frame) -> bytes:
        """See the port."""
        self._bounds.check(frame.body)
        reading = Reading(topic, frame)
        value = self._read(_AS_FRAMED, reading)
        if left := len(frame.body) - reading.rest.tell():
            raise Refused(f"{left} bytes follow the value: it is not of its schema")
        return orjson.dumps(value, _plain, orjson.OPT_UTC_Z)


_AS_FRAMED = bytes(6)
"""Stands for the framed value, which the reading holds; no shorter one is taken for a value."""


def _parsed(schema: Schema, client: Client, named: dict[str, Any], seen: set[tuple[str, int]]) -> Any:
    """The schema as fastavro has it. Fills `named` with every type that it, and what it refers to, defines."""
    for reference in schema.references or ():
        where = (reference.subject or "", reference.version or 0)
        if where not in seen:
            seen.add(where)
            _parsed(client.get_version(*where, True).schema, client, named, seen)
    text = (schema.schema_str or "").strip()
    return parse_schema(json.loads(text) if text[:1] in {"{", "[", '"'} else text, named_schemas=named)


def _plain(value: object) -> str:
    """What orjson does not know of."""
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError


def _or_as_written(read: Callable[..., Any]) -> Callable[..., Any]:
    """A logical type's reader that leaves alone what it can't read: Avro has what readers don't know as its plain type."""

    def reader(value: Any, *schemas: Any) -> Any:
        if isinstance(value, bytes) and len(value) > _MAX_DECIMAL:
            return value
        try:
            return read(value, *schemas)
        except (ArithmeticError, ValueError, TypeError):
            return value

    return reader


def _text(value: Any, *_: Any) -> Any:
    return value


# fastavro's own way to say how logical types are read; nothing else in this process reads Avro.
LOGICAL_READERS.update({name: _or_as_written(read) for name, read in LOGICAL_READERS.items()})
LOGICAL_READERS["string-uuid"] = _text
