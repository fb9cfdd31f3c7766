"""JSON Schema values: checked against their schema, and passed on as they stand, without the frame.

The schema is applied here rather than by the deserializer, which would fetch what a schema refers to from any address
that the schema's author chose. Here a schema refers to what the registry says it refers to, or to itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

import orjson
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from jsonschema.exceptions import ValidationError
from jsonschema.validators import (
    Draft3Validator,
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
    validator_for,
)
from jsonschema_specifications import REGISTRY
from referencing import Resource
from referencing.jsonschema import DRAFT7, SchemaRegistry

from stream_guard.events.linear import LinearPattern
from stream_guard.kafka.formats.frame import SERDE, Frame, Reading, Refused
from stream_guard.kafka.formats.registry import Client

_PATTERNS = 1_000
"""Patterns that are kept compiled."""
_DIALECTS: Any = (
    Draft3Validator, Draft4Validator, Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator,
)  # fmt: skip


class _Validator(Protocol):
    def is_valid(self, instance: Any) -> bool: ...


class JsonSchema:
    """One schema of the registry, ready to check values with."""

    def __init__(self, schema: Schema, client: Client) -> None:
        """Raises RegistryUnavailable where a schema that it refers to can't be had now; else whatever is wrong with it."""
        contents = orjson.loads(schema.schema_str or "")
        kind = validator_for(contents)
        kind.check_schema(contents)
        self._validator: _Validator = kind(contents, registry=_references(schema, client, REGISTRY, set()))
        conf = {**SERDE, "validate": False}
        self._read = JSONDeserializer(None, schema_registry_client=client, conf=conf, json_decode=orjson.loads)

    def document(self, topic: str, frame: Frame) -> bytes:
        """See the port."""
        if not self._validator.is_valid(self._read(frame.body, Reading(topic, frame))):
            raise Refused("is not valid under its schema")
        return frame.body


def _unique(validator: Any, unique: bool, instance: Any, _: Any) -> Iterator[ValidationError]:
    """The library compares objects pair by pair: a megabyte of them takes hours. To us 1 and 1.0 are different."""
    if unique and validator.is_type(instance, "array"):
        written = {orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in instance}
        if len(written) < len(instance):
            yield ValidationError("has items that are the same")


@lru_cache(maxsize=_PATTERNS)
def _linear(pattern: str) -> LinearPattern | None:
    """None where only an engine that goes back could match it: on what anybody may send that can take for ever."""
    try:
        return LinearPattern(pattern)
    except ValueError:
        return None


class _Linear:
    """What the library has instead of `re`. A pattern that can't be matched in linear time is not looked at: it passes."""

    @staticmethod
    def search(pattern: str, text: str) -> bool:
        """Whether it matches somewhere in a text."""
        linear = _linear(pattern)
        return linear is None or linear.search(text)


def _pattern_properties(validator: Any, properties: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    """As the library has it, but for patterns that are not looked at: no property is held to what they ask."""
    if not validator.is_type(instance, "object"):
        return
    for pattern, schema in properties.items():
        if (linear := _linear(pattern)) is not None:
            for name in filter(linear.search, instance):
                yield from validator.descend(instance[name], schema, path=name, schema_path=pattern)


# In every dialect, since what a schema refers to may be of another; nothing else in this process checks values.
for _dialect in _DIALECTS:
    _dialect.VALIDATORS["uniqueItems"] = _unique
    _dialect.VALIDATORS["patternProperties"] = _pattern_properties
for _module in ("_keywords", "_legacy_keywords", "_utils"):
    vars(import_module(f"jsonschema.{_module}"))["re"] = _Linear


def _references(schema: Schema, client: Client, known: SchemaRegistry, seen: set[tuple[str, int]]) -> SchemaRegistry:
    for reference in schema.references or ():
        where = (reference.subject or "", reference.version or 0)
        if where in seen:
            continue
        seen.add(where)
        found = client.get_version(*where, True).schema
        known = _references(found, client, known, seen)
        resource = Resource.from_contents(orjson.loads(found.schema_str or ""), default_specification=DRAFT7)
        known = known.with_resource(reference.name or "", resource)
    return known
