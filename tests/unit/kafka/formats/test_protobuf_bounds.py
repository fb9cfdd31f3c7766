from __future__ import annotations

import pytest
from google.protobuf import any_pb2, struct_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from stream_guard.kafka.formats.avro_bounds import MAX_DEPTH, MAX_VALUES
from stream_guard.kafka.formats.frame import Refused
from stream_guard.kafka.formats.protobuf_bounds import Bounds

EMPTY, NUMBERS, SELF, MAPPED, ANY = 1, 2, 3, 4, 5
"""The numbers of the fields of `p.M`."""


@pytest.fixture
def bounds() -> Bounds:
    """Of `p.M`: many messages of twenty fields, many numbers, itself, a map, and anything."""
    field, empty, message = FieldDescriptorProto, DescriptorProto(name="E"), DescriptorProto(name="M")
    for number in range(1, 21):
        empty.field.add(name=f"f{number}", number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry = message.nested_type.add(name="MappedEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=field.TYPE_MESSAGE, type_name=".p.E", label=field.LABEL_OPTIONAL)
    many, types = field.LABEL_REPEATED, (".p.E", "", ".p.M", ".p.M.MappedEntry", ".google.protobuf.Any")
    for number, name in enumerate(types, start=1):
        kind = field.TYPE_MESSAGE if name else field.TYPE_INT64
        message.field.add(name=f"f{number}", number=number, type=kind, type_name=name or None, label=many)
    file = FileDescriptorProto(
        name="m.proto", package="p", syntax="proto3", message_type=[empty, message],
        dependency=["google/protobuf/any.proto"],
    )  # fmt: skip
    pool = DescriptorPool()
    for known in (any_pb2, struct_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return Bounds(pool.FindMessageTypeByName("p.M"), pool)


def sized(number: int, body: bytes) -> bytes:
    """A field that says how long it is."""
    size, length = len(body), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + body


def anything(name: str, body: bytes) -> bytes:
    """A value of any type, its name after it."""
    return sized(ANY, sized(2, body) + sized(1, b"type.googleapis.com/" + name.encode()))


BOMB = sized(EMPTY, b"") * (MAX_VALUES // 20)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BOMB, id="empty messages"),
        pytest.param(sized(SELF, BOMB), id="within another"),
        pytest.param(sized(NUMBERS, b"\0" * (MAX_VALUES + 1)), id="numbers in a row"),
        pytest.param(b"\x10\0" * MAX_VALUES, id="numbers one by one"),
        pytest.param(b"\x0b\x0c" * MAX_VALUES, id="groups"),
        pytest.param(sized(MAPPED, b"") * (MAX_VALUES // 20), id="entries of a map"),
        pytest.param(anything("p.M", BOMB), id="anything"),
    ],
)
def test_a_few_bytes_can_not_stand_for_many_values(bounds: Bounds, body: bytes) -> None:
    """Whatever they are values of, and where."""
    with pytest.raises(Refused, match=f"holds more than {MAX_VALUES} values"):
        bounds.check(body)


def test_depth_is_bounded(bounds: Bounds) -> None:
    """Of messages, of groups, and of values of any type."""
    body = plain = b""
    for _ in range(MAX_DEPTH):
        body, plain = anything("p.M", body), sized(SELF, plain)
    for deep in (body, plain, b"\x1b" * 200):
        with pytest.raises(Refused, match="nests deeper than"):
            bounds.check(deep)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\x0a\x7fcut", "ends too early"),
        (b"\x0a", "ends too early"),
        (b"\x09\0", "ends too early"),
        (b"\xff" * 11, "more than 64 bits"),
        (b"\x0f", "is no message"),
    ],
)
def test_what_is_no_message_is_refused(bounds: Bounds, body: bytes, why: str) -> None:
    """Without a word of what stood there."""
    with pytest.raises(Refused, match=why):
        bounds.check(body)


def test_what_people_write_passes(bounds: Bounds) -> None:
    """Some of everything, of types that nobody knows too."""
    bounds.check(
        sized(EMPTY, sized(1, b"hello")) * 100
        + sized(NUMBERS, bytes(1000))
        + sized(MAPPED, sized(1, b"key"))
        + anything("p.E", sized(1, b"x"))
        + sized(15, b"later")
        + b"\x9d\x06\0\0\0\0"
    )


def test_most_messages_are_not_walked() -> None:
    """Their length and types say enough: even what is cut is left to the library."""
    pool = DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    Bounds(pool.FindMessageTypeByName("google.protobuf.Struct"), pool).check(b"\x0a\x7fcut")
