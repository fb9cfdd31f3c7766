"""The AsyncAPI document: whole in itself, and true to what is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from stream_guard.verdicts.asyncapi import Topics, asyncapi_document
from tests.contract.golden_messages import golden_messages

TOPICS = Topics(
    verdicts=("verdicts", "team.verdicts"), rulings=("verdicts",), rationale=("why",), dead_letters=("dead", "dead")
)
MESSAGE_OF = {"verdict": "Verdict", "ruling": "Ruling", "rationale": "Rationale"}


@pytest.fixture
def document() -> dict[str, Any]:
    """The document of topics that are shared and repeated."""
    return asyncapi_document(TOPICS, "0.1.0")


def references(part: Any) -> Iterator[str]:
    """Every reference within a part of the document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def resolved(document: dict[str, Any], reference: str) -> Any:
    """What a reference points to."""
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_every_reference_points_to_something(document: dict[str, Any]) -> None:
    """The document needs nothing from outside."""
    found = set(references(document))
    assert found
    assert all(reference.startswith("#/") and resolved(document, reference) for reference in found)


def test_the_head_is_complete(document: dict[str, Any]) -> None:
    """AsyncAPI 3.0 requires the version, and an info with title and version."""
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["version"] == "0.1.0"
    assert document["info"]["title"] == "stream_guard"


def test_each_topic_is_one_channel(document: dict[str, Any]) -> None:
    """A topic that serves for two kinds of message is one channel with both."""
    channels = document["channels"]
    assert {name: set(channel["messages"]) for name, channel in channels.items()} == {
        "verdicts": {"verdict", "ruling"},
        "team.verdicts": {"verdict"},
        "why": {"rationale"},
        "dead": {"dead-letter"},
    }
    assert all(channel["address"] == name for name, channel in channels.items())


def test_only_what_can_be_erased_is_compacted(document: dict[str, Any]) -> None:
    """Compaction by the source's key would drop verdicts of other events."""
    policies = {
        name: channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"]
        for name, channel in document["channels"].items()
    }
    assert policies == {
        "verdicts": ["delete"],
        "team.verdicts": ["delete"],
        "why": ["compact", "delete"],
        "dead": ["compact", "delete"],
    }


def test_kafka_bindings_are_0_5_0(document: dict[str, Any]) -> None:
    """Channels, operations and messages all name the version of the binding; every message has a key."""
    parts = [
        *document["channels"].values(),
        *document["operations"].values(),
        *document["components"]["messages"].values(),
    ]
    assert {part["bindings"]["kafka"]["bindingVersion"] for part in parts} == {"0.5.0"}
    assert all(message["bindings"]["kafka"]["key"] for message in document["components"]["messages"].values())


def test_every_message_of_every_channel_is_sent(document: dict[str, Any]) -> None:
    """There is one operation, a send, for each message of each channel."""
    sent = {(op["channel"]["$ref"], op["messages"][0]["$ref"]) for op in document["operations"].values()}
    assert {op["action"] for op in document["operations"].values()} == {"send"}
    assert sent == {
        (f"#/channels/{name}", f"#/channels/{name}/messages/{message}")
        for name, channel in document["channels"].items()
        for message in channel["messages"]
    }


@pytest.mark.parametrize("name", [name for name in golden_messages() if not name.startswith("dead-letter")])
def test_golden_messages_are_what_the_document_says(document: dict[str, Any], name: str) -> None:
    """Headers, value and key of each frozen message are valid by the schemas of its message."""
    message, frozen = document["components"]["messages"][name.partition("-")[0]], golden_messages()[name]
    headers = {header: value.decode() for header, value in frozen.headers if value is not None}
    key = message["bindings"]["kafka"]["key"]
    validate(document, resolved(document, message["headers"]["$ref"]), headers)
    validate(document, message["payload"], json.loads(frozen.value))
    validate(document, key, frozen.key.decode())


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Validates a value by a schema whose references point into the document."""
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_defaults_name_a_topic_for_each_message() -> None:
    """Without a configuration the document still shows all four."""
    assert len(asyncapi_document(Topics(), "0.1.0")["channels"]) == 4
