"""How a route's topic is read: the format of its values, and where in them an event is."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from stream_guard.config.model import Model
from stream_guard.events.reader import Format


class ReadSettings(Model):
    """How a record becomes an event. Unset: the values are our own events in JSON."""

    format: Format = Format.JSON
    """How values are written: json, text (the value is the message), or with a schema registry avro, protobuf, json_schema."""
    descriptors: Path | None = None
    """protobuf: a file of descriptors (`protoc --include_imports --descriptor_set_out`), relative to this file."""
    message: str | None = Field(default=None, min_length=1)
    """protobuf: the full name of the message type."""
