"""Which records are the newest of several partitions that are read backwards, a stretch at a time. Pure."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from stream_guard.records import Record

_LEAST = 16
"""Records of a stretch at least: a question to the broker costs more than a few records."""


class _Kept(NamedTuple):
    """A record and its age: the smallest is the first to go."""

    timestamp_ms: int
    from_end: int
    """Its distance from the partition's end, below zero: where timestamps are equal, partitions give the same."""
    partition: int
    offset: int
    record: Record


class Stretch:
    """How far back a partition has been read: the next stretch ends where the last one began."""

    def __init__(self, partition: int, low: int, high: int) -> None:
        self.partition, self.low, self.high = partition, low, high
        self.begin = high
        """The offset from which on everything has been read."""
        self.oldest_ms: int | None = None
        """The age of the first record in the stretch that was read last; None where it held none."""
        self._length = 0

    def further_back(self, share: int) -> tuple[int, int]:
        """The next offsets to read, the end exclusive. Each stretch is twice as long: logs have gaps."""
        self._length = 2 * self._length or share
        end, self.begin = self.begin, max(self.low, self.begin - self._length)
        self.oldest_ms = None
        return self.begin, end

    def saw(self, record: Record) -> None:
        """A record of the stretch, in order."""
        if self.oldest_ms is None:
            self.oldest_ms = _age(record)


class Newest:
    """Keeps the `last` records with the newest timestamps within `max_bytes`, whatever is offered."""

    def __init__(self, last: int, max_bytes: int) -> None:
        self._last, self._max_bytes = last, max_bytes
        self._heap: list[_Kept] = []
        self._bytes = 0
        self.full = False
        """Whether `max_bytes` made a record go."""

    def share(self, partitions: int) -> int:
        """How many records to read of each partition at first."""
        return min(self._last, max(-(-self._last // partitions), _LEAST))

    def wants(self, stretch: Stretch) -> bool:
        """Whether records before those that were read of a partition could be among the newest."""
        if stretch.begin <= stretch.low:
            return False
        if not self.full and len(self._heap) < self._last:
            return True
        # Nothing but gaps so far: what comes before them may be of any age.
        return stretch.oldest_ms is None or stretch.oldest_ms > self._heap[0].timestamp_ms

    def offer(self, record: Record, stretch: Stretch) -> None:
        """A record that was read."""
        stretch.saw(record)
        from_end = record.offset - stretch.high
        heappush(self._heap, _Kept(_age(record), from_end, record.partition, record.offset, record))
        self._bytes += record.size
        while len(self._heap) > 1 and (len(self._heap) > self._last or self._bytes > self._max_bytes):
            self.full = self.full or len(self._heap) <= self._last
            self._bytes -= heappop(self._heap).record.size

    def in_order(self) -> tuple[Record, ...]:
        """By timestamp, then partition and offset; a partition's own order always stands."""
        latest: dict[int, int] = {}
        keyed = []
        for kept in sorted(self._heap, key=lambda each: (each.partition, each.offset)):
            latest[kept.partition] = max(latest.get(kept.partition, 0), kept.timestamp_ms)
            keyed.append((latest[kept.partition], kept.partition, kept.offset, kept.record))
        return tuple(record for *_, record in sorted(keyed, key=lambda each: each[:3]))


def _age(record: Record) -> int:
    """A record without a timestamp is older than any that has one."""
    return record.timestamp_ms or 0
