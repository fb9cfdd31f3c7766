"""Where metrics and traces go by OTLP: what the standard environment variables say, and nothing else.

Without an endpoint (`OTEL_EXPORTER_OTLP_ENDPOINT`, or that of one signal), with `OTEL_SDK_DISABLED=true`, or with
`OTEL_TRACES_EXPORTER` / `OTEL_METRICS_EXPORTER` at `none`, nothing is exported, and nothing of the SDK is started.
Providers are never made global: vLLM's own instrumentation stays apart from ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_SDK_DISABLED,
)

from stream_guard.errors import ConfigError, Place
from stream_guard.telemetry import sampling
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.traces import RecordTracer, TraceIds

_Signal: TypeAlias = Literal["TRACES", "METRICS"]


@asynccontextmanager
async def open_telemetry(*, group: str, provider: str) -> AsyncIterator[OtelTelemetry]:
    """Telemetry for the consumer group `group`, whose engine is `provider`. Leaving exports what is still held, bounded.

    Raises ConfigError where the environment names a protocol, a sampler or a ratio that there isn't.
    """
    rule, spans_by, metrics_by = sampling.from_environment(), _protocol("TRACES"), _protocol("METRICS")
    metrics, ids = Metrics(), TraceIds()
    if not spans_by and not metrics_by:
        yield OtelTelemetry(metrics, None)
        return
    # What exports takes a second to import, and mostly nothing is exported.
    from stream_guard.telemetry import providers
    from stream_guard.telemetry.otlp import SCOPE

    traces = providers.tracer_provider(spans_by, ids) if spans_by else None
    meters = providers.meter_provider(metrics_by, metrics) if metrics_by else None
    tracer = None
    if traces is not None:
        tracer = RecordTracer(traces.get_tracer(SCOPE), ids, rule, group=group, provider=provider)
    try:
        yield OtelTelemetry(metrics, tracer)
    finally:
        await asyncio.gather(*(asyncio.to_thread(each.shutdown) for each in (traces, meters) if each))


def _protocol(signal: _Signal) -> str | None:
    """The protocol to export a signal by, None where it is not exported."""
    environ = os.environ
    if environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true":
        return None
    if environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() == "none":
        return None
    if not (environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get(OTEL_EXPORTER_OTLP_ENDPOINT)):
        return None
    chosen = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environ.get(OTEL_EXPORTER_OTLP_PROTOCOL) or "grpc"
    if chosen not in ("grpc", "http/protobuf"):
        raise ConfigError((Place(OTEL_EXPORTER_OTLP_PROTOCOL), "must be grpc or http/protobuf"))
    return chosen
