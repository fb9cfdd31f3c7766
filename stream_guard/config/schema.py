"""The JSON Schema of the configuration file."""

from __future__ import annotations

from typing import Any

from stream_guard.config.settings import Settings


def config_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the configuration file; every field says what it is for."""
    schema = Settings.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
