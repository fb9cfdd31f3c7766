"""Where a mapping takes a value from: a path into the record's JSON, a header, the key, or a constant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from stream_guard.events.mapping.paths import Path
from stream_guard.events.model import Scalar
from stream_guard.records import Record

Read: TypeAlias = Callable[[Any, Record], Any]
"""(document, record) -> a value; None where there is none. Raises Unmapped."""


class Unmapped(Exception):
    """Within a mapping: a source does not find what it must. Never says a value; ends in a Rejection.

    Where it is raised it says what the source finds instead; on its way, what field and which source that was is put before.
    """


class FromPath(Struct, frozen=True):
    """What a path finds in the document, or in the turn where it reads a turn."""

    path: Path

    def __str__(self) -> str:
        return self.path.text


class FromHeader(Struct, frozen=True):
    """The last header of this name, as UTF-8."""

    header: str

    def __str__(self) -> str:
        return f"header {self.header}"


class FromKey(Struct, frozen=True):
    """The record's key, as UTF-8."""

    def __str__(self) -> str:
        return "the key"


class Constant(Struct, frozen=True):
    """The same value for every record."""

    value: Scalar

    def __eq__(self, other: object) -> bool:
        """1, 1.0 and true are three values."""
        return isinstance(other, Constant) and self.value == other.value and type(self.value) is type(other.value)

    def __hash__(self) -> int:
        return hash((self.value, type(self.value)))

    def __str__(self) -> str:
        return "the constant"


Source: TypeAlias = FromPath | FromHeader | FromKey | Constant


def one(source: Source) -> Read:
    """The one value of a source; None where it is absent or null."""
    match source:
        case FromPath(path=path):
            return path.find or _only(path)
        case FromHeader(header=header):
            return lambda _, record: _utf8(_last(record, header))
        case FromKey():
            return lambda _, record: _utf8(record.key)
        case Constant(value=value):
            return lambda _document, _record: value


def every(source: Source) -> Callable[[Any, Record], Sequence[Any]]:
    """All values of a source, nulls left out."""
    if isinstance(source, FromPath) and not source.path.singular:
        values = source.path.values
        return lambda document, _: values(document)
    read = one(source)
    return lambda document, record: () if (value := read(document, record)) is None else (value,)


def located(name: str, source: Source, read: Read) -> Read:
    """The same, where what it does not find is said to be this field's."""

    def field(document: Any, record: Record) -> Any:
        try:
            return read(document, record)
        except Unmapped as error:
            msg = f"{name}: {source} {error}"
            raise Unmapped(msg) from error

    return field


def _only(path: Path) -> Read:
    def read(document: Any, _: Record) -> Any:
        values = path.values(document)
        if len(values) > 1:
            msg = f"finds {len(values)} values, not one"
            raise Unmapped(msg)
        return values[0] if values else None

    return read


def _last(record: Record, name: str) -> bytes | None:
    return next((value for header, value in reversed(record.headers) if header == name), None)


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        msg = "is not UTF-8"
        raise Unmapped(msg) from error


def json_type(value: Any) -> str:
    """The type of a JSON value, with its article."""
    return _TYPES[type(value)]


_TYPES = {
    type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array",
    dict: "an object",
}  # fmt: skip
