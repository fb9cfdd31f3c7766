"""What the SDK exports by OTLP: spans as they are, and metrics with the histograms that are kept apart from it."""

from __future__ import annotations

from typing import Any

from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc_metrics
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import metric_exporter as http_metrics
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
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
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.otlp import SCOPE, HistogramPointsSource, delta_preferred, observe
from stream_guard.telemetry.traces import TraceIds


def tracer_provider(protocol: str, ids: TraceIds) -> TracerProvider:
    """Spans, by this protocol."""
    # Sampling is decided before a span is made, so that every span that is made is wanted.
    provider = TracerProvider(ALWAYS_ON, _resource(), id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_span_exporter(protocol)))
    return provider


def meter_provider(protocol: str, metrics: Metrics) -> MeterProvider:
    """Metrics, by this protocol."""
    source = HistogramPointsSource(metrics.histograms, delta=delta_preferred())
    reader = PeriodicExportingMetricReader(_metric_exporter(protocol, source))
    provider = MeterProvider([reader], _resource(), shutdown_on_exit=False)
    observe(provider.get_meter(SCOPE), metrics)
    return provider


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
