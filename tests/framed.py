"""Our own events in the formats of a schema registry, written by the serializers that producers use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from stream_guard.events.reader import Format

Write: TypeAlias = Callable[[Mapping[str, Any]], bytes]
PROTO = """\
syntax = "proto3";
package talk;
message Other { optional string kind = 1; }
message Message { string kind = 1; optional string id = 2; string content = 3; optional string author = 4; }
"""
"""The schema of `talk.Message` as its authors write it; `Message` is the second of its file."""


def avro_schema(*more: str) -> str:
    """The schema of a message; each of `more` is another text that may be absent."""
    optional = [{"name": name, "type": ["null", "string"], "default": None} for name in ("id", *more)]
    texts = [{"name": name, "type": "string"} for name in ("kind", "content")]
    return json.dumps({"type": "record", "name": "Message", "namespace": "talk", "fields": [*texts, *optional]})


def json_schema(*more: str) -> str:
    """The same in JSON Schema."""
    texts = {name: {"type": "string", "minLength": 1} for name in ("kind", "content", "id", *more)}
    schema = {"title": "Message", "type": "object", "properties": texts, "required": ["kind", "content"]}
    return json.dumps(schema)


def proto_file(*more: str) -> FileDescriptorProto:
    """The same in Protobuf: what `PROTO` says."""
    text = FieldDescriptorProto(type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL)
    other, message = DescriptorProto(name="Other"), DescriptorProto(name="Message")
    for into, names in ((other, ("kind",)), (message, ("kind", "id", "content", "author", *more))):
        for number, name in enumerate(names, start=1):
            field = into.field.add()
            field.CopyFrom(text)
            field.name, field.number = name, number
            if name not in {"kind", "content"} or into is other:
                field.proto3_optional = True
                field.oneof_index = len(into.oneof_decl)
                into.oneof_decl.add(name=f"_{name}")
    return FileDescriptorProto(name="talk.proto", package="talk", syntax="proto3", message_type=[other, message])


def proto_class(*more: str, name: str = "talk.Message") -> Any:
    """Its generated class."""
    pool = DescriptorPool()
    pool.Add(proto_file(*more))
    return GetMessageClass(pool.FindMessageTypeByName(name))


def writer(format_: Format, client: SchemaRegistryClient, topic: str, *more: str) -> Write:
    """Writes events to a topic, registering the schema as `<topic>-value` with the first."""
    context = SerializationContext(topic, MessageField.VALUE)
    if format_ is Format.AVRO:
        avro = AvroSerializer(client, avro_schema(*more))
        return lambda event: _whole(avro(dict(event), context))
    if format_ is Format.JSON_SCHEMA:
        checked = JSONSerializer(json_schema(*more), client)
        return lambda event: _whole(checked(dict(event), context))
    kind = proto_class(*more)
    serializer = ProtobufSerializer(kind, client)
    return lambda event: _whole(serializer(ParseDict(dict(event), kind()), context))


def _whole(value: bytes | None) -> bytes:
    if value is None:
        raise AssertionError("a serializer made nothing of an event")
    return value


def foreign_avro(client: SchemaRegistryClient, topic: str) -> Write:
    """Writes chats as somebody else models them, with fields that nobody maps and that JSON has no value for."""
    role = {"type": "enum", "name": "Role", "symbols": ["CUSTOMER", "BOT"]}
    line = [{"name": "by", "type": role}, {"name": "said", "type": "string"}]
    time = {"type": "long", "logicalType": "timestamp-millis"}
    fields = [
        {"name": "number", "type": "long"},
        {"name": "at", "type": time},
        {"name": "expires", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "mood", "type": "double"},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": line}}},
    ]
    serializer = AvroSerializer(client, json.dumps({"type": "record", "name": "Ticket", "fields": fields}))
    context = SerializationContext(topic, MessageField.VALUE)
    return lambda event: _whole(serializer(dict(event), context))


def foreign_protobuf(client: SchemaRegistryClient, topic: str) -> Write:
    """The same in Protobuf, where the first role of the enum is not on the wire."""
    text, number, enum, message = (
        getattr(FieldDescriptorProto, f"TYPE_{name}") for name in ("STRING", "INT64", "ENUM", "MESSAGE")
    )
    line, ticket = DescriptorProto(name="Line"), DescriptorProto(name="Ticket")
    line.field.add(name="by", number=1, type=enum, type_name=".desk.Role")
    line.field.add(name="said", number=2, type=text)
    ticket.field.add(name="number", number=1, type=number)
    ticket.field.add(name="at", number=2, type=number)
    ticket.field.add(name="mood", number=3, type=FieldDescriptorProto.TYPE_DOUBLE)
    repeated = FieldDescriptorProto.LABEL_REPEATED
    ticket.field.add(name="lines", number=4, type=message, type_name=".desk.Line", label=repeated)
    file = FileDescriptorProto(name="desk.proto", package="desk", syntax="proto3", message_type=[line, ticket])
    role = file.enum_type.add(name="Role")
    role.value.add(name="CUSTOMER", number=0)
    role.value.add(name="BOT", number=1)
    pool = DescriptorPool()
    pool.Add(file)
    kind = GetMessageClass(pool.FindMessageTypeByName("desk.Ticket"))
    serializer = ProtobufSerializer(kind, client)
    context = SerializationContext(topic, MessageField.VALUE)
    return lambda event: _whole(
        serializer(ParseDict({**event, "mood": "NaN"}, kind(), ignore_unknown_fields=True), context)
    )
