"""`check --live` on a real schema registry: that it answers, what it knows, and what is wrong with the way to it."""

from __future__ import annotations

import socket
import uuid

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from stream_guard.checkup.finding import Severity
from stream_guard.checkup.registry import check_registry
from stream_guard.config.registry import RegistrySettings
from tests.registry import Registry

pytestmark = [pytest.mark.registry, pytest.mark.timeout(180)]


@pytest.fixture
def topic(registry: Registry) -> str:
    """A topic whose schema the registry knows."""
    name = f"topic-{uuid.uuid4().hex[:8]}"
    with SchemaRegistryClient({"url": registry.url}) as client:
        client.register_schema(f"{name}-value", Schema('{"type": "string"}', "AVRO"))
    return name


def test_known_schemas_are_well(registry: Registry, topic: str) -> None:
    """One line."""
    (found,) = check_registry(RegistrySettings(url=registry.url), [topic])
    assert (found.severity, "answers, and knows the schemas of 1 topic" in found.sentence) == (Severity.OK, True)


def test_a_subject_that_is_unknown_is_a_warning(registry: Registry, topic: str) -> None:
    """Only the records tell which schema they have: another naming of subjects is possible."""
    answers, missing = check_registry(RegistrySettings(url=registry.url), [topic, "nobodys"])
    assert "knows the schemas of 1 topic" in answers.sentence
    assert (missing.severity, missing.sentence) == (Severity.WARNING, "the registry has no subject nobodys-value")


def test_a_registry_without_topics_to_ask_for_answers(registry: Registry) -> None:
    """Where a pattern matches nothing yet."""
    (found,) = check_registry(RegistrySettings(url=registry.url), [])
    assert (found.severity, "of 0 topics" in found.sentence) == (Severity.OK, True)


def test_a_wrong_path_is_an_error_that_says_so(registry: Registry, topic: str) -> None:
    """Somebody answers, but no registry."""
    (found,) = check_registry(RegistrySettings(url=registry.url.replace("ccompat", "nothing")), [topic])
    assert (found.severity, "check schema_registry.url" in found.sentence) == (Severity.ERROR, True)


def test_a_registry_that_is_away_is_an_error() -> None:
    """Its address is said."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    (found,) = check_registry(RegistrySettings(url=url), ["in"])
    assert (found.severity, f"the schema registry at {url} no answer" in found.sentence) == (Severity.ERROR, True)
