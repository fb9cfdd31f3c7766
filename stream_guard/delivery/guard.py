"""Keeps a bad deploy from draining a topic into the dead letters. A state machine without I/O or clock.

A mapping that fits no record, a policy whose replies nobody can parse: each record would be dead-lettered correctly, one after
the other, and all of it would have to be redriven. Past a limit it is better to stop and ask.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from stream_guard.records import Lease


class GuardBounds(Struct, frozen=True):
    """How many dead letters are too many, for each partition. A limit that is None is off.

    `max_consecutive` records in a row, or more than `max_ratio` (between 0 and 1) of the last `over` records.
    """

    max_consecutive: int | None = 200
    max_ratio: float | None = 0.5
    over: int = 1_000


class Trip(NamedTuple):
    """Why a partition is stopped: of the last `records`, so many were dead-lettered, most often for `reason`."""

    dead_letters: int
    records: int
    reason: str
    reason_count: int
    consecutive: bool
    """Whether it is for as many in a row; else for their share."""


class Guard:
    """Counts by lease, so a partition that comes back is counted anew. Ignored records count for nothing."""

    def __init__(self, bounds: GuardBounds) -> None:
        self._bounds = bounds
        self._tallies: dict[Lease, _Tally] = {}
        self.tripped: set[Lease] = set()
        """Of these, no further record may be opened."""

    def count(self, lease: Lease, reason: str | None) -> Trip | None:
        """One more record of a lease was decided: dead-lettered, whole or in part, for a reason, or not.

        Returns why its partition is to be stopped, once: what was in flight then is counted no more.
        """
        if lease in self.tripped:
            return None
        tally = self._tallies.get(lease)
        if tally is None:
            if reason is None and self._bounds.max_ratio is None:
                return None
            tally = self._tallies[lease] = _Tally(self._bounds.over)
        tally.add(reason)
        if reason is None or (trip := tally.trip(self._bounds)) is None:
            return None
        self.tripped.add(lease)
        del self._tallies[lease]
        return trip

    def forget(self, leases: Iterable[Lease]) -> None:
        """Leases end."""
        for lease in leases:
            self._tallies.pop(lease, None)
            self.tripped.discard(lease)


class _Tally:
    """The last records of a lease, in the order in which they were decided: why each was dead-lettered, or None."""

    __slots__ = ("_bad", "_in_a_row", "_last", "_over")

    def __init__(self, over: int) -> None:
        self._over = over
        self._last: deque[str | None] = deque(maxlen=over)
        self._bad = 0
        self._in_a_row: Counter[str] = Counter()
        """The reasons of the dead letters since the last record that was none: there may be more of them than `over`."""

    def add(self, reason: str | None) -> None:
        last = self._last
        if len(last) == self._over and last[0] is not None:
            self._bad -= 1
        last.append(reason)
        if reason is None:
            if self._in_a_row:
                self._in_a_row.clear()
        else:
            self._bad += 1
            self._in_a_row[reason] += 1

    def trip(self, bounds: GuardBounds) -> Trip | None:
        in_a_row = self._in_a_row.total()
        if bounds.max_consecutive is not None and in_a_row >= bounds.max_consecutive:
            return Trip(in_a_row, in_a_row, *self._in_a_row.most_common(1)[0], consecutive=True)
        full = len(self._last) == self._over
        if full and bounds.max_ratio is not None and self._bad > bounds.max_ratio * self._over:
            reasons = Counter(reason for reason in self._last if reason is not None)
            return Trip(self._bad, self._over, *reasons.most_common(1)[0], consecutive=False)
        return None
