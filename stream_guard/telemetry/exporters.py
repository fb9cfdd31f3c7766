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
from typing import Any, Literal, TypeAlias

from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

import stream_guard
from stream_guard.errors import ConfigError, Place
from stream_guard.telemetry import sampling
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.otlp import SCOPE, HistogramPointsSource, delta_preferred, observe
from stream_guard.telemetry.traces import RecordTracer, TraceIds

_Signal: TypeAlias = Literal["TRACES", "METRICS"]


@asynccontextmanager
async def open_telemetry(*, group: str, provider: str) -> AsyncIterator[OtelTelemetry]:
    """Telemetry for the consumer group `group`, whose engine is `provider`. Leaving exports what is still held, bounded.

    Raises ConfigError where the environment names a protocol, a sampler or a ratio that there isn't.
    """
    rule, spans_by, metrics_by = sampling.from_environment(), _protocol("TRACES"), _protocol("METRICS")
    metrics, ids = Metrics(), TraceIds()
    traces = _tracer_provider(spans_by, ids) if spans_by else None
    meters = _meter_provider(metrics_by, metrics) if metrics_by else None
    tracer = RecordTracer(traces.get_tracer(SCOPE), ids, rule, group=group, provider=provider) if traces else None
    try:
        yield OtelTelemetry(metrics, tracer)
    finally:
        await asyncio.gather(*(asyncio.to_thread(each.shutdown) for each in (traces, meters) if each))


def _tracer_provider(protocol: str, ids: TraceIds) -> TracerProvider:
    # Sampling is decided before a span is made, so that every span that is made is wanted.
    provider = TracerProvider(ALWAYS_ON, _resource(), id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_span_exporter(protocol)))
    return provider


def _meter_provider(protocol: str, metrics: Metrics) -> MeterProvider:
    source = HistogramPointsSource(metrics.histograms, delta=delta_preferred())
    reader = PeriodicExportingMetricReader(_metric_exporter(protocol, source))
    provider = MeterProvider([reader], _resource(), shutdown_on_exit=False)
    observe(provider.get_meter(SCOPE), metrics)
    return provider


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


def _resource() -> Resource:
    """The environment's resource, with our name and version where it gives none."""
    given = OTELResourceDetector().detect().attributes
    return Resource.create({SERVICE_NAME: "stream-guard", SERVICE_VERSION: stream_guard.__version__, **given})


def _span_exporter(protocol: str) -> SpanExporter:
    return grpc_traces.OTLPSpanExporter() if protocol == "grpc" else http_traces.OTLPSpanExporter()


def _metric_exporter(protocol: str, source: HistogramPointsSource) -> MetricExporter:
    return _grpc_metrics(source) if protocol == "grpc" else _http_metrics(source)


def _grpc_metrics(source: HistogramPointsSource) -> MetricExporter:
    class Exporter(grpc_metrics.OTLPMetricExporter):
        def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> MetricExportResult:
            return super().export(source.join(metrics_data), *args, **kwargs)

    return Exporter()


def _http_metrics(source: HistogramPointsSource) -> MetricExporter:
    class Exporter(http_metrics.OTLPMetricExporter):
        def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> MetricExportResult:
            return super().export(source.join(metrics_data), *args, **kwargs)

    return Exporter()
