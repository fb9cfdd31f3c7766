"""How to reach Kafka: our own settings, and what is passed through to librdkafka."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, WithJsonSchema, field_validator

from stream_guard.config.model import Model
from stream_guard.config.quantities import Bytes

Option: TypeAlias = str | int | float | bool
Topic: TypeAlias = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
"""The name of a topic, as Kafka allows it."""

_SECRET = re.compile(r"password|passphrase|secret|key\.pem$|token$|oauthbearer\.config$")
_NAMES_A_FILE = re.compile(r"\.(?:location|file)$")
_NO_FILE = ("probe",)
"""Values of options that name files, but are no path."""


def is_secret(option: str) -> bool:
    """Whether the value of this librdkafka option is a secret."""
    return bool(_SECRET.search(option)) and not _NAMES_A_FILE.search(option)


def revealed(options: Mapping[str, Option | SecretStr]) -> dict[str, Option]:
    """The options with their secrets readable: for librdkafka alone."""
    return {key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in options.items()}


def names_file(option: str, value: Option | SecretStr) -> bool:
    """Whether the value of this librdkafka option is the path of a file or directory."""
    return bool(_NAMES_A_FILE.search(option)) and isinstance(value, str) and value not in _NO_FILE


def _scalar(value: object) -> object:
    if isinstance(value, Option | SecretStr):
        return value
    msg = "must be a text, a number, true or false"
    raise ValueError(msg)


_Value: TypeAlias = Annotated[
    Option | SecretStr, BeforeValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})
]


def _start(value: object) -> object:
    if value in ("earliest", "latest") or isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        msg = "must be earliest, latest or an RFC 3339 time with its offset, as in 2026-01-31T00:00:00Z"
        raise ValueError(msg)
    return moment


Start: TypeAlias = Annotated[
    Literal["earliest", "latest"] | datetime,
    BeforeValidator(_start),
    WithJsonSchema(
        {
            "anyOf": [{"enum": ["earliest", "latest"]}, {"type": "string", "format": "date-time"}],
            "description": "Where a group that has no offsets yet begins: earliest, latest or an RFC 3339 time. No default.",
        }
    ),
]


class KafkaSettings(Model):
    """The cluster, the consumer group, and what librdkafka is told."""

    bootstrap_servers: str = Field(min_length=1)
    """`host:port` of some brokers, separated by commas."""
    group: str = Field(default="stream-guard", min_length=1)
    """The consumer group. All replicas share it."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """`consumer` is KIP-848; how fast a dead member is noticed is then the broker's setting, not ours."""
    instance_id: str | None = Field(default=None, min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")
    """Static membership: the name of this replica, its own and the same after every restart, as a StatefulSet's pod name
    (`STREAM_GUARD_KAFKA__INSTANCE_ID`). A replica that is back within the session timeout gets its partitions again and nobody
    else notices; useful for rolling restarts, with a session timeout longer than a restart takes, the model's loading included.
    The price: until that timeout nobody reads the partitions of a replica that went, whether it crashed, was restarted or was
    taken away for good. Of two processes with one name, one ends. Unset: partitions of a replica that goes move on at once."""
    start: Start
    """Where the group begins at its first attach; committed once, then never looked at again."""
    client: dict[str, _Value] = Field(default={})
    """Options for every librdkafka client: `security.protocol`, `sasl.*`, `ssl.*` and the like."""
    client_files: dict[str, Path] = Field(default={})
    """Options for every librdkafka client whose value is the content of a file: `sasl.password: /run/secrets/kafka/password`.
    Read again when it changes, as are the certificates and keys that `client` names."""
    consumer: dict[str, _Value] = Field(default={})
    """Options for the consumer alone. What would break the delivery promise is refused."""
    producer: dict[str, _Value] = Field(default={})
    """Options for the producer alone. What would break the delivery promise is refused."""
    rescue_memory: Bytes = 1_280 * 1024 * 1024
    """Bytes that a child process may take to read a batch that the consumer can't, or must not, read itself. 1 MB of gzip can
    be 1,032 MB once decompressed: the default reads any batch that a stock broker takes. The pod must have as much to spare."""
    allow_insecure_tls: bool = False
    """Accept options that turn the verification of certificates or host names off, or that show a secret to the network.
    For tests: anybody could pose as the broker."""

    @field_validator("client", "consumer", "producer")
    @classmethod
    def _mask(cls, options: dict[str, Option | SecretStr], _: ValidationInfo) -> dict[str, Option | SecretStr]:
        """Wraps secrets, so that no repr, dump or error shows them."""
        return {
            key: SecretStr(str(value)) if is_secret(key) and not isinstance(value, SecretStr) else value
            for key, value in options.items()
        }

    def files(self) -> tuple[Path, ...]:
        """The files and directories that librdkafka reads by itself."""
        maps = (self.client, self.consumer, self.producer)
        return tuple({Path(str(v)): None for options in maps for k, v in options.items() if names_file(k, v)})

    def beside(self, folder: Path) -> KafkaSettings:
        """The same, with every path in it taken relative to `folder`."""
        changes: dict[str, object] = {"client_files": {key: folder / path for key, path in self.client_files.items()}}
        for section in ("client", "consumer", "producer"):
            options: dict[str, Option | SecretStr] = getattr(self, section)
            changes[section] = {k: str(folder / str(v)) if names_file(k, v) else v for k, v in options.items()}
        return self.model_copy(update=changes)
