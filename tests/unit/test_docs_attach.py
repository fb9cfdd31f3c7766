"""The worked examples of docs/attach.md: what the page says a record becomes is what it becomes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from stream_guard.config.reading import ReadSettings, build_reader
from stream_guard.config.registry import RegistrySettings
from stream_guard.config.route import RouteSettings
from stream_guard.events.model import Chat, Completion, Message
from tests.cases import make_record

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "attach.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"```yaml read\n(.*?)```\n\n```(?:json|text) record\n(.*?)\n```\n\n```json event\n(.*?)```", PAGE, re.DOTALL
)
BINARY = (
    ("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_source", b"/shop"), ("ce_type", b"review.created"),
    ("ce_time", b"2026-11-24T08:00:00Z"), ("content-type", b"application/json"),
)  # fmt: skip


def read_as(read: str, value: str, headers: tuple[tuple[str, bytes], ...] = ()) -> object:
    """The event in a value, as JSON."""
    reader = build_reader(ReadSettings.model_validate(yaml.safe_load(read)))
    raw = value.encode()
    event = reader.read(raw, make_record(raw, headers=headers), max_bytes=100_000, max_depth=32)
    assert isinstance(event, Message | Chat | Completion), event
    return json.loads(msgspec.json.encode(event))


def test_every_ready_form_has_an_example() -> None:
    """None of the page's blocks is passed over by this file."""
    assert len(EXAMPLES) == len(re.findall("```yaml read", PAGE)) == 5


@pytest.mark.parametrize(("read", "record", "event"), EXAMPLES)
def test_a_record_becomes_the_event_that_the_page_shows(read: str, record: str, event: str) -> None:
    """Field by field."""
    assert read_as(read, record) == json.loads(event)


def test_binary_cloudevents_are_read_by_the_same_configuration() -> None:
    """The attributes come from the headers."""
    read, record, event = next(example for example in EXAMPLES if "cloudevents" in example[0])
    data = json.dumps(json.loads(record)["data"])
    assert read_as(read, data, BINARY) == json.loads(event)


@pytest.mark.parametrize("section", ["context: {", "quota: {"])
def test_the_settings_of_a_route_are_taken(section: str) -> None:
    """The other blocks of the page are parts of a route."""
    (block,) = (block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if section in block)
    outputs = {"verdicts": "v", "rulings": "r", "dead_letters": "d"}
    whole = {"name": "posts", "topic": "posts", "judge": ["message"], "policies": ["spam"], "outputs": outputs}
    RouteSettings.model_validate(whole | yaml.safe_load(block))


def test_the_settings_of_the_registry_formats_are_taken() -> None:
    """The page on formats shows a registry, and a route that reads Protobuf by descriptors."""
    whole, route = re.findall(r"```yaml\n(.*?)```", (DOCS / "formats.md").read_text(encoding="utf-8"), re.DOTALL)
    section = yaml.safe_load(whole)
    assert RegistrySettings.model_validate(section["schema_registry"]).username == "guard"
    assert ReadSettings.model_validate(section["routes"][0]["read"]).format == "avro"
    assert ReadSettings.model_validate(yaml.safe_load(route)["read"]).message == "acme.chat.Message"
