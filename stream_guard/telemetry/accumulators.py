"""Counters, gauges and histograms that cost a fraction of a microsecond.

An OpenTelemetry instrument costs about 6 us a call, a third of what a record may cost altogether. These are plain
dictionaries, written by the loop's thread alone and read by export threads. A reader takes `dict.copy()` (and
`list.copy()`): one call into C that runs no Python code (keys are tuples of `str`, whose stored hashes are reused), and so
one step for every other thread. Between a histogram's two steps a reader may see an observation in its bucket and not
yet in the sum; the next reading has both. The count is the sum of the buckets, so that it always agrees with them.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from stream_guard.telemetry.vocabulary import OTHER, Metric

Key: TypeAlias = tuple[str, ...]
"""The values of a metric's attributes, in their order."""

MAX_SERIES = 2000
"""Series of one metric at most; further ones of a sum fall together into one whose values all read `other`."""


class Exemplar(NamedTuple):
    """One observation that stands for its bucket: whose trace shows what took so long. `at` is Unix time in seconds."""

    traceparent: str
    value: float
    at: float

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return self.traceparent[36:52]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram's reading: the count in each bucket (the last one is +Inf's), and the sum of what was observed.

    `exemplars` has, by the number of its bucket, the latest observation of a record that was traced.
    """

    counts: tuple[int, ...]
    sum: float
    exemplars: Mapping[int, Exemplar] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self.counts)

    def since(self, earlier: Distribution) -> Distribution:
        """What came since an earlier reading."""
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        told = earlier.exemplars
        fresh = {bucket: found for bucket, found in self.exemplars.items() if told.get(bucket) is not found}
        return Distribution(counts, self.sum - earlier.sum, fresh)


class _Series:
    """The series of one metric. Values are cleaned when a series begins, not at every observation."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def _admit(self, key: Key, known: int) -> Key:
        return self._clean(key) if known < MAX_SERIES else (OTHER,) * len(key)

    def _clean(self, key: Key) -> Key:
        return tuple(a.clean(value) for a, value in zip(self.metric.attributes, key, strict=True))


class Counter(_Series):
    """Sums that only grow."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self._sums: dict[Key, float] = {}

    def add(self, key: Key, amount: float = 1) -> None:
        """Adds to one series."""
        try:
            self._sums[key] += amount
        except KeyError:
            key = self._admit(key, len(self._sums))
            self._sums[key] = self._sums.get(key, 0) + amount

    def read(self) -> dict[Key, float]:
        """Every series. From any thread."""
        return self._sums.copy()


class Gauge(_Series):
    """Values that go up and down."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self._values: dict[Key, float] = {}

    def set(self, key: Key, value: float) -> None:
        """Sets one series. Beyond MAX_SERIES there are no more: values of several can't be one, as sums can."""
        if key not in self._values:
            key = self._clean(key)
            if key not in self._values and len(self._values) >= MAX_SERIES:
                return
        self._values[key] = value

    def drop(self, *first: str) -> None:
        """Ends the series whose first attributes have these values."""
        for key in [key for key in self._values if key[: len(first)] == first]:
            del self._values[key]

    def keep(self, keys: Iterable[Key]) -> None:
        """Ends all series but these."""
        kept = {self._clean(key) for key in keys}
        for key in [key for key in self._values if key not in kept]:
            del self._values[key]

    def read(self) -> dict[Key, float]:
        """Every series. From any thread."""
        return self._values.copy()


class Histogram(_Series):
    """Distributions over the metric's buckets; a bound belongs to the bucket below it."""

    def __init__(self, metric: Metric, wall: Callable[[], float] = time.time) -> None:
        super().__init__(metric)
        self._wall = wall
        self._bounds = metric.buckets
        self._cells: dict[Key, list[float]] = {}
        """The count of each bucket, then the sum."""
        self._exemplars: dict[Key, dict[int, Exemplar]] = {}

    def observe(self, key: Key, value: float, traceparent: str | None = None) -> None:
        """Adds one observation. What is negative (clocks that disagree) or no number counts as 0.

        A `traceparent` makes it the exemplar of its bucket; without one nothing more is done than before.
        """
        if not value >= 0.0:
            value = 0.0
        try:
            cell = self._cells[key]
        except KeyError:
            key = self._admit(key, len(self._cells))
            cell = self._open(key)
        bucket = bisect_left(self._bounds, value)
        cell[bucket] += 1
        cell[-1] += value
        if traceparent is not None:
            self._exemplars.setdefault(key, {})[bucket] = Exemplar(traceparent, value, self._wall())

    def read(self) -> dict[Key, Distribution]:
        """Every series. From any thread."""
        return {key: self._distribution(key, cell.copy()) for key, cell in self._cells.copy().items()}

    def _open(self, key: Key) -> list[float]:
        return self._cells.setdefault(key, [0] * (len(self._bounds) + 1) + [0.0])

    def _distribution(self, key: Key, cell: list[float]) -> Distribution:
        exemplars = self._exemplars.get(key)
        return Distribution(
            tuple(int(count) for count in cell[:-1]), cell[-1], {} if exemplars is None else exemplars.copy()
        )
