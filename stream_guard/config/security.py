"""What is wrong with how Kafka is to be trusted and how we prove who we are.

librdkafka takes much of it silently: a password without TLS, certificates that are given but never used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from stream_guard.config.kafka import KafkaSettings, Option, names_file
from stream_guard.config.settings import Settings
from stream_guard.marked_yaml import Loc

Finding: TypeAlias = tuple[str, str]
"""Which option is wrong, and why."""
_Options: TypeAlias = Mapping[str, str]

IN_FILES = (
    "sasl.username", "sasl.password", "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.passphrase", "ssl.key.password", "ssl.keystore.password",
)  # fmt: skip
"""The options whose value may stand in a file of its own: for the others a file would only hide what they say."""
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_SASL, _TLS = ("sasl_ssl", "sasl_plaintext"), ("ssl", "sasl_ssl")
_SENDS_SECRET = ("PLAIN", "OAUTHBEARER")
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")
"""How librdkafka reads a truth value."""
_HOST_NAMES = "ssl.endpoint.identification.algorithm"
INSIST = "set kafka.allow_insecure_tls"
"""What an operator does who wants it all the same."""
_INSIST = f"{INSIST} to insist, in a test"


def insecurities(settings: Settings) -> Iterator[tuple[Loc, str]]:
    """All that is wrong with the security of the clients, each once, where it is written."""
    kafka, told = settings.kafka, set[Finding]()
    yield from _files(kafka)
    for section in ("client", "consumer", "producer"):
        own: Mapping[str, object] = getattr(kafka, section)
        options = (
            _effective(kafka.client) | dict.fromkeys(kafka.client_files, "?") | _effective(getattr(kafka, section))
        )
        for key, why in _findings(options, insist=kafka.allow_insecure_tls):
            if (key, why) not in told:
                told.add((key, why))
                yield ("kafka", _section_of(kafka, key, section if key in own else "client"), key), f"{key}: {why}"


def _section_of(kafka: KafkaSettings, key: str, section: str) -> str:
    return "client_files" if key in kafka.client_files else section


def _effective(options: Mapping[str, Option | SecretStr]) -> dict[str, str]:
    """The options as librdkafka takes them: it reads `topic.x` as `x`. Secrets only as being there."""
    return {
        key.removeprefix("topic."): "?" if isinstance(value, SecretStr) else str(value).strip()
        for key, value in options.items()
    }


def _findings(options: _Options, *, insist: bool) -> Iterator[Finding]:
    protocol = options.get("security.protocol", "plaintext").lower()
    yield from _without_effect(options, protocol)
    if protocol in _SASL:
        yield from _mechanism(options)
    if not insist:
        yield from _insecure(options, protocol)


def _without_effect(options: _Options, protocol: str) -> Iterator[Finding]:
    """Options that librdkafka would pass over, and connect less safely than they say."""
    for key in options:
        if key.startswith("sasl.") and protocol not in _SASL:
            yield key, f"has no effect under security.protocol {protocol}: use sasl_ssl"
        if key.startswith("ssl.") and protocol not in _TLS and key != _HOST_NAMES:
            yield key, f"has no effect under security.protocol {protocol}: use ssl or sasl_ssl"


def _mechanism(options: _Options) -> Iterator[Finding]:
    key = "sasl.mechanisms" if "sasl.mechanisms" in options else "sasl.mechanism"
    mechanism = options.get(key, "")
    if {"sasl.mechanism", "sasl.mechanisms"} <= options.keys():
        yield key, "is another name of sasl.mechanism: one of them would silently win"
    elif mechanism == "GSSAPI":
        yield (
            key,
            f"GSSAPI (Kerberos) is not in the Kafka client that is installed: use one of {', '.join(_MECHANISMS)}",
        )
    elif mechanism not in _MECHANISMS:
        yield key, f"must be one of {', '.join(_MECHANISMS)}"
    elif mechanism == "OAUTHBEARER":
        yield from _oauth(options)
    else:
        yield from (
            (need, f"is needed by {mechanism}") for need in ("sasl.username", "sasl.password") if need not in options
        )


def _oauth(options: _Options) -> Iterator[Finding]:
    method = options.get("sasl.oauthbearer.method", "").lower()
    if method != "oidc" and options.get("enable.sasl.oauthbearer.unsecure.jwt", "").lower() not in _TRUE:
        yield "sasl.oauthbearer.method", "must be oidc: tokens come from sasl.oauthbearer.token.endpoint.url"


def _insecure(options: _Options, protocol: str) -> Iterator[Finding]:
    """What lets anybody pose as the broker, or read what proves who we are."""
    unverified = f"turns verification off, so that anybody could pose as the broker: {_INSIST}"
    if options.get("enable.ssl.certificate.verification", "").lower() in _FALSE:
        yield "enable.ssl.certificate.verification", unverified
    if options.get(_HOST_NAMES, "").lower() == "none":
        yield _HOST_NAMES, unverified
    mechanism = options.get("sasl.mechanisms", options.get("sasl.mechanism", ""))
    if protocol == "sasl_plaintext" and mechanism in _SENDS_SECRET:
        yield "security.protocol", f"sends the secret of {mechanism} readable: use sasl_ssl, or {_INSIST}"
    if options.get("sasl.oauthbearer.token.endpoint.url", "").lower().startswith("http:"):
        yield "sasl.oauthbearer.token.endpoint.url", f"sends the client secret readable: use https, or {_INSIST}"
    if options.get("enable.sasl.oauthbearer.unsecure.jwt", "").lower() in _TRUE:
        yield "enable.sasl.oauthbearer.unsecure.jwt", f"makes tokens that nobody signed: {_INSIST}"


def _files(kafka: KafkaSettings) -> Iterator[tuple[Loc, str]]:
    """What is wrong with the files that secrets and certificates stand in."""
    maps = {"client": kafka.client, "consumer": kafka.consumer, "producer": kafka.producer}
    for key, path in kafka.client_files.items():
        loc: Loc = ("kafka", "client_files", key)
        if key not in IN_FILES:
            yield loc, f"{key}: its value can't stand in a file; these can: {', '.join(IN_FILES)}"
        elif twice := next((section for section, options in maps.items() if key in options), None):
            yield loc, f"{key}: is set in kafka.{twice}, too"
        elif (problem := _unreadable(path)) is not None:
            yield loc, f"{key}: {problem}"
    for section, options in maps.items():
        for key, value in options.items():
            if names_file(key, value) and not Path(str(value)).exists():
                yield ("kafka", section, key), f"{key}: there is no file or directory {value}"


def _unreadable(path: Path) -> str | None:
    """Why a file does not hold a secret, None where it does."""
    try:
        empty = not path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        return f"{path} is not UTF-8"
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    return f"{path} is empty" if empty else None
