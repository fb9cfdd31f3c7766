"""Where metrics and traces go by OTLP: what the standard environment variables say, and nothing else.

Without an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, or that of one signal), with `OTEL_SDK_DISABLED=true`, or with
`OTEL_TRACES_EXPORTER` / `OTEL_METRICS_EXPORTER` at `none`, nothing is exported.
"""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_SDK_DISABLED,
)

from stream_guard.errors import ConfigError, Place

Signal: TypeAlias = Literal["TRACES", "METRICS"]
_HTTP = "http/protobuf"


def protocol(signal: Signal) -> str | None:
    """The protocol to export a signal by, None where it is not exported.

    Raises ConfigError for a protocol that there isn't.
    """
    environ = os.environ
    if environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true":
        return None
    if environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() == "none":
        return None
    if not (environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get(OTEL_EXPORTER_OTLP_ENDPOINT)):
        return None
    chosen = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environ.get(OTEL_EXPORTER_OTLP_PROTOCOL) or "grpc"
    if chosen not in ("grpc", _HTTP):
        raise ConfigError((Place(OTEL_EXPORTER_OTLP_PROTOCOL), "must be grpc or http/protobuf"))
    return chosen


def traces_endpoint() -> tuple[str, str] | None:
    """Where traces go and by which protocol, for an engine that exports its own; None where they are not exported.

    Raises ConfigError for a protocol that there isn't.
    """
    by = protocol("TRACES")
    if by is None:
        return None
    if own := os.environ.get(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT):
        return own, by
    whole = os.environ[OTEL_EXPORTER_OTLP_ENDPOINT]
    return (f"{whole.rstrip('/')}/v1/traces" if by == _HTTP else whole), by
