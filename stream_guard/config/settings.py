"""All settings of the service. `stream-guard schema config` prints them as a JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stream_guard.config.engine import Count, EngineSettings
from stream_guard.config.escalation import EscalationSettings
from stream_guard.config.kafka import KafkaSettings
from stream_guard.config.model import Model
from stream_guard.config.quantities import Bytes, Seconds
from stream_guard.config.redrive import RedriveSettings
from stream_guard.config.registry import RegistrySettings
from stream_guard.config.route import RouteSettings
from stream_guard.errors import Place
from stream_guard.marked_yaml import Document

ENV_PREFIX = "STREAM_GUARD_"
ENV_NESTING = "__"
MIN_HASH_KEY = 16


class WindowSettings(Model):
    """What may be in flight at once: memory is bounded by these, whatever the input."""

    records: Count = 1000
    """Records read and not settled."""
    bytes: Bytes = 256 * 1024 * 1024
    """Bytes of these records."""
    tokens: Count = 262_144
    """Tokens of the prompts at the engine."""
    asks: Count = 256
    """Prompts at the engine."""
    lead: Count = 10_000
    """Offsets, for each partition, from the oldest record that is not settled to the newest read: so much is done again at most
    after a crash."""


class DeadLetterSettings(Model):
    """How many dead letters of one partition are too many: then nothing more of it is read until the service restarts.

    That is what a mapping or a policy that fits nothing looks like: it would drain the topic into the dead letters. Redriven
    records count for nothing.
    """

    max_consecutive: Count | None = 200
    """Records dead-lettered one after another; null: any number."""
    max_ratio: Annotated[float, Field(gt=0, lt=1)] | None = 0.5
    """The share of the last `over` records that may be dead-lettered, between 0 and 1; null: all of them."""
    over: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """How many records that share is taken over."""


class JudgingSettings(Model):
    """How long a case is tried before it abstains."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Asks for one case, the first included."""
    timeout: Seconds = 60.0
    """Seconds for one ask, while the engine is up."""


class TelemetrySettings(Model):
    """Logs, and the port for metrics and health. OTLP follows the standard `OTEL_*` environment variables."""

    http_host: str = "127.0.0.1"
    """The address that metrics and health are served at. In a pod: 0.0.0.0, or the kubelet's probes can't reach it."""
    http_port: Annotated[int, Field(ge=0, le=65_535)] | None = 9464
    """The port of `/metrics`, `/live` and `/ready`; 0 takes a free one, null serves none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe log line that is written."""


class Settings(BaseSettings):
    """The configuration of `stream-guard run`: one YAML file, over which environment variables go.

    `STREAM_GUARD_KAFKA__GROUP` overrides `kafka.group`; lists are written as JSON. `${NAME}` in a text of the file stands
    for an environment variable, `$${` for a plain `${`.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_NESTING,
    )

    namespace: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """The tenant; verdicts of different namespaces never compete."""
    kafka: KafkaSettings
    """The cluster and the consumer group."""
    schema_registry: RegistrySettings | None = None
    """Needed by routes whose values are Avro, Protobuf or JSON Schema."""
    engine: EngineSettings
    """Who judges."""
    policies: tuple[Path, ...] = Field(min_length=1)
    """Policy files, or directories of them, relative to this file."""
    routes: tuple[RouteSettings, ...] = Field(min_length=1)
    """What is judged, in order: a record belongs to the first route that matches."""
    redrive: RedriveSettings | None = None
    """Where dead letters go to be judged again. Unset: they can't be redriven."""
    escalation: EscalationSettings | None = None
    """Where what other deployments escalate comes from. Unset: nothing is escalated to this one."""
    window: WindowSettings = WindowSettings()
    """What may be in flight at once."""
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    """When a partition stops because too much of it is dead-lettered."""
    judging: JudgingSettings = JudgingSettings()
    """How long a case is tried."""
    drain: Seconds = 8.0
    """Seconds to settle what is in flight at SIGTERM or when partitions leave."""
    state_dir: Path | None = None
    """A directory that outlives the process, relative to this file: in Kubernetes an `emptyDir` of the pod. Kept there is what was
    in flight when the process ended, so that a record that brings it down again and again is found. Unset: it is not found."""
    content_hash_key: SecretStr | None = Field(default=None, min_length=MIN_HASH_KEY)
    """The key of the content hash in verdicts (HMAC-SHA256), at least 16 characters. Unset: verdicts hold no content hash."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """Logs, metrics and health."""

    _document: Document | None = PrivateAttr(default=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes values from the caller alone: the environment was laid over the file by `overlay`, which knows places."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def place(self, *loc: str | int) -> Place:
        """Where a setting was written: `place("routes", 0, "policies")`."""
        return Place("configuration") if self._document is None else self._document.place(loc)

    def given_at(self, *loc: str | int) -> Place | None:
        """Where exactly this setting was written, or its environment variable; None where it is the default."""
        return None if self._document is None else self._document.places.get(loc)
