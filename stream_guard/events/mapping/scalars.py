"""The fields of an event that hold one value: texts, ids, timestamps and attributes, as a mapping reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from stream_guard.events.mapping.sources import Read, Source, Unmapped, json_type, one
from stream_guard.records import Record

MAX_ID = 512
"""Characters of an id, as in the canonical event."""
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (0.0, 1.0))
"""From which magnitude on a number counts so many parts of a second.

Seconds stay below 1e11 until the year 5138; milliseconds are above it since 1973, micro- and nanoseconds likewise above
1e14 and 1e17.
"""


class Field(NamedTuple):
    """A field of an event: its name, where it is, what is taken there, and how it is called where it can't be taken."""

    name: str
    source: Source
    convert: Callable[[Any], Any]
    title: str

    def reader(self) -> Read:
        """Reads this field alone; None where it is absent or null."""
        fields = fields_reader([self])
        return lambda document, record: fields(document, record).get(self.name)


def fields_reader(fields: Sequence[Field], attributes: Sequence[Field] = ()) -> Callable[[Any, Record], dict[str, Any]]:
    """Reads fields, without those that are absent or null; the attributes, where there may be some, as one more field."""
    own, others = _compiled(fields), _compiled(attributes)

    def read(document: Any, record: Record) -> dict[str, Any]:
        found: dict[str, Any] = {}
        reading: Field | None = None
        try:
            for reading, name, value_of, convert in own:  # noqa: B007 - it says below what could not be read
                if (value := value_of(document, record)) is not None:
                    found[name] = convert(value)
            if others:
                found["attributes"] = inner = {}
                for reading, name, value_of, convert in others:  # noqa: B007 - the same
                    if (value := value_of(document, record)) is not None:
                        inner[name] = convert(value)
        except Unmapped as error:
            msg = f"{reading.title}: {reading.source} {error}" if reading else str(error)
            raise Unmapped(msg) from error
        return found

    return read


def _compiled(fields: Sequence[Field]) -> tuple[tuple[Field, str, Read, Callable[[Any], Any]], ...]:
    return tuple((field, field.name, one(field.source), field.convert) for field in fields)


def as_text(value: Any) -> str:
    """A text."""
    if type(value) is str:
        return value
    msg = f"finds {json_type(value)}, not a string"
    raise Unmapped(msg)


def as_name(value: Any) -> str:
    """A text or a number, as a text."""
    if type(value) is str:
        return value
    if type(value) is int or type(value) is float:
        return str(value)
    msg = f"finds {json_type(value)}, neither a string nor a number"
    raise Unmapped(msg)


def as_id(value: Any) -> str:
    """The same, bounded as an event's id is."""
    text = value if type(value) is str else as_name(value)
    if len(text) > MAX_ID:
        msg = f"finds more than {MAX_ID} characters"
        raise Unmapped(msg)
    return text


def as_scalar(value: Any) -> Any:
    """Anything that is neither an array nor an object."""
    if type(value) is list or type(value) is dict:
        msg = f"finds {json_type(value)}, not a scalar"
        raise Unmapped(msg)
    return value


def as_time(value: Any) -> str:
    """A time in RFC 3339, UTC, from such a text or from a number of seconds or parts of them since 1970."""
    if type(value) is int or type(value) is float:
        return _since_epoch(value)
    if type(value) is not str:
        msg = f"finds {json_type(value)}, not a time"
        raise Unmapped(msg)
    return _since_epoch(float(value)) if _is_decimal(value) else rfc3339(value)


def _is_decimal(text: str) -> bool:
    """Times that are numbers are often written as texts, some with a fraction."""
    return text.isascii() and text.replace(".", "", 1).isdecimal()


def _since_epoch(value: float) -> str:
    parts = next(parts for start, parts in _UNITS if abs(value) >= start)
    try:
        return _written(datetime.fromtimestamp(value / parts, UTC))
    except (ValueError, OverflowError, OSError) as error:
        msg = "finds a number that is no time"
        raise Unmapped(msg) from error


def rfc3339(text: str) -> str:
    """The same time in UTC. Raises Unmapped where the text is no time, or does not say its offset from UTC."""
    try:
        time = datetime.fromisoformat(text.upper())
        if time.tzinfo is not None:
            return _written(time.astimezone(UTC))
    except (ValueError, OverflowError):
        pass
    msg = "finds a string that is no time by RFC 3339 (with its offset from UTC)"
    raise Unmapped(msg)


def _written(time: datetime) -> str:
    return time.isoformat().removesuffix("+00:00") + "Z"
