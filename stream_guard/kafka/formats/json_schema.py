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

_PATTERNS = 256
"""Patterns that are kept compiled: each can take 10 MB. Schemas in use that have more together have each compiled for each record."""
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
        known, texts = _references(schema, client)
        self._validator: _Validator = kind(contents, registry=known)
        self._checks = all(map(_linear, _patterns([contents, *texts])))
        """Not where a pattern can't be matched in linear time: without it `not` and `oneOf` would turn around what the schema says."""
        conf = {**SERDE, "validate": False}
        self._read = JSONDeserializer(None, schema_registry_client=client, conf=conf, json_decode=orjson.loads)

    def document(self, topic: str, frame: Frame) -> bytes:
        """See the port."""
        value = self._read(frame.body, Reading(topic, frame))
        if self._checks and not self._validator.is_valid(value):
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
    """What the library has instead of `re`."""

    @staticmethod
    def search(pattern: str, text: str) -> bool:
        """Whether it matches somewhere in a text. One that is not linear is of a schema that is not checked."""
        linear = _linear(pattern)
        return linear is not None and linear.search(text)


def _patterns(contents: Any) -> Iterator[str]:
    """All patterns of schemas, and what merely looks like one."""
    waiting = [contents]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            if isinstance(pattern := part.get("pattern"), str):
                yield pattern
            if isinstance(patterns := part.get("patternProperties"), dict):
                yield from patterns


# In every dialect, since what a schema refers to may be of another; nothing else in this process checks values.
for _dialect in _DIALECTS:
    _dialect.VALIDATORS["uniqueItems"] = _unique
for _module in ("_keywords", "_legacy_keywords", "_utils"):
    vars(import_module(f"jsonschema.{_module}"))["re"] = _Linear


def _references(schema: Schema, client: Client) -> tuple[SchemaRegistry, list[Any]]:
    """All that a schema refers to, through others too: to look up, and as they stand."""
    known, found = REGISTRY, dict[tuple[str, int], Any]()
    waiting = list(schema.references or ())
    while waiting:
        reference = waiting.pop()
        where = (reference.subject or "", reference.version or 0)
        if where not in found:
            other = client.get_version(*where, True).schema
            found[where] = orjson.loads(other.schema_str or "")
            waiting += other.references or ()
        resource = Resource.from_contents(found[where], default_specification=DRAFT7)
        known = known.with_resource(reference.name or "", resource)
    return known, list(found.values())
