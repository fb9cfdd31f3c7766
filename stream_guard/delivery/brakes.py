"""Which partitions are not to be read on for now. A state machine without I/O: it is told the time.

Three reasons, kept apart: a lease that is halted (`halts.py` says why); one whose oldest record is stuck while it was read far ahead;
and one that fills more than its share of a window that has hardly room for the others. The last two have wide gaps between
on and off, and are looked at a few times a second: a pause is dear (`Source.pause`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from stream_guard.delivery.ledger import Ledger
from stream_guard.delivery.window import Window
from stream_guard.records import Lease


class BrakeBounds(Struct, frozen=True):
    """When a lease is held back. Shares and levels are parts of the window, in records or in bytes, whichever is fuller.

    `lead` is in offsets, from the oldest record that is not settled to the newest that was read; reading goes on at half of it.
    """

    lead: int = 10_000
    crowded: float = 0.75
    """How full the window is before anybody is held back for others."""
    roomy: float = 0.5
    """How full it is when nobody is any more."""
    over: float = 1.5
    """How many fair shares a lease may hold when it is crowded. A fair share is the window by the leases that are held, also those
    of which nothing was read yet: their first record must not wait for the end of another's backlog."""
    under: float = 0.75
    """How many it holds when it is read again."""
    rest_s: float = 1.0
    """How long a lease that was held back for others is then read, at least."""
    look_s: float = 0.1
    """How often lead and shares are looked at."""


class Change(NamedTuple):
    """What the source is to be told, if anything."""

    pause: Sequence[Lease] = ()
    resume: Sequence[Lease] = ()


_NOTHING = Change()


class Brakes:
    """Knows what is paused, and says what is to change."""

    def __init__(self, bounds: BrakeBounds) -> None:
        self._bounds = bounds
        self._halted: set[Lease] = set()
        self._ahead: set[Lease] = set()
        self._greedy: set[Lease] = set()
        self._resumed_at: dict[Lease, float] = {}
        self._paused: frozenset[Lease] = frozenset()
        self._look_at = 0.0
        self._changed = False

    def halt(self, lease: Lease) -> None:
        """Nothing more is to be read of it, whatever else holds."""
        self._halted.add(lease)
        self._changed = True

    def release(self, lease: Lease) -> None:
        """It is halted no more."""
        self._halted.discard(lease)
        self._changed = True

    def forget(self, leases: Iterable[Lease]) -> None:
        """Leases ended, and their pauses with them."""
        gone = frozenset(leases)
        for leases_of in (self._halted, self._ahead, self._greedy):
            leases_of.difference_update(gone)
        self._paused -= gone
        for lease in gone:
            self._resumed_at.pop(lease, None)

    def step(self, now: float, window: Window, ledgers: Iterable[Ledger[Any]]) -> Change:
        """What is to be paused and resumed now. Costs nothing where nothing is due. `now` in seconds."""
        due = now >= self._look_at
        if not due and not self._changed:
            return _NOTHING
        if due:
            self._look_at = now + self._bounds.look_s
            self._look(now, window, list(ledgers))
        self._changed = False
        paused = frozenset(self._halted | self._ahead | self._greedy)
        before, self._paused = self._paused, paused
        return Change(sorted(paused - before), sorted(before - paused)) if paused != before else _NOTHING

    def _look(self, now: float, window: Window, ledgers: Sequence[Ledger[Any]]) -> None:
        full = window.fullness(window.records, window.bytes)
        contested, roomy = full > self._bounds.crowded and len(ledgers) > 1, full < self._bounds.roomy
        share = 1 / max(len(ledgers), 1)
        for ledger in ledgers:
            self._look_ahead(ledger)
            lease, shares = ledger.lease, window.fullness(len(ledger), ledger.bytes) / share
            if lease in self._greedy:
                if roomy or shares < self._bounds.under:
                    self._greedy.discard(lease)
                    self._resumed_at[lease] = now
            elif contested and len(ledger) > 1 and shares > self._bounds.over and self._rested(lease, now):
                self._greedy.add(lease)

    def _look_ahead(self, ledger: Ledger[Any]) -> None:
        lead, bound = ledger.lead, self._bounds.lead
        if lead > bound:
            self._ahead.add(ledger.lease)
        elif lead <= bound // 2:
            self._ahead.discard(ledger.lease)

    def _rested(self, lease: Lease, now: float) -> bool:
        return now >= self._resumed_at.get(lease, 0.0) + self._bounds.rest_s
