"""The JSON Schemas: complete, described, strict in what we publish and open to what is added later."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from stream_guard.policy.document import Decision
from stream_guard.verdicts.dead_letter import DELIMITER, KEY, encode
from stream_guard.verdicts.schemas import (
    components,
    dead_letter_object,
    dead_letter_schema,
    rationale_schema,
    ruling_schema,
    verdict_schema,
)
from tests.messages import make_dead_letter, make_entry, make_rationale, make_record, make_ruling, make_verdict

SCHEMAS = [verdict_schema, ruling_schema, rationale_schema, dead_letter_schema]
VALUES: list[tuple[Callable[[], dict[str, Any]], Any]] = [
    (verdict_schema, make_verdict()),
    (ruling_schema, make_ruling(make_entry(), make_entry("harassment", Decision.FLAG))),
    (rationale_schema, make_rationale(make_verdict())),
    (dead_letter_schema, dead_letter_object(encode(make_dead_letter(), make_record()).headers)),
]


def published(value: Any) -> dict[str, Any]:
    """A value as a subscriber parses it."""
    parsed: dict[str, Any] = json.loads(msgspec.json.encode(value))
    return parsed


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object schema within a schema."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schemas_are_valid_and_named(schema: Callable[[], dict[str, Any]]) -> None:
    """Each is a JSON Schema 2020-12 with an id, a title and a description."""
    document = schema()
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"].startswith("urn:stream-guard:")
    assert document["title"]
    assert document["description"]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_field_is_described(schema: Callable[[], dict[str, Any]]) -> None:
    """No field of the contract goes without a sentence that says what it means."""
    for found in objects(schema()):
        assert found["description"]
        assert [name for name, field in found["properties"].items() if not field.get("description")] == []


@pytest.mark.parametrize(("schema", "value"), VALUES)
def test_what_is_published_is_valid(schema: Callable[[], dict[str, Any]], value: Any) -> None:
    """What this version writes is valid by its own schema."""
    Draft202012Validator(schema()).validate(published(value))


@pytest.mark.parametrize(("schema", "value"), VALUES)
def test_additional_fields_are_valid(schema: Callable[[], dict[str, Any]], value: Any) -> None:
    """The contract may grow by fields without breaking who validates."""
    Draft202012Validator(schema()).validate(published(value) | {"added-later": [1, {}]})


@pytest.mark.parametrize(("schema", "value"), VALUES)
def test_a_missing_field_is_invalid(schema: Callable[[], dict[str, Any]], value: Any) -> None:
    """Each field that is required is missed."""
    document = schema()
    validator = Draft202012Validator(document)
    for field in document["required"]:
        assert not validator.is_valid({k: v for k, v in published(value).items() if k != field})


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "quarantine"},
        {"rank": "oracle"},
        {"lane": "canary"},
        {"id": "7"},
        {"slot": "ABC"},
        {"attempt": "1"},
    ],
)
def test_what_this_version_never_writes_is_invalid(change: dict[str, Any]) -> None:
    """The schema lists today's values and forms exactly."""
    assert not Draft202012Validator(verdict_schema()).is_valid(published(make_verdict()) | change)


def test_the_document_is_json() -> None:
    """A schema can be printed as it is."""
    assert json.loads(json.dumps(dead_letter_schema())) == dead_letter_schema()


def test_a_dead_letters_headers_as_an_object() -> None:
    """Our headers only, each once; the original key in base64, null for a null key; the original's headers stay out."""
    record = make_record()
    found = dead_letter_object(encode(make_dead_letter(), record).headers)
    assert base64.b64decode(found[KEY] or "") == record.key
    assert found["sg-dl-reason"] == "not_utf8"
    assert found[DELIMITER] == "5"
    assert "tag" not in found
    assert dead_letter_object(encode(make_dead_letter(), make_record(key=None)).headers)[KEY] is None


def test_components_hold_every_type_once() -> None:
    """The shared form has the same types under the names that the references use."""
    found = components("#/components/schemas/{name}")
    assert {"Verdict", "Ruling", "Rationale", "Entry", "Position", "Decision", "DeadLetter"} <= set(found)
    assert "#/components/schemas/Decision" in json.dumps(found["Verdict"])
