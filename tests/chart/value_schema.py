"""values.schema.json: the chart's own part (helm/sources), and the schema of guard.yaml in it.

The service's schema is taken as it is, but for three things: what all deployments have and what one of them adds only come to a
whole together, so nothing is required of either (a template says what is missing); a secret is written as `${NAME}`, however short;
and the engine is told by its kind, so that an error names what is wrong and not every other kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from stream_guard.config.schema import config_schema

Schema: TypeAlias = dict[str, Any]

_SOURCES = Path(__file__).parents[2] / "helm" / "sources"
_TOLD = "#/$defs/"
_MERGED = ("KafkaSettings", "RegistrySettings", "VllmSettings", "OpenAISettings", "ScriptedSettings", "RedriveSettings", "EscalationSettings")  # fmt: skip
"""Sections that a deployment may complete. What stands in a list does not get merged, and keeps what it requires."""
_KINDS = {"vllm": "VllmSettings", "openai": "OpenAISettings", "scripted": "ScriptedSettings"}


def values_schema() -> str:
    """The file, as it is to stand in the chart."""
    own = yaml.safe_load((_SOURCES / "values.schema.yaml").read_text(encoding="utf-8"))
    shared = own["deployment"]
    override = {"type": ["object", "null"], "additionalProperties": False} | {
        "properties": {name: {"$ref": f"#/properties/{name}"} for name in shared}
    }
    deployments = {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {"^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$": override},
    }
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart stream-guard",
        "type": "object",
        "additionalProperties": False,
        "properties": own["release"] | shared | {"deployments": deployments},
        "$defs": own["defs"] | _config(),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _config() -> Mapping[str, Schema]:
    """The definitions of guard.yaml, its own as `config`."""
    schema = config_schema()
    definitions: dict[str, Schema] = {name: _plain(each) for name, each in schema.pop("$defs").items()}
    for name in _MERGED:
        definitions[name].pop("required", None)
    config = _plain(schema)
    del config["$schema"], config["required"]
    config["properties"]["engine"] = _engine()
    config["properties"]["policies"]["minItems"] = 0
    config["properties"]["routes"]["minItems"] = 0
    return definitions | {"config": config}


def _engine() -> Schema:
    """By its kind; without one, as an override may be, the settings of any."""
    any_kind = {
        "if": {"not": {"required": ["kind"]}},
        "then": {"anyOf": [_reference(name) for name in _KINDS.values()]},
    }
    told = [
        {"if": {"required": ["kind"], "properties": {"kind": {"const": kind}}}, "then": _reference(name)}
        for kind, name in _KINDS.items()
    ]
    return {"type": "object", "properties": {"kind": {"enum": list(_KINDS)}}, "allOf": [*told, any_kind]}


def _reference(name: str) -> Schema:
    return {"$ref": _TOLD + name}


def _plain(node: Any) -> Any:
    """Without what says nothing to who writes values; a secret of any length."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    dropped = {"discriminator", "minLength"} if node.get("writeOnly") else {"discriminator"}
    if isinstance(node.get("title"), str):
        dropped |= {"title", "default"}
    return {key: _plain(each) for key, each in node.items() if key not in dropped}
