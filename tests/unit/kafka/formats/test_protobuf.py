from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from google.protobuf import any_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from stream_guard.events.reader import Format
from stream_guard.kafka.consumer.documents import Documents, Topic
from stream_guard.kafka.formats.frame import Refused
from stream_guard.kafka.formats.protobuf import ProtobufSchema
from stream_guard.kafka.formats.registry import Schemas
from stream_guard.records import Lease, Record, Undecodable
from tests.framed import PROTO, proto_class, proto_file
from tests.stub_registry import StubRegistry

Field: TypeAlias = FieldDescriptorProto
Read: TypeAlias = Callable[[int, bytes], bytes | Undecodable | None]


@pytest.fixture
def read(stub: StubRegistry) -> Iterator[Read]:
    """Reads a framed Protobuf value (the message indexes, then the message) with the schemas of the stub."""
    documents = Documents(Schemas(stub.options(), sleep=lambda _: None), lambda _: Topic(Format.PROTOBUF, 100_000))

    def read_one(schema_id: int, rest: bytes) -> bytes | Undecodable | None:
        (record,) = documents.of([Record(Lease("t", 0, 1), 0, b"\0" + schema_id.to_bytes(4, "big") + rest)])
        return record.document

    yield read_one
    documents.close()


def make_file(*fields: tuple[str, int, str, bool], imports: tuple[str, ...] = ()) -> FileDescriptorProto:
    """A file of one message. Each field: its name, type, the name of its message or enum type, and whether it repeats."""
    message = DescriptorProto(name="M")
    for number, (name, kind, of, repeats) in enumerate(fields, start=1):
        label = Field.LABEL_REPEATED if repeats else Field.LABEL_OPTIONAL
        message.field.add(name=name, number=number, type=kind, type_name=of or None, label=label)
    file = FileDescriptorProto(name="m.proto", package="p", syntax="proto3", message_type=[message], dependency=imports)
    role = file.enum_type.add(name="Role")
    role.value.add(name="ROLE_USER", number=0)
    role.value.add(name="ROLE_BOT", number=1)
    return file


def make_class(file: FileDescriptorProto, *needed: Any) -> Any:
    """The class of its message."""
    pool = DescriptorPool()
    for module in needed:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("p.M"))


def test_a_field_without_presence_is_always_there(stub: StubRegistry, read: Read) -> None:
    """The first of an enum, a false, a zero and an empty text are values; a message that is not set is not there."""
    file = make_file(
        ("role", Field.TYPE_ENUM, ".p.Role", False), ("is_bot", Field.TYPE_BOOL, "", False),
        ("text_body", Field.TYPE_STRING, "", False), ("all", Field.TYPE_STRING, "", True),
        ("inner", Field.TYPE_MESSAGE, ".p.M", False),
    )  # fmt: skip
    document = read(stub.add(file, "PROTOBUF"), b"\0")
    assert isinstance(document, bytes)
    assert json.loads(document) == {"role": "ROLE_USER", "is_bot": False, "text_body": "", "all": []}


def test_numbers_bytes_and_times_are_written_as_protobuf_does(stub: StubRegistry, read: Read) -> None:
    """64-bit integers and what JSON lacks as texts, bytes as base64, times as RFC 3339, an unknown enum as its number."""
    file = make_file(
        ("big", Field.TYPE_INT64, "", False), ("small", Field.TYPE_INT32, "", False), ("raw", Field.TYPE_BYTES, "", False),
        ("nan", Field.TYPE_DOUBLE, "", False), ("at", Field.TYPE_MESSAGE, ".google.protobuf.Timestamp", False),
        ("role", Field.TYPE_ENUM, ".p.Role", False), imports=("google/protobuf/timestamp.proto",),
    )  # fmt: skip
    kind = make_class(file, timestamp_pb2)
    message = kind(big=2**53 + 1, small=7, raw=b"\xff", nan=float("nan"), role=9)
    message.at.seconds = 1
    document = read(stub.add(file, "PROTOBUF"), b"\0" + message.SerializeToString())
    assert isinstance(document, bytes)
    assert json.loads(document) == {
        "big": "9007199254740993", "small": 7, "raw": "/w==", "nan": "NaN", "at": "1970-01-01T00:00:01Z", "role": 9,
    }  # fmt: skip


def test_the_index_in_the_frame_picks_the_message(stub: StubRegistry, read: Read) -> None:
    """The second of the file, a first that is another, and a third that there is not."""
    number = stub.add(proto_file(), "PROTOBUF")
    message = proto_class()(kind="message", content="hello").SerializeToString()
    assert read(number, b"\2\2" + message) == b'{"kind":"message","content":"hello"}'
    assert read(number, b"\0" + message[:9]) == b'{"kind":"message"}'
    assert read(number, b"\2\4" + message) == Undecodable("names a message that its schema lacks")
    assert read(number, b"\4\2\0" + message) == Undecodable("names a message that its schema lacks")
    assert read(number, b"\2\1" + message) == Undecodable("names a message that its schema lacks")


def test_imports_are_found_in_the_registry(stub: StubRegistry, read: Read) -> None:
    """And those that every registry takes for granted are at hand."""
    stub.add(proto_file(), "PROTOBUF", subject="talk")
    file = make_file(
        ("said", Field.TYPE_MESSAGE, ".talk.Message", False), ("free", Field.TYPE_MESSAGE, ".google.protobuf.Struct", False),
        imports=("talk.proto", "google/protobuf/struct.proto"),
    )  # fmt: skip
    number = stub.add(file, "PROTOBUF", [{"name": "talk.proto", "subject": "talk", "version": 1}])
    document = read(number, b"\0\x0a\x03\x1a\x01a\x12\0")
    assert isinstance(document, bytes)
    assert json.loads(document) == {"said": {"kind": "", "content": "a"}, "free": {}}
    lonely = stub.add(file, "PROTOBUF")
    assert read(lonely, b"\0") == Undecodable(f"schema {lonely}: imports a file that the registry does not refer to")


def test_a_topic_of_a_well_known_type_is_read(stub: StubRegistry, read: Read) -> None:
    """A schema that is itself one of those that others import."""
    file = FileDescriptorProto.FromString(struct_pb2.DESCRIPTOR.serialized_pb)
    message = struct_pb2.Struct()
    message["text"] = "hello"
    assert read(stub.add(file, "PROTOBUF"), b"\0" + message.SerializeToString()) == b'{"text":"hello"}'


@pytest.mark.parametrize("body", [b"\x1a\x7fcut", b"\x1a\x02\xff\xff", b"\xff", b"\x0b" * 200])
def test_what_is_not_of_its_schema_is_a_value(stub: StubRegistry, read: Read, body: bytes) -> None:
    """Cut, not UTF-8, no message, or groups without end."""
    found = read(stub.add(proto_file(), "PROTOBUF"), b"\2\2" + body)
    assert isinstance(found, Undecodable)
    assert found.detail.startswith("is not of schema 1 (")


def test_anything_within_anything_ends(stub: StubRegistry, read: Read) -> None:
    """Values that hold values of any type, nested deeper than anybody writes them, and one of a type that nobody knows."""
    file = make_file(("any", Field.TYPE_MESSAGE, ".google.protobuf.Any", False), imports=("google/protobuf/any.proto",))
    number, packed = stub.add(file, "PROTOBUF"), any_pb2.Any(type_url="type.googleapis.com/p.Gone")
    for _ in range(400):
        outer = any_pb2.Any()
        outer.Pack(packed)
        packed = outer
    body = packed.SerializeToString()
    kind = make_class(file, any_pb2)
    message = kind()
    message.any.ParseFromString(body)
    assert isinstance(read(number, b"\0" + message.SerializeToString()), Undecodable)


def test_a_schema_that_is_kept_as_a_text_asks_for_descriptors(stub: StubRegistry, read: Read) -> None:
    """What Apicurio serves: the operator is told what to set."""
    found = read(stub.add(PROTO, "PROTOBUF"), b"\0")
    assert found == Undecodable(
        "schema 1: the registry has its schema as .proto text: set read.descriptors and read.message"
    )


def test_descriptors_need_no_registry() -> None:
    """The frame's index is looked up in the file of the message that the operator named."""
    given = ProtobufSchema.of_descriptors(FileDescriptorSet(file=[proto_file()]).SerializeToString(), "talk.Message")
    documents = Documents(None, lambda _: Topic(Format.PROTOBUF, 1_000, given))
    message = proto_class()(kind="message", content="hello").SerializeToString()
    records = [Record(Lease("t", 0, 1), 0, b"\0\0\0\0\7" + index + message) for index in (b"\2\2", b"\2\6")]
    assert [record.document for record in documents.of(records)] == [
        b'{"kind":"message","content":"hello"}',
        Undecodable("names a message that its schema lacks"),
    ]
    documents.close()


@pytest.mark.parametrize(
    ("descriptors", "message", "why"),
    [
        (b"\xff", "talk.Message", "is no set of descriptors"),
        (FileDescriptorSet(file=[proto_file()]).SerializeToString(), "talk.Gone", "has no message type talk.Gone"),
        (
            FileDescriptorSet(file=[make_file(imports=("x.proto",))]).SerializeToString(),
            "p.M",
            "lacks what its files import",
        ),
    ],
)
def test_descriptors_that_are_not_whole_are_refused(descriptors: bytes, message: str, why: str) -> None:
    """With what to do about it."""
    with pytest.raises(Refused, match=why):
        ProtobufSchema.of_descriptors(descriptors, message)
