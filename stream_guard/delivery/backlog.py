"""What of a partition is not settled, read or not: how many records, and how old the oldest of them is.

Of a record that was read its timestamp is known. Of what was not read (intake waits, the partition is halted, it just came) these are:

| known | so the oldest was written |
|---|---|
| when the record was written at which the lease began: the cluster was asked | about then, or later where something was settled since |
| that the log ended no further than what is settled now, when the cluster was asked | after that |
| the timestamp of a record that was in flight before it | not before that, where producers' clocks agree |

The latest of the moments counts, so the age that is told is the highest that it can be. Where nothing is known, it counts from when the
backlog was first seen. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from stream_guard.delivery.ledger import Ledger
from stream_guard.records import Extent, Lease


class Standing(NamedTuple):
    """How a partition stands."""

    records: int
    lag_s: float


class _Look(NamedTuple):
    """Where the log ended, and when it first and last did."""

    end: int
    first_at: float
    last_at: float


class Backlog:
    """What is known of one lease besides its ledger. Times are Unix time in seconds."""

    __slots__ = ("_begin", "_begin_at", "_beyond", "_end", "_ended", "_reached", "_seen_at")

    def __init__(self) -> None:
        self._end: int | None = None
        self._begin: int | None = None
        self._begin_at: float | None = None
        self._ended = 0
        """Below it there is no record that was not handed over."""
        self._reached: float | None = None
        """When the log was last known to end no further than what is settled."""
        self._beyond: _Look | None = None
        """The first look since then at which it ended further."""
        self._seen_at: float | None = None
        """The timestamp of the oldest record that was in flight when one last was."""

    def extends(self, extent: Extent, asked_at: float) -> None:
        """The cluster was asked how far it reaches."""
        self._end = extent.end
        if extent.begin is not None:
            self._begin = extent.begin
        if extent.begin_ms is not None:
            self._begin_at = extent.begin_ms / 1000
        beyond = self._beyond
        if beyond is None or extent.end < beyond.end:
            self._beyond = _Look(extent.end, asked_at, asked_at)
        elif extent.end == beyond.end:
            self._beyond = beyond._replace(last_at=asked_at)

    def ended(self, offset: int) -> None:
        """It was read so far, and all that was there was opened."""
        self._ended = max(self._ended, offset)

    def standing(self, ledger: Ledger[Any], oldest_ms: int | None, wall: float) -> Standing | None:
        """How it stands; `oldest_ms` is since when the oldest open record waits. None where nothing was read yet and
        nothing is known of the rest: that is no backlog of 0.
        """
        settled = self._settled(ledger)
        self._note(settled, oldest_ms, wall)
        if settled is None and self._end is None and not len(ledger):
            return None
        unread = 0 if settled is None or self._end is None else max(self._end - settled, 0)
        if ledger.oldest is not None:
            return Standing(max(unread, len(ledger)), _age(wall, None if oldest_ms is None else oldest_ms / 1000))
        return Standing(unread, _age(wall, self._written_at()) if unread else 0.0)

    def _settled(self, ledger: Ledger[Any]) -> int | None:
        """The offset below which nothing is left to be done."""
        settled = self._begin if ledger.committable is None else ledger.committable
        if len(ledger) or (settled is None and not self._ended):
            return settled
        return max(settled or 0, self._ended)

    def _note(self, settled: int | None, oldest_ms: int | None, wall: float) -> None:
        beyond = self._beyond
        if beyond is not None and settled is not None and beyond.end <= settled:
            self._reached, self._beyond = beyond.last_at, None
        if oldest_ms is not None and oldest_ms / 1000 <= wall:  # a producer may write any number
            self._seen_at = oldest_ms / 1000

    def _written_at(self) -> float | None:
        """The latest moment before which the first record that was not read can't have been written."""
        bounds = [at for at in (self._begin_at, self._reached, self._seen_at) if at is not None]
        if bounds:
            return max(bounds)
        return None if self._beyond is None else self._beyond.first_at


class Backlogs:
    """The backlogs of all leases that this process holds."""

    def __init__(self) -> None:
        self._of: dict[Lease, Backlog] = {}

    def assign(self, leases: Iterable[Lease]) -> None:
        """Begins with nothing known."""
        for lease in leases:
            self._of[lease] = Backlog()

    def forget(self, leases: Iterable[Lease]) -> None:
        """They are not held any more."""
        for lease in leases:
            self._of.pop(lease, None)

    def extend(self, extents: Mapping[Lease, Extent], asked_at: float) -> None:
        """The cluster was asked how far partitions reach. What it says of leases that are gone counts nowhere."""
        for lease, extent in extents.items():
            if (backlog := self._of.get(lease)) is not None:
                backlog.extends(extent, asked_at)

    def end(self, lease: Lease, offset: int) -> None:
        """A lease was read so far, and all that was there was opened."""
        if (backlog := self._of.get(lease)) is not None:
            backlog.ended(offset)

    def standing(self, ledger: Ledger[Any], oldest_ms: int | None, wall: float) -> Standing | None:
        """How the lease of this ledger stands: see `Backlog`."""
        return self._of[ledger.lease].standing(ledger, oldest_ms, wall)


def _age(wall: float, since: float | None) -> float:
    return 0.0 if since is None else max(wall - since, 0.0)
