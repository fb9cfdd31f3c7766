"""Counters, gauges and histograms that cost a fraction of a microsecond.

An OpenTelemetry instrument costs about 6 us a call, a third of what a record may cost altogether. These are plain
dictionaries, written by the loop's thread alone and read by export threads. A reader takes `dict.copy()` (and
`list.copy()`): one call into C that runs no Python code (keys are tuples of `str`, whose stored hashes are reused), and so
one step for every other thread. Between a histogram's two steps a reader may see an observation in its bucket and not
yet in the sum; the next reading has both. The count is the sum of the buckets, so that it always agrees with them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TypeAlias

from stream_guard.telemetry.names import OTHER, Metric

Key: TypeAlias = tuple[str, ...]
"""The values of a metric's attributes, in their order."""

MAX_SERIES = 2000
"""Series of one metric at most; further ones fall together into one whose values all read `other`."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram's reading: the count in each bucket (the last one is +Inf's), and the sum of what was observed."""

    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self.counts)

    def since(self, earlier: Distribution) -> Distribution:
        """What came since an earlier reading."""
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return Distribution(counts, self.sum - earlier.sum)


class _Series:
    """The series of one metric. Values are cleaned when a series begins, not at every observation."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def _admit(self, key: Key, known: int) -> Key:
        clean = tuple(a.clean(value) for a, value in zip(self.metric.attributes, key, strict=True))
        return clean if known < MAX_SERIES else (OTHER,) * len(clean)


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
        """Sets one series."""
        if key not in self._values:
            key = self._admit(key, len(self._values))
        self._values[key] = value

    def drop(self, *first: str) -> None:
        """Ends the series whose first attributes have these values."""
        for key in [key for key in self._values if key[: len(first)] == first]:
            del self._values[key]

    def read(self) -> dict[Key, float]:
        """Every series. From any thread."""
        return self._values.copy()


class Histogram(_Series):
    """Distributions over the metric's buckets; a bound belongs to the bucket below it."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        self._bounds = metric.buckets
        self._cells: dict[Key, list[float]] = {}
        """The count of each bucket, then the sum."""

    def observe(self, key: Key, value: float) -> None:
        """Adds one observation. What is negative (clocks that disagree) or no number counts as 0."""
        if not value >= 0.0:
            value = 0.0
        try:
            cell = self._cells[key]
        except KeyError:
            cell = self._open(key)
        cell[bisect_left(self._bounds, value)] += 1
        cell[-1] += value

    def read(self) -> dict[Key, Distribution]:
        """Every series. From any thread."""
        return {key: _distribution(cell.copy()) for key, cell in self._cells.copy().items()}

    def _open(self, key: Key) -> list[float]:
        return self._cells.setdefault(self._admit(key, len(self._cells)), [0] * (len(self._bounds) + 1) + [0.0])


def _distribution(cell: list[float]) -> Distribution:
    return Distribution(tuple(int(count) for count in cell[:-1]), cell[-1])
