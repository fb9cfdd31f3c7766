"""The face of the metrics towards OTLP.

Counters and gauges are observable instruments, whose callbacks read the accumulators. The SDK has no observable
histogram, so histograms join on the way out: our exporters add them to what the SDK collected, as the public data points
of `opentelemetry.sdk.metrics.export`, in the temporality that the environment prefers.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE
from opentelemetry.sdk.metrics import Exemplar as PointExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramPoints
from opentelemetry.sdk.metrics.export import Metric as MetricPoints
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from stream_guard.telemetry.accumulators import Counter, Distribution, Exemplar, Gauge, Histogram, Key
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.vocabulary import Metric

SCOPE = "stream_guard"
"""The instrumentation scope of every metric and span."""

_Callback: TypeAlias = Callable[[CallbackOptions], Iterable[Observation]]


def observe(meter: Meter, metrics: Metrics) -> None:
    """Registers an observable instrument for every counter and gauge."""
    for counter in metrics.counters:
        told = counter.metric
        meter.create_observable_counter(told.name, [_callback(counter)], told.unit, told.description)
    for gauge in metrics.gauges:
        told = gauge.metric
        meter.create_observable_gauge(told.name, [_callback(gauge)], told.unit, told.description)


def _callback(accumulator: Counter | Gauge) -> _Callback:
    def observations(_options: CallbackOptions) -> Iterable[Observation]:
        metric = accumulator.metric
        return [Observation(value, _attributes(metric, key)) for key, value in accumulator.read().items()]

    return observations


def _attributes(metric: Metric, key: Key) -> dict[str, str]:
    return dict(metric.constants) | {a.name: value for a, value in zip(metric.attributes, key, strict=True)}


class HistogramPointsSource:
    """Turns the histograms' readings into data points, since the start or since the last reading."""

    def __init__(
        self, histograms: Iterable[Histogram], *, delta: bool, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._histograms = tuple(histograms)
        self._delta = delta
        self._clock = clock
        self._since = clock()
        self._last: dict[tuple[str, Key], Distribution] = {}

    def join(self, collected: MetricsData) -> MetricsData:
        """What the SDK collected, and the histograms in the same scope (the encoder keeps one entry a scope)."""
        ours = self.read()
        return MetricsData([_with(resource, ours) for resource in collected.resource_metrics])

    def read(self) -> list[MetricPoints]:
        """One metric for each histogram that has observations (in this interval, where deltas are told)."""
        now = self._clock()
        found = [points for histogram in self._histograms if (points := self._points(histogram, now)).data.data_points]
        if self._delta:
            self._since = now
        return found

    def _points(self, histogram: Histogram, now: int) -> MetricPoints:
        metric = histogram.metric
        readings = ((key, self._change(metric, key, reading)) for key, reading in histogram.read().items())
        points = [self._point(metric, key, reading, now) for key, reading in readings if reading.count]
        temporality = AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE
        return MetricPoints(metric.name, metric.description, metric.unit, HistogramPoints(points, temporality))

    def _change(self, metric: Metric, key: Key, reading: Distribution) -> Distribution:
        if not self._delta:
            return reading
        earlier = self._last.get((metric.name, key))
        self._last[metric.name, key] = reading
        return reading.since(earlier) if earlier else reading

    def _point(self, metric: Metric, key: Key, reading: Distribution, now: int) -> HistogramDataPoint:
        unknown = cast("float", None)  # optional in OTLP, and encoded as absent: extremes since the start say nothing
        return HistogramDataPoint(
            attributes=_attributes(metric, key),
            start_time_unix_nano=self._since,
            time_unix_nano=now,
            count=reading.count,
            sum=reading.sum,
            bucket_counts=reading.counts,
            explicit_bounds=metric.buckets,
            min=unknown,
            max=unknown,
            exemplars=[_exemplar(found) for _, found in sorted(reading.exemplars.items())],
        )


def _exemplar(found: Exemplar) -> PointExemplar:
    at = int(found.at * 1_000_000_000)
    return PointExemplar({}, found.value, at, int(found.span_id, 16), int(found.trace_id, 16))


def delta_preferred() -> bool:
    """Whether the environment prefers deltas for histograms (`delta` and `lowmemory` do)."""
    preference = os.environ.get(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, "cumulative")
    return preference.strip().lower() in ("delta", "lowmemory")


def _with(resource: ResourceMetrics, ours: list[MetricPoints]) -> ResourceMetrics:
    others = [scope for scope in resource.scope_metrics if scope.scope.name != SCOPE]
    joined = [metric for scope in resource.scope_metrics if scope.scope.name == SCOPE for metric in scope.metrics]
    scope = ScopeMetrics(InstrumentationScope(SCOPE), [*joined, *ours], "")
    return dataclasses.replace(resource, scope_metrics=[*others, scope])
