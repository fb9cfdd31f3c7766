"""Protobuf values as JSON: the JSON form that Protobuf itself defines, with the field names of the .proto file.

Enums are written by name, 64-bit integers as texts, bytes as base64, NaN and Infinity as texts, timestamps as RFC 3339. A
field without presence (in proto3: one that is neither `optional`, nor a message, nor in a oneof) is always written: its
default *is* its value, and a role that is the first of its enum, or a text that is empty, would be missing otherwise. A
field with presence that is not set finds nothing. Fields that the schema lacks are dropped.

The message type is built from the schema that the registry has, where that serves descriptors (`format=serialized`); one
that keeps the .proto text alone (Apicurio) needs a file of descriptors from the operator.
"""

from __future__ import annotations

import importlib
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from stream_guard.kafka.formats.frame import SERDE, Frame, Reading, Refused
from stream_guard.kafka.formats.protobuf_bounds import Bounds
from stream_guard.kafka.formats.registry import Client

FORM = "serialized"
"""How the registry is asked to write a schema: as a FileDescriptorProto in base64."""

_MAIN = "stream_guard.main.proto"
_COMMON = re.compile(r"(google/(?:protobuf|type)|confluent(?:/types?)?)/([a-z_]{1,40})\.proto")
"""Files that every registry takes for granted, and that are installed here."""
_PACKAGES = {"confluent": "confluent_kafka.schema_registry.confluent"}


class ProtobufSchema:
    """The message types of one file, ready to read values with."""

    def __init__(self, file: FileDescriptor, pool: DescriptorPool) -> None:
        self._file, self._pool = file, pool
        self._readers: dict[tuple[int, ...], tuple[Bounds, ProtobufDeserializer]] = {}

    @classmethod
    def of_registry(cls, schema: Schema, client: Client) -> ProtobufSchema:
        """The file that a registry has.

        Raises RegistryUnavailable where one that it imports can't be had now; Refused where it is written as a .proto
        text; else whatever is wrong with it.
        """
        files: dict[str, FileDescriptorProto] = {}
        _learn_imports(schema, client, files)
        pool = DescriptorPool()
        _add(_file(_MAIN, schema), files, pool, set())
        return cls(pool.FindFileByName(_MAIN), pool)

    @classmethod
    def of_descriptors(cls, descriptors: bytes, message: str) -> ProtobufSchema:
        """The file that defines `message`, of a set that `protoc --include_imports --descriptor_set_out` wrote.

        Raises Refused where it is no such set, is not whole, or lacks the message.
        """
        pool = DescriptorPool()
        try:
            for file in FileDescriptorSet.FromString(descriptors).file:
                pool.Add(file)
            return cls(pool.FindMessageTypeByName(message).file, pool)
        except DecodeError:
            raise Refused("is no set of descriptors: make it with protoc --descriptor_set_out") from None
        except TypeError:
            raise Refused("lacks what its files import: make it with protoc --include_imports") from None
        except KeyError:
            raise Refused(f"has no message type {message}") from None

    def document(self, topic: str, frame: Frame) -> bytes:
        """See the port."""
        bounds, read = self._reader(frame.indexes)
        bounds.check(frame.body)
        message: Any = read(frame.body, Reading(topic, frame))
        value = MessageToDict(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            descriptor_pool=self._pool,
        )
        return orjson.dumps(value)

    def _reader(self, indexes: tuple[int, ...]) -> tuple[Bounds, ProtobufDeserializer]:
        found = self._readers.get(indexes)
        if found is None:
            kind = self._message(indexes)
            reader = ProtobufDeserializer(GetMessageClass(kind), conf=SERDE)
            found = self._readers[indexes] = Bounds(kind, self._pool), reader
        return found

    def _message(self, indexes: tuple[int, ...]) -> Descriptor:
        among: Iterable[Descriptor] = self._file.message_types_by_name.values()
        found = None
        for index in indexes:
            types = list(among)
            if not 0 <= index < len(types):
                raise Refused("names a message that its schema lacks")
            found = types[index]
            among = found.nested_types
        if found is None:
            raise Refused("names no message")
        return found


def _learn_imports(schema: Schema, client: Client, files: dict[str, FileDescriptorProto]) -> None:
    """Asks for the files that a schema refers to, and those that they refer to."""
    for reference in schema.references or ():
        name = reference.name or ""
        if name not in files and not _COMMON.fullmatch(name):
            found = client.get_version(reference.subject or "", reference.version or 0, True, FORM).schema
            files[name] = _file(name, found)
            _learn_imports(found, client, files)


def _add(
    file: FileDescriptorProto, files: Mapping[str, FileDescriptorProto], pool: DescriptorPool, added: set[str]
) -> None:
    """Adds a file, what it imports first."""
    for name in file.dependency:
        if name not in added:
            added.add(name)
            _add(files.get(name) or _common(name), files, pool, added)
    pool.Add(file)


def _common(name: str) -> FileDescriptorProto:
    found = _COMMON.fullmatch(name)
    if found is None:
        raise Refused("imports a file that the registry does not refer to")
    first, _, rest = f"{found[1]}/{found[2]}_pb2".partition("/")
    module = importlib.import_module(".".join([_PACKAGES.get(first, first), *rest.split("/")]))
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def _file(name: str, schema: Schema) -> FileDescriptorProto:
    try:
        file = FileDescriptorProto.FromString(b64decode(schema.schema_str or "", validate=True))
    except (ValueError, DecodeError):
        raise Refused("the registry has its schema as .proto text: set read.descriptors and read.message") from None
    file.name = name
    return file
