"""The schema registry that keeps the schemas of Avro, Protobuf and JSON Schema values."""

from __future__ import annotations

from pydantic import Field

from stream_guard.config.model import Model


class RegistrySettings(Model):
    """How to reach the schema registry (the API of Confluent's, which others offer too)."""

    url: str = Field(min_length=1)
    """Its base URL."""
