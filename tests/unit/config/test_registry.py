from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_guard.config import Settings, load_config
from stream_guard.errors import ConfigError

SECRET = "correct-horse"  # noqa: S105 - made up
WHOLE = """\
kafka: {{bootstrap_servers: "localhost:9092", start: earliest}}
engine: {{kind: scripted}}
policies: [policies]
{registry}
routes:
  - name: chat
    topic: chat.messages
    read: {read}
    judge: [message]
    policies: [spam]
    outputs: {{verdicts: guard.verdicts, rulings: guard.rulings, dead_letters: guard.dead-letters}}
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str, str], Settings]:
    """Loads a configuration with a registry and a way to read its only route."""
    (tmp_path / "policies").mkdir()
    for name in ("ca.pem", "talk.bin"):
        (tmp_path / name).write_bytes(b"")

    def from_parts(registry: str, read: str) -> Settings:
        path = tmp_path / "guard.yaml"
        written = f"schema_registry: {registry}" if registry else ""
        path.write_text(WHOLE.format(registry=written, read=read))
        return load_config(path, {})

    return from_parts


def test_a_registry_is_read_with_its_files_beside_the_configuration(
    load: Callable[[str, str], Settings], tmp_path: Path
) -> None:
    """Several addresses, credentials that show nowhere, and a bound for each request."""
    registry = f"{{url: 'https://a:8081/, https://b/apis/ccompat/v7', username: u, password: {SECRET}, ca: ca.pem, timeout: 2s}}"
    settings = load(registry, "{format: avro}")
    found = settings.schema_registry
    assert found is not None
    assert found.urls == ("https://a:8081", "https://b/apis/ccompat/v7")
    assert (found.ca, found.timeout) == (tmp_path / "ca.pem", 2.0)
    assert SECRET not in f"{settings!r} {settings.model_dump_json()}"
    assert found.password is not None
    assert found.password.get_secret_value() == SECRET


def test_a_token_that_no_header_takes_is_refused(load: Callable[[str, str], Settings]) -> None:
    """It would fail at every request; here it is said once, and not quoted."""
    with pytest.raises(ConfigError, match="the token holds a blank") as raised:
        load(f"{{url: 'https://a:8081', token: \"{SECRET}\\n\"}}", "{format: avro}")
    assert SECRET not in str(raised.value)


def test_protobuf_with_descriptors_needs_no_registry(load: Callable[[str, str], Settings], tmp_path: Path) -> None:
    """What the frame's id stands for is in the file."""
    settings = load("", "{format: protobuf, descriptors: talk.bin, message: talk.Message}")
    assert settings.routes[0].read.descriptors == tmp_path / "talk.bin"


@pytest.mark.parametrize(
    ("registry", "read", "expected"),
    [
        ("", "{format: avro}", "avro needs to know its schemas: set schema_registry.url"),
        ("", "{format: protobuf}", "protobuf needs to know its schemas"),
        ("", "{format: json_schema}", "json_schema needs to know its schemas"),
        ("", "{format: protobuf, message: talk.Message}", "descriptors and message go together"),
        ("", "{format: protobuf, descriptors: talk.bin}", "descriptors and message go together"),
        ("", "{format: json, descriptors: talk.bin, message: a.B}", "are for format protobuf; this one is json"),
        ("", "{format: protobuf, descriptors: gone.bin, message: a.B}", "there is no file"),
        ("{url: 'https://r', ca: gone.pem}", "{format: avro}", "there is no file"),
        ("{}", "{format: avro}", "schema_registry.url"),
        ("{url: 'registry:8081'}", "{format: avro}", "must be an address like https://registry:8081"),
        ("{url: 'https://'}", "{format: avro}", "must be an address like"),
        ("{url: 'https://r:99999'}", "{format: avro}", "must be an address like"),
        ("{url: 'https://a,ftp://b'}", "{format: avro}", "must be an address like"),
        ("{url: 'https://u:correct-horse@r'}", "{format: avro}", "must hold no credentials"),
        ("{url: 'https://r?token=correct-horse'}", "{format: avro}", "must have no query"),
        ("{url: 'https://r', username: u}", "{format: avro}", "username and password go together"),
        ("{url: 'https://r', password: correct-horse}", "{format: avro}", "username and password go together"),
        ("{url: 'https://r', username: 'a:b', password: correct-horse}", "{format: avro}", "schema_registry.username"),
        (
            "{url: 'https://r', username: u, password: correct-horse, token: correct-horse}",
            "{format: avro}",
            "not both",
        ),
        ("{url: 'https://r', key: ca.pem}", "{format: avro}", "need a certificate"),
        ("{url: 'http://r', token: correct-horse}", "{format: avro}", "would send credentials over http"),
        (
            "{url: 'https://a,http://b', username: u, password: correct-horse}",
            "{format: avro}",
            "would send credentials",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    load: Callable[[str, str], Settings], registry: str, read: str, expected: str
) -> None:
    """In the file's own terms, and without a secret."""
    with pytest.raises(ConfigError) as raised:
        load(registry, read)
    (finding,) = raised.value.findings
    text = f"{finding[0]}: {finding[1]}"
    assert expected in text
    assert "guard.yaml:" in text
    assert SECRET not in text


def test_credentials_over_http_may_be_insisted_on(load: Callable[[str, str], Settings]) -> None:
    """Within a mesh that encrypts, for example."""
    assert load("{url: 'http://r', token: t, allow_insecure: true}", "{format: avro}").schema_registry is not None


def test_routes_of_one_topic_read_it_in_one_format(load: Callable[[str, str], Settings], tmp_path: Path) -> None:
    """The second one is named."""
    load("{url: 'https://r'}", "{format: avro}")
    path = tmp_path / "guard.yaml"
    route = path.read_text().split("routes:\n")[1]
    path.write_text(path.read_text() + route.replace("name: chat", "name: other").replace("avro", "json"))
    with pytest.raises(ConfigError, match=r"guard.yaml:\d+:\d+: another route reads chat.messages as avro"):
        load_config(path, {})
