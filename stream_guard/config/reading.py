"""How a route's topic is read: the format of its values, and where in them an event is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidatorFunctionWrapHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from stream_guard.config.mapping import OneOrMany, ShapeSettings
from stream_guard.config.model import Model
from stream_guard.events.envelope import CloudEventsReader
from stream_guard.events.mapping.language import written
from stream_guard.events.mapping.mapping import MappingReader
from stream_guard.events.mapping.ready import READY
from stream_guard.events.mapping.shapes import Shape
from stream_guard.events.reader import Format, Reader
from stream_guard.events.text import TEXT

Envelope: TypeAlias = Literal["cloudevents"]


def _ready_or_shapes(value: object, shapes: ValidatorFunctionWrapHandler) -> object:
    if not isinstance(value, str):
        return _all_reachable(shapes(OneOrMany.listed(value)))
    if value not in READY:
        msg = f"there is no ready mapping of this name: {', '.join(READY)}, or a list of shapes"
        raise ValueError(msg)
    return value


def _all_reachable(shapes: tuple[ShapeSettings, ...]) -> tuple[ShapeSettings, ...]:
    for number, shape in enumerate(shapes[:-1], start=1):
        if not shape.when:
            msg = f"shape {number} has no `when`: those after it would never be tried"
            raise ValueError(msg)
    return shapes


def _written(mapping: str | tuple[ShapeSettings, ...]) -> str | list[dict[str, Any]]:
    return mapping if isinstance(mapping, str) else written([each.shape() for each in mapping])


class _NameOrShapes:
    """A union of which only the branch that is written is checked: a finding about a path should not name the other."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shapes = handler.generate_schema(Annotated[tuple[ShapeSettings, ...], Field(min_length=1)])
        return core_schema.no_info_wrap_validator_function(
            _ready_or_shapes, shapes, serialization=core_schema.plain_serializer_function_ser_schema(_written)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shapes = handler(schema["schema"])
        return {"anyOf": [{"enum": sorted(READY), "type": "string"}, shapes, shapes["items"]]}


class ReadSettings(Model):
    """How a record becomes an event. Unset: the values are our own events in JSON."""

    format: Format = Format.JSON
    """How values are written: json, text (the value is the message), or with a schema registry avro, protobuf, json_schema."""
    envelope: Envelope | None = None
    """What is unwrapped first: cloudevents (1.0, structured or binary; `ce_type`, `ce_source` and `ce_subject` become attributes)."""
    mapping: Annotated[str | tuple[ShapeSettings, ...], _NameOrShapes] = "canonical"
    """Where in a record an event is: a ready mapping by name, or shapes, of which the first counts whose conditions hold."""
    descriptors: Path | None = None
    """protobuf: a file of descriptors (`protoc --include_imports --descriptor_set_out`), relative to this file."""
    message: str | None = Field(default=None, min_length=1)
    """protobuf: the full name of the message type."""

    @model_validator(mode="after")
    def _plain_text(self) -> Self:
        if self.format is Format.TEXT and self.mapping != "canonical":
            msg = "a value of format text is the message itself: there is nothing to map"
            raise ValueError(msg)
        if self.format is Format.TEXT and self.envelope is not None:
            msg = "with an envelope, format is that of the data, which says itself whether it is text: leave format out"
            raise ValueError(msg)
        return self


def build_reader(settings: ReadSettings) -> Reader:
    """The reader of a topic; the very same for equal settings."""
    if settings.format is Format.TEXT:
        return TEXT
    mapping = settings.mapping
    return _reader(settings.envelope, mapping if isinstance(mapping, str) else tuple(each.shape() for each in mapping))


@cache
def _reader(envelope: Envelope | None, mapping: str | tuple[Shape, ...]) -> Reader:
    if envelope is not None:
        return CloudEventsReader(_reader(None, mapping))
    return READY[mapping] if isinstance(mapping, str) else MappingReader(mapping)
