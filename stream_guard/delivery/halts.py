"""Partitions that are halted: why, until when, and who is told. Others go on; nothing is dropped.

| reason | until |
|---|---|
| `position`: the source can't read on | the partition moves, or the service restarts |
| `dead_letter_not_written` | every dead letter of it is written; they are sent again all the while |
| `too_many_dead_letters`: the guard tripped | the partition moves, or the service restarts; then it is counted anew |

A halt never fails liveness: to load the model again would mend none of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from stream_guard.delivery.brakes import Brakes
from stream_guard.delivery.guard import Guard, Trip
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ledger import Ledger
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.ports import Report, Source
from stream_guard.delivery.window import Window
from stream_guard.events.outcome import Rejection
from stream_guard.records import Lease
from stream_guard.telemetry.port import Telemetry

_FAILURES = 3
"""How often a dead letter may fail for a reason that may pass by itself, a topic or right that is missing included..."""
_TRIED_S = 60.0
"""... and how long that may take: where a partition has no leader, the client alone tries for `delivery.timeout.ms`, 2 minutes."""

_TOLD = 10
"""Partitions that are named at once."""


class HaltReason(StrEnum):
    """Why a partition is halted, as metrics have it."""

    POSITION = "position"
    DEAD_LETTER_NOT_WRITTEN = "dead_letter_not_written"
    TOO_MANY_DEAD_LETTERS = "too_many_dead_letters"


class Halts:
    """Told of what happens to dead letters and partitions; tells the source what to hold back, and the operator why."""

    def __init__(self, source: Source, telemetry: Telemetry, brakes: Brakes, guard: Guard) -> None:
        self._source, self._telemetry = source, telemetry
        self._brakes, self._guard = brakes, guard
        self._why: dict[Lease, set[HaltReason]] = {}
        self._unwritten: dict[Lease, set[Receipt]] = {}
        self.closed: Collection[Lease] = guard.tripped
        """Leases of which no further record may be opened: they are read again once somebody has mended the cause."""

    def __len__(self) -> int:
        """How many leases are halted."""
        return len(self._why)

    def __contains__(self, lease: Lease) -> bool:
        """Whether a lease is halted."""
        return lease in self._why

    def __str__(self) -> str:
        """Which partitions are halted, and why; empty where none is."""
        told = [f"{at.topic}[{at.partition}] ({', '.join(sorted(self._why[at]))})" for at in sorted(self._why)[:_TOLD]]
        more = len(self._why) - len(told)
        return ", ".join([*told, f"and {more} more"] if more else told)

    def step(self, now: float, window: Window, ledgers: Iterable[Ledger[Any]]) -> None:
        """Ends a turn: tells the source which leases to hold back, and which no longer. `now` in seconds."""
        change = self._brakes.step(now, window, ledgers)
        if change.pause:
            self._source.pause(change.pause)
        if change.resume:
            self._source.resume(change.resume)

    def unreadable(self, lease: Lease, why: str) -> None:
        """The source can't read on: it holds the partition by itself."""
        self._halt(lease, HaltReason.POSITION, why)

    def decided(self, hearing: Hearing) -> None:
        """A record got its ruling. A redriven one is not counted: it was in the dead letters before, and drains nothing."""
        record = hearing.record
        redriven = record.origin is not None and record.origin.replays > 0
        if not redriven and (trip := self._guard.count(record.lease, _dead_lettered(hearing))) is not None:
            self._brakes.halt(record.lease)
            self._halt(record.lease, HaltReason.TOO_MANY_DEAD_LETTERS, _words(trip))

    def not_written(self, receipt: Receipt, report: Report) -> None:
        """An output failed, and will be sent again."""
        if receipt.dead_letter is None:
            return
        if report.retriable and receipt.failures < _FAILURES and receipt.tried_s < _TRIED_S:
            return
        lease = receipt.hearing.record.lease
        told = lease in self._unwritten
        self._unwritten.setdefault(lease, set()).add(receipt)
        if not told:
            self._brakes.halt(lease)
            self._halt(
                lease,
                HaltReason.DEAD_LETTER_NOT_WRITTEN,
                f"{report.output.topic} does not take a dead letter ({report.error}): nothing is lost, it is sent again and "
                "again, and the partition goes on by itself once it is written. Let the service write there",
            )

    def written(self, receipt: Receipt) -> None:
        """An output was acknowledged."""
        if receipt.dead_letter is None or not self._unwritten:
            return
        lease = receipt.hearing.record.lease
        unwritten = self._unwritten.get(lease, set())
        unwritten.discard(receipt)
        if lease in self._unwritten and not unwritten:
            del self._unwritten[lease]
            self._end(lease, HaltReason.DEAD_LETTER_NOT_WRITTEN)

    def forget(self, leases: Collection[Lease]) -> None:
        """Leases end, and their halts with them: whoever holds the partitions next finds out anew."""
        self._brakes.forget(leases)
        self._guard.forget(leases)
        for lease in leases:
            self._why.pop(lease, None)
            self._unwritten.pop(lease, None)
            self._telemetry.unassigned(lease.topic, lease.partition)

    def _halt(self, lease: Lease, reason: HaltReason, detail: str) -> None:
        self._why.setdefault(lease, set()).add(reason)
        self._telemetry.halted(lease.topic, lease.partition, reason, detail)

    def _end(self, lease: Lease, reason: HaltReason) -> None:
        why = self._why[lease]
        why.discard(reason)
        if lease not in self._guard.tripped:
            self._brakes.release(lease)
        if not why:
            del self._why[lease]
        self._telemetry.unhalted(lease.topic, lease.partition, reason)


def _dead_lettered(hearing: Hearing) -> str | None:
    """Why a record is in the dead letters, as a whole or for a case; None where it is not."""
    if isinstance(hearing.outcome, Rejection):
        return hearing.outcome.reason
    return hearing.mendable[0][1].reason if hearing.mendable else None


def _words(trip: Trip) -> str:
    of = f"{trip.dead_letters} " + ("records in a row" if trip.consecutive else f"of {trip.records} records")
    limit = "max_consecutive" if trip.consecutive else "max_ratio"
    return (
        f"{of} were dead-lettered, most of them ({trip.reason_count}) for {trip.reason}: nothing more of the partition is "
        "read. If that is the mapping's, the policy's or the deploy's fault, fix it and restart, then redrive what was "
        f"dead-lettered; if the records really are like that, raise dead_letters.{limit} and restart"
    )
