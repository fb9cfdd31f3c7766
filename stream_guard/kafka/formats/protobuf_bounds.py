"""What a Protobuf message may come to, found out before it is read.

Two bytes are a message of its own, in which every field has its place: a megabyte of them takes gigabytes, in the library's
memory and again in the JSON. Most messages can be proven harmless from their types and length alone; the others are walked
first, at the speed of Python, building nothing.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from stream_guard.kafka.formats.avro_bounds import MAX_DEPTH, MAX_VALUES
from stream_guard.kafka.formats.frame import Refused

_ANY = "google.protobuf.Any"
_ANY_TYPE, _ANY_VALUE = 1, 2
_MAX_VARINT = 10
_VARINT, _EIGHT, _SIZED, _BEGIN, _END, _FOUR = range(6)
"""How a field is written: the wire types, by number."""
_LEAST: Final = 2
"""Bytes of an empty message: its tag and its length."""


class Bounds:
    """The bounds of messages of one type."""

    def __init__(self, message: Descriptor, pool: DescriptorPool) -> None:
        self._message, self._pool = message, pool
        types = _reachable(message)
        self._density = max(1.0, *(_values(each) / _LEAST for each in types.values()))
        """The most values that one byte can come to."""
        self._open = any(each.is_extendable or each.full_name == _ANY for each in types.values())
        """Whether a message may hold types that its own does not name."""

    def check(self, body: bytes) -> None:
        """Raises Refused where the message holds too much, nests too deep, or ends too early."""
        if self._open or _values(self._message) + len(body) * self._density > MAX_VALUES:
            _Walk(self._pool).message(self._message, body, 0, len(body), 1)


def _reachable(message: Descriptor) -> dict[str, Descriptor]:
    """The type, and all that its fields name, by name."""
    seen: dict[str, Descriptor] = {}
    waiting = [message]
    while waiting:
        each = waiting.pop()
        if each.full_name not in seen:
            seen[each.full_name] = each
            waiting += [field.message_type for field in each.fields if field.message_type is not None]
    return seen


def _values(message: Descriptor) -> int:
    """What an empty message of a type counts for: a value for itself and for each of its fields.

    An entry of a map has its value even where that is not written.
    """
    inner = message.fields_by_name["value"].message_type if message.GetOptions().map_entry else None
    return 1 + len(message.fields) + (_values(inner) if inner is not None else 0)


class _Walk:
    """Goes through one message, and counts."""

    __slots__ = ("_pool", "_values")

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool, self._values = pool, 0

    def message(self, kind: Descriptor | None, body: bytes, at: int, end: int, depth: int) -> int:
        """Steps over a message, or a group: that ends by itself. Returns where. `kind` is None for what nobody knows."""
        if depth > MAX_DEPTH:
            raise Refused(f"nests deeper than {MAX_DEPTH}")
        self._count(1 if kind is None else _values(kind))
        name, packed = b"", (0, 0)
        while at < end:
            tag, at = _varint(body, at, end)
            number, wire = tag >> 3, tag & 7
            if wire == _END:
                break
            field = None if kind is None else self._field(kind, number)
            if wire == _BEGIN:
                at = self.message(None if field is None else field.message_type, body, at, end, depth + 1)
                continue
            begin, at = _step(body, at, end, wire)
            if wire == _SIZED:
                self._sized(field, body, begin, at, depth)
                if number == _ANY_TYPE:
                    name = body[begin:at]
                elif number == _ANY_VALUE:
                    packed = begin, at
            else:
                self._count(1)
        if kind is not None and kind.full_name == _ANY:
            self.message(self._named(name), body, *packed, depth + 1)
        return at

    def _sized(self, field: FieldDescriptor | None, body: bytes, begin: int, end: int, depth: int) -> None:
        """A text, bytes, a message, or many numbers in a row."""
        if field is None or field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            self._count(1)
        elif field.message_type is not None:
            self.message(field.message_type, body, begin, end, depth + 1)
        else:
            self._count((end - begin) // _WIDTHS.get(field.type, 1))

    def _field(self, kind: Descriptor, number: int) -> FieldDescriptor | None:
        found: FieldDescriptor | None = kind.fields_by_number.get(number)
        if found is None and kind.is_extendable:
            try:
                found = self._pool.FindExtensionByNumber(kind, number)
            except KeyError:
                return None
        return found

    def _named(self, url: bytes) -> Descriptor | None:
        try:
            found: Descriptor = self._pool.FindMessageTypeByName(url.decode().rpartition("/")[2])
        except (KeyError, UnicodeDecodeError):
            return None  # the library won't find it either
        return found

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise Refused(f"holds more than {MAX_VALUES} values")


_WIDTHS = {
    FieldDescriptor.TYPE_FIXED32: 4, FieldDescriptor.TYPE_SFIXED32: 4, FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED64: 8, FieldDescriptor.TYPE_SFIXED64: 8, FieldDescriptor.TYPE_DOUBLE: 8,
}  # fmt: skip
"""Bytes of a number in a row of them; of the others at least one."""


def _step(body: bytes, at: int, end: int, wire: int) -> tuple[int, int]:
    """Where a field's value begins, and where it ends."""
    if wire == _VARINT:
        return at, _varint(body, at, end)[1]
    if wire == _SIZED:
        size, at = _varint(body, at, end)
    elif wire in (_FOUR, _EIGHT):
        size = 4 if wire == _FOUR else 8
    else:
        raise Refused("is no message")
    if size > end - at:
        raise Refused("ends too early")
    return at, at + size


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where it ends."""
    number = 0
    for place in range(_MAX_VARINT):
        if at + place >= end:
            raise Refused("ends too early")
        byte = body[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return number, at + place + 1
    raise Refused("holds a number of more than 64 bits")
