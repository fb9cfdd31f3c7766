"""Which records a shape of a mapping is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from stream_guard.events.mapping.sources import FromHeader, FromPath
from stream_guard.records import Record


class Form(Protocol):
    """A regular expression. Records are hostile: it must take time in proportion to the text (`events/linear.py`)."""

    @property
    def pattern(self) -> str:
        """As it was written."""

    def fullmatch(self, text: str, /) -> object:
        """Something true where the whole text matches."""


class Condition(Struct, frozen=True):
    """True where one of the values that a path finds, or of the headers of a name, is as it must be.

    A null, an array and an object equal and match nothing, and a null is not present; numbers and booleans compare as
    JSON writes them.
    """

    source: FromPath | FromHeader
    present: bool | None = None
    any_of: tuple[str, ...] | None = None
    matches: Form | None = None

    def compiled(self) -> Callable[[Any, Record], bool]:
        """Whether it holds for a document and its record."""
        values = _values(self.source)
        present, any_of, matches = self.present, self.any_of, self.matches

        def holds(document: Any, record: Record) -> bool:
            found = values(document, record)
            return satisfied(present, any_of, matches, [written(value) for value in found])

        return holds


def satisfied(
    present: bool | None, any_of: Sequence[str] | None, matches: Form | None, values: Sequence[str | None]
) -> bool:
    """Whether values are as a condition says: there or not, one of a few, of a form. A None is there, and equals nothing."""
    if present is not None and present != bool(values):
        return False
    texts = [value for value in values if value is not None]
    if any_of is not None and not any(text in any_of for text in texts):
        return False
    return matches is None or any(matches.fullmatch(text) for text in texts)


def _values(source: FromPath | FromHeader) -> Callable[[Any, Record], Sequence[Any]]:
    if isinstance(source, FromHeader):
        name = source.header
        return lambda _, record: [value for header, value in record.headers if header == name]
    path = source.path
    if (find := path.find) is None:
        return lambda document, _: path.values(document)
    return lambda document, _: () if (value := find(document, document)) is None else (value,)


def written(value: Any) -> str | None:
    """A scalar as JSON writes it, a string as it is; None for what has no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _utf8(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _utf8(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None
