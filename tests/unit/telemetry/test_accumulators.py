from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from timeit import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from stream_guard.policy.document import Decision
from stream_guard.telemetry import names
from stream_guard.telemetry.accumulators import MAX_SERIES, Counter, Distribution, Exemplar, Gauge, Histogram
from stream_guard.telemetry.vocabulary import OTHER


def test_a_counter_sums_by_key() -> None:
    """Equal keys add up, whether they come as words or as members of an enumeration; what is read is plain text."""
    counter = Counter(names.RULINGS)
    counter.add(("mail", Decision.ALLOW))
    counter.add(("mail", "allow"), 2)
    assert counter.read() == {("mail", "allow"): 3}
    assert all(type(value) is str for key in counter.read() for value in key)


def test_a_gauge_keeps_the_last_value_until_dropped() -> None:
    """A partition that left is told no more; others stay."""
    gauge = Gauge(names.LAG)
    gauge.set(("a", "0"), 1.0)
    gauge.set(("a", "0"), 2.0)
    gauge.set(("a", "1"), 3.0)
    gauge.drop("a", "0")
    assert gauge.read() == {("a", "1"): 3.0}


def test_a_gauge_can_end_all_but_some() -> None:
    """By what their series are called, also where a value was cleaned."""
    gauge = Gauge(names.HALTED)
    for key in (("a", "0", "position"), ("a", "1", "two words"), ("b", "0", "position")):
        gauge.set(key, 1)
    gauge.keep([("a", "1", "two words"), ("c", "0", "never there")])
    assert gauge.read() == {("a", "1", "other"): 1}


def test_unclean_values_keep_adding_to_their_clean_series() -> None:
    """A value that reads `other` is counted there at every call, not only at the first."""
    counter, gauge, histogram = Counter(names.RETRIES), Gauge(names.HALTED), Histogram(names.STAGE_DURATION)
    for _ in range(3):
        counter.add(("spam", "two words"))
        gauge.set(("a", "0", "two words"), 1)
        histogram.observe(("nowhere",), 0.1)
    assert counter.read() == {("spam", "other"): 3}
    assert gauge.read() == {("a", "0", "other"): 1}
    assert histogram.read()[OTHER,].count == 3


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    """Buckets are `le`, as in Prometheus and OTLP."""
    histogram = Histogram(names.STAGE_DURATION)
    for value in (0.001, 0.0011, 3600.0, 3601.0):
        histogram.observe(("engine",), value)
    counts = histogram.read()["engine",].counts
    assert (counts[0], counts[1], counts[-2], counts[-1]) == (1, 1, 1, 1)


@pytest.mark.parametrize("value", [-1.0, math.nan, -math.inf])
def test_a_clock_that_went_backwards_counts_as_no_time(value: float) -> None:
    """One odd observation must not poison a sum for good."""
    histogram = Histogram(names.STAGE_DURATION)
    histogram.observe(("total",), value)
    histogram.observe(("total",), 0.5)
    assert histogram.read()["total",] == Distribution((1, 0, 0, 0, 0, 0, 0, 0, 1, *[0] * 10), 0.5)


@given(st.lists(st.floats(0, 10_000)), st.lists(st.floats(0, 10_000)))
def test_a_difference_is_what_came_between(first: list[float], second: list[float]) -> None:
    """A reading minus an earlier one has the counts and, but for rounding, the sum of what was observed between."""
    histogram = Histogram(names.STAGE_DURATION)
    histogram.observe(("engine",), 0.0)
    for value in first:
        histogram.observe(("engine",), value)
    earlier = histogram.read()["engine",]
    for value in second:
        histogram.observe(("engine",), value)
    change = histogram.read()["engine",].since(earlier)
    assert change.count == len(second)
    assert math.isclose(change.sum, sum(second), abs_tol=1e-6)


def test_the_latest_traced_observation_stands_for_its_bucket() -> None:
    """With its own value and time; those without a trace leave it as it is, and other buckets and series have their own."""
    now = 100.0
    histogram = Histogram(names.STAGE_DURATION, lambda: now)
    for value, trace in ((0.3, "1"), (0.4, "2"), (0.45, None), (99.0, "3")):
        histogram.observe(("engine",), value, None if trace is None else make_traceparent(trace))
        now += 1
    histogram.observe(("nowhere",), 0.3, make_traceparent("4"))
    histogram.observe(("nowhere",), 0.4, make_traceparent("5"))
    engine, other = histogram.read()["engine",], histogram.read()[OTHER,]
    half, long = names.SECONDS.index(0.5), names.SECONDS.index(300.0)
    assert engine.exemplars == {
        half: Exemplar(make_traceparent("2"), 0.4, 101.0),
        long: Exemplar(make_traceparent("3"), 99.0, 103.0),
    }
    assert (engine.count, other.count) == (4, 2)
    assert [found.trace_id for found in other.exemplars.values()] == ["5" * 32]
    assert engine.exemplars[half].span_id == "2" * 16


def test_what_came_since_has_new_exemplars_alone() -> None:
    """One that was told is not told again as if it were recent."""
    histogram = Histogram(names.STAGE_DURATION)
    histogram.observe(("engine",), 0.3, make_traceparent("1"))
    histogram.observe(("engine",), 2.0, make_traceparent("2"))
    earlier = histogram.read()["engine",]
    histogram.observe(("engine",), 0.3)
    histogram.observe(("engine",), 2.0, make_traceparent("3"))
    change = histogram.read()["engine",].since(earlier)
    assert [found.trace_id for found in change.exemplars.values()] == ["3" * 32]


def make_traceparent(digit: str) -> str:
    """A sampled trace whose ids consist of one digit."""
    return f"00-{digit * 32}-{digit * 16}-01"


def test_readers_in_other_threads_never_see_a_broken_series() -> None:
    """While the loop's thread opens series and observes, a reader gets whole copies whose counts only grow."""
    counter, histogram = Counter(names.RESENDS), Histogram(names.FRONT_END_DURATION)
    stop, totals = threading.Event(), list[float]()

    def read() -> None:
        while not stop.is_set():
            totals.append(sum(counter.read().values()))
            assert all(reading.sum >= 0 for reading in histogram.read().values())

    reader = threading.Thread(target=read)
    reader.start()
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        for number in range(300):
            counter.add((f"t{number}",))
            histogram.observe((f"p{number}",), 0.002)
    stop.set()
    reader.join()
    assert totals == sorted(totals)
    assert sum(counter.read().values()) == sum(reading.count for reading in histogram.read().values())


def test_an_observation_costs_a_fraction_of_an_opentelemetry_instrument() -> None:
    """The reason why these exist: at least three times cheaper in the same run, histogram and counter."""
    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("bench")
    theirs, ours = meter.create_histogram("h"), Histogram(names.STAGE_DURATION)
    their_counter, our_counter = meter.create_counter("c"), Counter(names.RULINGS)
    slow = _best(lambda: theirs.record(0.1, {"stage": "engine"}))
    quick = _best(lambda: ours.observe(("engine",), 0.1))
    assert slow / quick >= 3
    slow = _best(lambda: their_counter.add(1, {"route": "a", "decision": "allow"}))
    quick = _best(lambda: our_counter.add(("a", "allow")))
    assert slow / quick >= 3


def _best(call: Callable[[], None]) -> float:
    return min(repeat(call, number=2000, repeat=7))


def test_a_gauge_has_so_many_series_and_no_more() -> None:
    """The values of several can't be one, as sums can: a lag that nobody ends would be told for ever."""
    gauge = Gauge(names.LAG)
    for number in range(MAX_SERIES + 2):
        gauge.set(("chat", str(number)), number)
    assert len(gauge.read()) == MAX_SERIES
    assert (OTHER, OTHER) not in gauge.read()
    gauge.set(("chat", "7"), 70)
    assert gauge.read()["chat", "7"] == 70
    gauge.drop("chat")
    gauge.set(("chat", str(MAX_SERIES + 1)), 1)
    assert gauge.read() == {("chat", str(MAX_SERIES + 1)): 1}
