"""The schema says what the decoder does."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from stream_guard.events.decode import decode
from stream_guard.events.model import Chat, Completion, Message
from stream_guard.events.outcome import Rejection, RejectionReason
from stream_guard.events.schema import event_schema

TURN = {"role": "user", "content": "hi"}
COMMON = {"id": "1", "author": None, "language": "de", "created_at": None, "attributes": {"a": 1, "b": 1.5, "c": None}}
VALID: list[dict[str, Any]] = [
    {"kind": "message", "content": "hi"},
    {"kind": "message", "content": "hi", **COMMON},
    {"kind": "message", "content": [{"type": "text", "text": "hi"}, {"type": "image", "url": "x", "deep": [[{}]]}]},
    {"kind": "message", "content": [{"type": "tool_call", "text": None}]},
    {"kind": "chat", "turns": [TURN, {**TURN, "name": "Ann"}], **COMMON},
    {"kind": "completion", "prompt": [], "completion": "hello", "model": "m"},
    {"kind": "completion", "prompt": [TURN], "completion": [{"type": "text", "text": "hello"}], "model": None},
]
INVALID: list[Any] = [
    12, [], {}, {"content": "hi"}, {"kind": None, "content": "hi"},
    {"kind": "message"}, {"kind": "message", "content": None}, {"kind": "message", "content": 1},
    {"kind": "message", "content": "hi", "unknown": 1}, {"kind": "message", "content": "hi", "id": 1},
    {"kind": "message", "content": "hi", "attributes": {"a": []}},
    {"kind": "message", "content": "hi", "attributes": None},
    {"kind": "message", "content": [1]}, {"kind": "message", "content": [{}]},
    {"kind": "message", "content": [{"type": "text"}]}, {"kind": "message", "content": [{"type": "text", "text": None}]},
    {"kind": "message", "content": [{"type": ""}]}, {"kind": "message", "content": [{"type": "two words"}]},
    {"kind": "message", "content": [{"type": "image", "text": 1}]}, {"kind": "message", "content": [{"type": "i" * 65}]},
    {"kind": "chat", "turns": []}, {"kind": "chat", "turns": [{"role": "boss", "content": "hi"}]},
    {"kind": "chat", "turns": [{"role": "user"}]}, {"kind": "chat", "turns": [{**TURN, "unknown": 1}]},
    {"kind": "completion", "completion": "hello"}, {"kind": "completion", "prompt": "hi", "completion": "hello"},
]  # fmt: skip


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """A validator of the published schema."""
    return jsonschema.Draft202012Validator(event_schema())


def test_the_schema_is_one() -> None:
    """It follows its own draft, and can be written as JSON."""
    schema = event_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("event", VALID)
def test_what_decodes_validates(event: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    """A producer who follows the schema is understood."""
    assert isinstance(decode(json.dumps(event).encode(), 10_000, 32), Message | Chat | Completion)
    assert validator.is_valid(event)


@pytest.mark.parametrize("event", INVALID)
def test_what_is_an_invalid_event_does_not_validate(event: object, validator: jsonschema.Draft202012Validator) -> None:
    """The schema refuses what the decoder refuses."""
    rejected = decode(json.dumps(event).encode(), 10_000, 32)
    assert isinstance(rejected, Rejection)
    assert rejected.reason is RejectionReason.INVALID_EVENT
    assert not validator.is_valid(event)


def test_a_completion_step_is_reserved(validator: jsonschema.Draft202012Validator) -> None:
    """The schema holds its place; decoding says that it is not judged yet."""
    step = {"kind": "completion_step", "completion_id": "c", "step": 0, "final": False, "delta": "he"}
    assert validator.is_valid(step)
    rejected = decode(json.dumps(step).encode(), 10_000, 32)
    assert isinstance(rejected, Rejection)
    assert rejected.reason is RejectionReason.UNSUPPORTED_KIND


def test_everything_is_described() -> None:
    """Every type and every field says what it is for."""
    for name, definition in event_schema()["$defs"].items():
        assert definition["title"], name
        assert definition["description"], name
        for field, schema in definition["properties"].items():
            assert schema.get("description"), f"{name}.{field}"
