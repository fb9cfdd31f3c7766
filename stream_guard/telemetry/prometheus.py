"""The face of the metrics towards Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as BucketExemplar

from stream_guard.telemetry.accumulators import Counter, Distribution, Exemplar, Gauge, Histogram
from stream_guard.telemetry.metrics import Metrics


class MetricsCollector(Collector):
    """Reads the accumulators at every scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        """One family for each metric, also where it has no series yet."""
        yield from map(_counter, self._metrics.counters)
        yield from map(_gauge, self._metrics.gauges)
        yield from map(_histogram, self._metrics.histograms)

    def describe(self) -> Iterable[Family]:
        """The same: what is told does not depend on what was counted."""
        return self.collect()


def registry(metrics: Metrics) -> CollectorRegistry:
    """What /metrics tells: our metrics, and those of the process, the interpreter and its garbage collector."""
    found = CollectorRegistry()
    found.register(MetricsCollector(metrics))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=found)
    return found


def _counter(counter: Counter) -> Family:
    metric = counter.metric
    family = CounterMetricFamily(metric.family, metric.description, labels=metric.labels)
    for key, value in counter.read().items():
        family.add_metric(key, value)
    return family


def _gauge(gauge: Gauge) -> Family:
    metric = gauge.metric
    family = GaugeMetricFamily(metric.family, metric.description, labels=metric.labels)
    for key, value in gauge.read().items():
        family.add_metric(key, value)
    return family


def _histogram(histogram: Histogram) -> Family:
    metric = histogram.metric
    family = HistogramMetricFamily(metric.family, metric.description, labels=metric.labels)
    bounds = [*map(str, metric.buckets), "+Inf"]
    for key, reading in histogram.read().items():
        family.add_metric(key, _buckets(bounds, reading), reading.sum)
    return family


def _buckets(bounds: list[str], reading: Distribution) -> list[tuple[str, float] | tuple[str, float, BucketExemplar]]:
    """OpenMetrics shows the exemplars; Prometheus' own text format has no place for them."""
    counts = map(float, accumulate(reading.counts))
    return [
        (bound, count) if (found := reading.exemplars.get(number)) is None else (bound, count, _exemplar(found))
        for number, (bound, count) in enumerate(zip(bounds, counts, strict=True))
    ]


def _exemplar(found: Exemplar) -> BucketExemplar:
    return BucketExemplar({"trace_id": found.trace_id, "span_id": found.span_id}, found.value, found.at)
