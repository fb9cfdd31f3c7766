"""Leases that are about to leave, and until when their work is waited for. A state machine without I/O or clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stream_guard.records import Lease


class Departure(NamedTuple):
    """Leases that may go now, and whether all their work was done."""

    leases: tuple[Lease, ...]
    drained: bool


class _Waiting(NamedTuple):
    leases: tuple[Lease, ...]
    until: float


class Departures:
    """Each revocation by itself, in order. `until` and `now` are of the same clock, in seconds."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def begin(self, leases: tuple[Lease, ...], until: float) -> None:
        """These leases are to leave: once their work is done, at that time at the latest."""
        self._waiting.append(_Waiting(leases, until))

    def due(self, now: float, drained: Callable[[Sequence[Lease]], bool]) -> list[Departure]:
        """Takes out those that may go now."""
        if not self._waiting:
            return []
        waiting, self._waiting, due = self._waiting, [], []
        for each in waiting:
            if (done := drained(each.leases)) or now >= each.until:
                due.append(Departure(each.leases, done))
            else:
                self._waiting.append(each)
        return due
