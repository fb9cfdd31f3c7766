"""Where a mapping takes a value from, as it is written: a JSON path, a header, the key or a constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema

from stream_guard.events.mapping.language import written_source
from stream_guard.events.mapping.paths import MAX_PATH, Path
from stream_guard.events.mapping.scalars import as_id, as_name, as_text, as_time
from stream_guard.events.mapping.sources import Constant, FromHeader, FromKey, FromPath, Source, Unmapped

_PATH_SCHEMA = {"type": "string", "pattern": r"^\$", "maxLength": MAX_PATH, "description": "A JSON path (RFC 9535)."}
_SOURCE_SCHEMA = {
    "anyOf": [
        _PATH_SCHEMA,
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {
                "header": {"type": "string", "minLength": 1, "description": "A header of the record."},
                "key": {"const": True, "description": "The record's key."},
                "value": {"type": ["string", "number", "boolean"], "description": "The same for every record."},
            },
        },
    ]
}
_FORMS = "must be a JSON path, {header: NAME}, {key: true} or {value: CONSTANT}"


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        msg = "must be a JSON path"
        raise ValueError(msg)  # noqa: TRY004 - pydantic makes findings of ValueErrors alone
    return Path(value)


def _source(value: object) -> Source:
    match value:
        case FromPath() | FromHeader() | FromKey() | Constant():
            return value
        case str():
            return _from_text(value)
        case {"header": str(name), **rest} if name and not rest:
            return FromHeader(name)
        case {"key": True, **rest} if not rest:
            return FromKey()
        case {"value": str() | int() | float() as constant, **rest} if not rest:
            return Constant(constant)
        case _:
            raise ValueError(_FORMS)


def _from_text(text: str) -> FromPath:
    if not text.startswith("$"):
        msg = "a path starts with $; a constant is written as {value: ...}"
        raise ValueError(msg)
    return FromPath(Path(text))


def _no_constant(source: Source) -> Source:
    if isinstance(source, Constant):
        msg = "a constant is nothing that somebody wrote"
        raise ValueError(msg)  # noqa: TRY004 - pydantic makes findings of ValueErrors alone
    return source


def _constant(convert: Callable[[Any], str]) -> AfterValidator:
    """A constant must be what the field takes: else every record would be rejected for it."""

    def check(source: Source) -> Source:
        if isinstance(source, Constant):
            try:
                convert(source.value)
            except Unmapped as error:
                msg = f"this field {error}, in every record"
                raise ValueError(msg) from error
        return source

    return AfterValidator(check)


JsonPath: TypeAlias = Annotated[
    Path, PlainValidator(_path), PlainSerializer(str, return_type=str), WithJsonSchema(_PATH_SCHEMA)
]
ValueSource: TypeAlias = Annotated[
    Source, PlainValidator(_source), PlainSerializer(written_source), WithJsonSchema(_SOURCE_SCHEMA)
]
"""Where a value is: a path, `{header: NAME}`, `{key: true}`, or `{value: CONSTANT}`."""
TextSource: TypeAlias = Annotated[ValueSource, AfterValidator(_no_constant)]
IdSource: TypeAlias = Annotated[ValueSource, _constant(as_id)]
NameSource: TypeAlias = Annotated[ValueSource, _constant(as_name)]
StringSource: TypeAlias = Annotated[ValueSource, _constant(as_text)]
TimeSource: TypeAlias = Annotated[ValueSource, _constant(as_time)]
