"""Values in Avro, Protobuf and JSON Schema as JSON: every format is JSON before anything else looks at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka.schema_registry import Schema
from msgspec.structs import replace

from stream_guard.errors import RegistryUnavailable
from stream_guard.events.reader import Format
from stream_guard.kafka.formats import protobuf
from stream_guard.kafka.formats.avro import AvroSchema
from stream_guard.kafka.formats.frame import Frame, Prepared, Refused, unframed
from stream_guard.kafka.formats.json_schema import JsonSchema
from stream_guard.kafka.formats.protobuf import ProtobufSchema
from stream_guard.kafka.formats.registry import Client, NotRegistered, Schemas
from stream_guard.records import Record, Undecodable

_CACHED = 1_000
"""Schemas kept ready, beside those of the list at hand."""


class _Kind(NamedTuple):
    """How schemas of a format are called, asked for and made ready."""

    schema_type: str
    form: str | None
    prepare: Callable[[Schema, Client], Prepared]


_KINDS: Mapping[Format, _Kind] = {
    Format.AVRO: _Kind("AVRO", None, AvroSchema),
    Format.PROTOBUF: _Kind("PROTOBUF", protobuf.FORM, ProtobufSchema.of_registry),
    Format.JSON_SCHEMA: _Kind("JSON", None, JsonSchema),
}


class Topic(NamedTuple):
    """How a topic's values are written, and how large a record may be. `given` reads them without a registry."""

    format: Format
    record_bytes: int
    given: Prepared | None = None


class Documents:
    """Makes documents of values. Blocks while it asks the registry; used by one thread at a time, off the event loop."""

    def __init__(self, schemas: Schemas | None, topic: Callable[[str], Topic]) -> None:
        """`schemas` may be None where every topic can be read without a registry; `topic` is asked for each name once."""
        self._schemas, self._topic = schemas, topic
        self._topics: dict[str, Topic] = {}
        self._ready: dict[tuple[Format, int], Prepared | Undecodable] = {}
        self._doubtful: set[tuple[Format, int]] = set()
        """Schemas that refer to one that the registry lacked: a replica may lag behind, so that is not believed for good."""

    def needed(self, topic: str) -> bool:
        """Whether the values of a topic are in a format that is decoded here."""
        return self._of(topic).format in _KINDS

    def of(self, records: Sequence[Record]) -> list[Record]:
        """The records in order, each with its document. Those of other formats, and what is not judged anyway, stay as they are.

        Raises RegistryUnavailable where a schema can't be had now: then it made nothing of any of them.
        """
        frames = [self._frame(record) for record in records]
        self._prepare(records, frames)
        return [
            record if frame is None else replace(record, document=self._document(record, frame))
            for record, frame in zip(records, frames, strict=True)
        ]

    def close(self) -> None:
        """Closes the connections to the registry."""
        if self._schemas is not None:
            self._schemas.close()

    def _of(self, name: str) -> Topic:
        found = self._topics.get(name)
        if found is None:
            found = self._topics[name] = self._topic(name)
        return found

    def _frame(self, record: Record) -> Frame | Undecodable | None:
        """None for what needs no document: a tombstone, and a record that is turned down for its size or its flaw."""
        topic = self._of(record.topic)
        if topic.format not in _KINDS or record.value is None or record.flaw or record.size > topic.record_bytes:
            return None
        return unframed(record.value, message=topic.format is Format.PROTOBUF)

    def _prepare(self, records: Sequence[Record], frames: Sequence[Frame | Undecodable | None]) -> None:
        """Asks for the schemas that are not ready yet, all before anything is decoded."""
        if len(self._ready) > _CACHED:
            self._ready.clear()
        while self._doubtful:
            self._ready.pop(self._doubtful.pop(), None)
        wanted: dict[Format, set[int]] = {}
        for record, frame in zip(records, frames, strict=True):
            topic = self._of(record.topic)
            if isinstance(frame, Frame) and not topic.given and (topic.format, frame.schema_id) not in self._ready:
                wanted.setdefault(topic.format, set()).add(frame.schema_id)
        for format_, ids in wanted.items():
            self._learn(format_, sorted(ids))

    def _learn(self, format_: Format, ids: Sequence[int]) -> None:
        if self._schemas is None:
            raise RegistryUnavailable("none is configured: set schema_registry")
        for schema_id, schema in self._schemas.find(ids, _KINDS[format_].form).items():
            if schema is not None:
                self._ready[format_, schema_id] = self._made_ready(format_, schema_id, schema, self._schemas.client)

    def _made_ready(self, format_: Format, schema_id: int, schema: Schema, client: Client) -> Prepared | Undecodable:
        kind = _KINDS[format_]
        written = schema.schema_type or "AVRO"
        if written != kind.schema_type:
            return Undecodable(f"schema {schema_id} is of type {written}, not {kind.schema_type}")
        try:
            return kind.prepare(schema, client)
        except RegistryUnavailable:
            raise
        except Refused as error:
            return Undecodable(f"schema {schema_id}: {error}")
        except NotRegistered:
            self._doubtful.add((format_, schema_id))
            return Undecodable(f"schema {schema_id} refers to one that is not in the registry")
        except Exception as error:  # noqa: BLE001 - what is wrong with a schema is said in the terms of four libraries
            return Undecodable(f"schema {schema_id} can't be used ({type(error).__name__})")

    def _document(self, record: Record, frame: Frame | Undecodable) -> bytes | Undecodable:
        if isinstance(frame, Undecodable):
            return frame
        topic = self._of(record.topic)
        prepared = topic.given or self._ready.get((topic.format, frame.schema_id))
        if prepared is None:
            return Undecodable(f"schema {frame.schema_id} is not in the registry")
        if isinstance(prepared, Undecodable):
            return prepared
        return _read(prepared, record.topic, frame, topic.record_bytes)


def _read(prepared: Prepared, topic: str, frame: Frame, max_bytes: int) -> bytes | Undecodable:
    try:
        document = prepared.document(topic, frame)
    except RegistryUnavailable:
        raise
    except Refused as error:
        return Undecodable(str(error))
    except Exception as error:  # noqa: BLE001 - what is wrong with a value is said in the terms of four libraries
        # The class alone: their texts quote values.
        return Undecodable(f"is not of schema {frame.schema_id} ({type(error).__name__})")
    return (
        document if len(document) <= max_bytes else Undecodable(f"{len(document)} bytes as JSON, {max_bytes} allowed")
    )
