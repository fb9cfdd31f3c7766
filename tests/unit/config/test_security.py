"""What the configuration refuses of how Kafka is to be trusted, and of how we prove who we are."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.config import Settings, load_config
from stream_guard.errors import ConfigError
from stream_guard.marked_yaml import Finding

SCRAM = "security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512, sasl.username: guard"
OIDC = "security.protocol: SASL_SSL, sasl.mechanism: OAUTHBEARER, sasl.oauthbearer.method: oidc"
TEXT = """\
kafka:
  bootstrap_servers: kafka:9092
  start: earliest
  {}
engine: {{kind: scripted}}
policies: [policies]
routes:
  - {{name: chat, topic: in, judge: [message], policies: [spam], outputs: {{verdicts: v, rulings: r, dead_letters: d}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the configuration lies, beside its policies."""
    (tmp_path / "policies").mkdir()
    return tmp_path


def loaded(folder: Path, kafka: str) -> Settings:
    """A configuration with these lines in its section `kafka`."""
    path = folder / "guard.yaml"
    path.write_text(TEXT.format(kafka.replace("\n", "\n  ")), encoding="utf-8")
    return load_config(path, {})


def refused(folder: Path, kafka: str) -> Finding:
    """The one finding."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, kafka)
    [finding] = caught.value.findings
    return finding


@pytest.mark.parametrize("insecure", [
    "client: {enable.ssl.certificate.verification: false}",
    "client: {enable.ssl.certificate.verification: 0}",
    "client: {enable.ssl.certificate.verification: F}",
    "client: {topic.enable.ssl.certificate.verification: f}",
    "consumer: {enable.ssl.certificate.verification: 'false '}",
    "client: {ssl.endpoint.identification.algorithm: none}",
    "producer: {ssl.endpoint.identification.algorithm: None}",
    "client: {security.protocol: ssl, ssl.endpoint.identification.algorithm: NONE}",
    "client: {security.protocol: sasl_plaintext, sasl.mechanism: PLAIN, sasl.username: a, sasl.password: b}",
    "client: {security.protocol: SASL_PLAINTEXT, sasl.mechanisms: OAUTHBEARER, sasl.oauthbearer.method: oidc}",
    f"client: {{{OIDC}, sasl.oauthbearer.token.endpoint.url: 'http://tokens/'}}",
    "client: {security.protocol: SASL_SSL, sasl.mechanism: OAUTHBEARER, enable.sasl.oauthbearer.unsecure.jwt: true}",
])  # fmt: skip
def test_what_trusts_anybody_is_refused_unless_somebody_insists(folder: Path, insecure: str) -> None:
    """However it is written and wherever; a second setting says that it is meant, for a test."""
    _, what = refused(folder, insecure)
    assert "set kafka.allow_insecure_tls to insist, in a test" in what
    assert loaded(folder, f"{insecure}\nallow_insecure_tls: true").kafka.allow_insecure_tls


@pytest.mark.parametrize(("kafka", "why"), [
    ("client: {sasl.username: guard}", "sasl.username: has no effect under security.protocol plaintext: use sasl_ssl"),
    ("client: {security.protocol: ssl, sasl.username: guard}", "sasl.username: has no effect under security.protocol ssl"),
    ("producer: {ssl.ca.pem: x}", "ssl.ca.pem: has no effect under security.protocol plaintext: use ssl or sasl_ssl"),
    ("client: {security.protocol: sasl_ssl}", "sasl.mechanism: must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTH"),
    ("client: {security.protocol: sasl_ssl, sasl.mechanisms: gssapi}", "sasl.mechanisms: must be one of PLAIN"),
    ("client: {security.protocol: sasl_ssl, sasl.mechanism: GSSAPI}", "GSSAPI (Kerberos) is not in the Kafka client"),
    ("client: {security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: a}", "sasl.password: is needed by PLAIN"),
    (f"client: {{{SCRAM}, sasl.mechanisms: PLAIN}}", "sasl.mechanisms: is another name of sasl.mechanism"),
    (f"client: {{{SCRAM}}}", "sasl.password: is needed by SCRAM-SHA-512"),
    ("client: {security.protocol: sasl_ssl, sasl.mechanism: OAUTHBEARER}", "sasl.oauthbearer.method: must be oidc"),
])  # fmt: skip
def test_what_would_connect_otherwise_than_it_says_is_refused(folder: Path, kafka: str, why: str) -> None:
    """It would be passed over, or fail with words of its own at the start."""
    place, what = refused(folder, kafka)
    assert what.startswith(why) or why in what
    assert place.line == 4


def test_secrets_may_stand_in_files_beside_the_configuration(folder: Path) -> None:
    """Paths are relative to the configuration, those of certificates as well; `probe` is no path."""
    (folder / "password").write_text("hush-hush\n", encoding="utf-8")
    (folder / "ca.pem").touch()
    client = f"client: {{{SCRAM}, ssl.ca.location: ca.pem}}\nconsumer: {{ssl.ca.location: probe}}"
    kafka = loaded(folder, f"{client}\nclient_files: {{sasl.password: password}}").kafka
    assert kafka.client_files == {"sasl.password": folder / "password"}
    assert kafka.client["ssl.ca.location"] == str(folder / "ca.pem")
    assert kafka.consumer["ssl.ca.location"] == "probe"
    assert kafka.files() == (folder / "ca.pem",)
    assert "hush-hush" not in repr(kafka)


@pytest.mark.parametrize(("content", "why"), [
    (None, "can't be read: No such file or directory"), (b" \n", "is empty"), (b"\xff\xfe", "is not UTF-8"),
])  # fmt: skip
def test_a_file_that_holds_no_secret_is_named(folder: Path, content: bytes | None, why: str) -> None:
    """Missing, empty or not a text: the finding names the option and the file."""
    if content is not None:
        (folder / "password").write_bytes(content)
    place, what = refused(folder, f"client: {{{SCRAM}}}\nclient_files: {{sasl.password: password}}")
    assert what == f"sasl.password: {folder / 'password'} {why}"
    assert place.line == 5


def test_a_directory_is_no_secret(folder: Path) -> None:
    """The commonest mistake with mounted secrets: the directory instead of the key in it."""
    _, what = refused(folder, f"client: {{{SCRAM}}}\nclient_files: {{sasl.password: policies}}")
    assert what == f"sasl.password: {folder / 'policies'} can't be read: Is a directory"


def test_a_secret_has_one_place(folder: Path) -> None:
    """A value beside a file would silently win or lose."""
    (folder / "password").write_text("hush-hush", encoding="utf-8")
    for section in ("client", "consumer", "producer"):
        options = {"client": SCRAM, section: f"{SCRAM}, sasl.password: other"}
        lines = [f"{name}: {{{written}}}" for name, written in options.items()]
        _, what = refused(folder, "\n".join([*lines, "client_files: {sasl.password: password}"]))
        assert what == f"sasl.password: is set in kafka.{section}, too"


def test_only_secrets_may_stand_in_files(folder: Path) -> None:
    """A switch in a file would be one that no lint sees."""
    (folder / "off").write_text("false", encoding="utf-8")
    _, what = refused(folder, "client_files: {enable.ssl.certificate.verification: off}")
    assert what.startswith(
        "enable.ssl.certificate.verification: its value can't stand in a file; these can: sasl.username"
    )


@pytest.mark.parametrize("option", ["ssl.ca.location", "ssl.certificate.location", "ssl.key.location"])
def test_a_certificate_that_is_not_there_is_named(folder: Path, option: str) -> None:
    """Before any client is made."""
    place, what = refused(folder, f"client: {{security.protocol: SSL, {option}: gone.pem}}")
    assert what == f"{option}: there is no file or directory {folder / 'gone.pem'}"
    assert place.line == 4


def test_the_environment_may_say_where_a_secret_stands(folder: Path) -> None:
    """As for the other options, an underscore in the variable's name stands for a dot."""
    (folder / "password").write_text("hush-hush", encoding="utf-8")
    path = folder / "guard.yaml"
    path.write_text(TEXT.format(f"client: {{{SCRAM}}}"), encoding="utf-8")
    settings = load_config(path, {"STREAM_GUARD_KAFKA__CLIENT_FILES__SASL_PASSWORD": "password"})
    assert settings.kafka.client_files == {"sasl.password": folder / "password"}
