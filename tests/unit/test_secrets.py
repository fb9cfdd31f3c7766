"""No secret shows: in no repr, no traceback, and wherever a configuration can hold one, that is known."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import confluent_kafka
import pytest
from confluent_kafka import Consumer, Producer
from pydantic import BaseModel, SecretStr

from stream_guard.attaching import kafka_settings
from stream_guard.config import Settings
from stream_guard.config.kafka import KafkaSettings, is_secret
from stream_guard.config.load import examine_config
from stream_guard.documents import registry_options
from stream_guard.engines.openai import OpenAiSettings
from stream_guard.errors import StartRefused
from stream_guard.kafka.consumer.rescue_process import terms
from stream_guard.kafka.faults import configuring
from stream_guard.records import Lease
from stream_guard.telemetry.tracebacks import told
from tests.inspections import make_route
from tests.secret_places import PLACES, SECRET_OPTIONS

MARKER = "hush-hush-zanzibar"
_SOUNDS_SECRET = re.compile(rb"\0([a-z]+(?:\.[a-z]+)*\.(?:password|passphrase|secret|token|pem|config|key))\0")
_NO_SECRETS = {
    "ssl.ca.pem", "https.ca.pem", "ssl.certificate.pem",  # public
    "sasl.jaas.config",  # refused by the client, which points to its own options
}  # fmt: skip


def _secret_fields(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        for kind in _kinds(field.annotation):
            if kind is SecretStr and not (model is KafkaSettings and name in {"client", "consumer", "producer"}):
                yield (*above, name)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _secret_fields(kind, (*above, name))


def _kinds(annotation: object) -> Iterator[object]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for each in inner:
        yield from _kinds(each)


def test_every_secret_setting_is_known() -> None:
    """Whoever adds one has to add it to the places that all tests of masking go through."""
    assert set(_secret_fields(Settings)) == {place for place in PLACES if place[0] != "kafka"}


def test_every_option_of_the_installed_client_that_sounds_secret_is_masked() -> None:
    """Read from its library, so that an option of a later release can't be forgotten."""
    (library,) = Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka-*.so*")
    found = {name.decode() for name in _SOUNDS_SECRET.findall(library.read_bytes().replace(b"\0", b"\0\0"))}
    assert {"sasl.password", "ssl.key.pem", "sasl.oauthbearer.client.secret"} <= found
    secret = {name for name in found if name.startswith(("sasl.", "ssl.", "https.")) and is_secret(name)}
    assert {name for name in found if name.startswith(("sasl.", "ssl.", "https."))} - secret == _NO_SECRETS
    assert secret <= set(SECRET_OPTIONS)


@pytest.fixture
def loaded(tmp_path: Path) -> Settings:
    """A configuration with a secret in every place that takes one. Its options contradict each other: it is not to be run."""
    values: dict[str, Any] = {
        "kafka": {"bootstrap_servers": "a:1", "start": "earliest"},
        "engine": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m", "api": "chat"},
        "policies": ["policies"],
        "routes": [make_route()],
        "schema_registry": {"url": "https://registry", "certificate": "c.pem"},
    }
    for *sections, name in PLACES:
        if name == "token":  # instead of a password
            continue
        within = values
        for section in sections:
            within = within.setdefault(section, {})
        within[name] = MARKER
    values["schema_registry"]["username"] = "u"
    (tmp_path / "policies").mkdir()
    (tmp_path / "guard.yaml").write_text(json.dumps(values), encoding="utf-8")
    settings, _ = examine_config(tmp_path / "guard.yaml", {})
    return settings


def _objects(settings: Settings) -> dict[str, object]:
    """All that is made of a configuration and holds secrets readable, or not."""
    kafka = kafka_settings(settings)
    assert settings.schema_registry is not None
    engine = OpenAiSettings(base_url="http://127.0.0.1:1/v1", model="m", api_key=MARKER)
    return {
        "settings": settings, "kafka": kafka, "registry": registry_options(settings.schema_registry), "engine": engine,
        "credentials": kafka.credentials, "terms": terms(kafka, Lease("in", 0, 1), 1_000_000),
    }  # fmt: skip


def test_no_repr_shows_a_secret(loaded: Settings) -> None:
    """Of the settings, and of what clients are made with."""
    objects = _objects(loaded)
    assert MARKER in str(kafka_settings(loaded).client_config())  # it does hold it
    for name, each in objects.items():
        for text in (repr(each), str(each), f"{each}", repr([each])):
            assert MARKER not in text, name


def test_no_traceback_shows_a_secret(loaded: Settings) -> None:
    """Not even one that shows the values of all frames, as a debugger's or another library's may."""
    objects = _objects(loaded)

    def fails(**held: object) -> None:
        raise ValueError(f"{len(held)} objects")

    try:
        fails(**objects)
    except ValueError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        for text in ("".join(shown.format()), told(error), told(error, messages=True)):
            assert "fails" in text
            assert MARKER not in text


@pytest.mark.parametrize("client", [Consumer, Producer])
@pytest.mark.parametrize("option", [*SECRET_OPTIONS, "ssl.key.location", "sasl.mechanism"])
def test_a_client_that_refuses_an_option_quotes_no_secret(option: str, client: type[Consumer | Producer]) -> None:
    """Whatever librdkafka does not take, the error names the option. What it takes, it takes."""
    secret = MARKER if is_secret(option) else "anything"
    config = {
        "group.id": "x",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.password": MARKER,
        option: secret,
    }
    if client is Producer:
        del config["group.id"]
    said = ""
    try:
        with configuring("client"):
            client({**config, "log_level": 0})
    except StartRefused as refused:
        said = f"{refused} {refused!r} {refused.__cause__!r} {told(refused, messages=True)}"
    assert MARKER not in said
