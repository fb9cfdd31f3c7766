"""Which records of an assignment are settled, and so which offset may be committed.

The rule that everything else leans on: a record is opened before anything is done with it, it is settled when
everything derived from it was acknowledged, and the committable offset never passes a record that is open.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from stream_guard.errors import InvariantViolated
from stream_guard.records import Lease

T = TypeVar("T")


class Ledger(Generic[T]):
    """One lease's records: what is open, in the order of their offsets, and how far everything is settled."""

    __slots__ = ("_highest", "_open", "bytes", "lease")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.bytes = 0
        """Of what is open."""
        self._open: OrderedDict[int, T] = OrderedDict()
        self._highest = -1

    def open(self, offset: int, item: T, weight: int = 0) -> None:
        """Enters a record, `weight` in bytes. Raises InvariantViolated where offsets don't rise."""
        if offset <= self._highest:
            raise InvariantViolated(f"{self.lease}: offset {offset} read after {self._highest}")
        self._highest = offset
        self._open[offset] = item
        self.bytes += weight

    def settle(self, offset: int, weight: int = 0) -> None:
        """Strikes a record, of the weight that it was opened with. Raises InvariantViolated where it is not open."""
        if self._open.pop(offset, None) is None:
            raise InvariantViolated(f"{self.lease}: offset {offset} settled but not open")
        self.bytes -= weight

    @property
    def committable(self) -> int | None:
        """The offset below which every record is settled; None where none was read yet."""
        if self._open:
            return next(iter(self._open))
        return self._highest + 1 if self._highest >= 0 else None

    @property
    def lead(self) -> int:
        """Offsets from the oldest open record to the newest that was read; 0 where nothing is open."""
        return self._highest + 1 - next(iter(self._open)) if self._open else 0

    @property
    def oldest(self) -> T | None:
        """The open record with the lowest offset."""
        return next(iter(self._open.values())) if self._open else None

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)


class Ledgers(Generic[T]):
    """The ledgers of all leases that this process holds; a new one at every assignment."""

    def __init__(self) -> None:
        self._held: dict[Lease, Ledger[T]] = {}
        self._closing: set[Lease] = set()
        self._moved: set[Lease] = set()

    def assign(self, leases: Iterable[Lease]) -> None:
        """Begins a ledger for each lease. Raises InvariantViolated where one was held already."""
        for lease in leases:
            if lease in self._held:
                raise InvariantViolated(f"{lease} assigned twice")
            self._held[lease] = Ledger(lease)

    def admits(self, lease: Lease) -> bool:
        """Whether records of this lease may be opened: it is held and not about to leave."""
        return lease in self._held and lease not in self._closing

    def holds(self, lease: Lease) -> bool:
        """Whether this lease is held: what is derived from its records still counts."""
        return lease in self._held

    def open(self, lease: Lease, offset: int, item: T, weight: int = 0) -> None:
        """Enters a record of a lease that admits, `weight` in bytes."""
        self._held[lease].open(offset, item, weight)

    def settle(self, lease: Lease, offset: int, weight: int = 0) -> bool:
        """Strikes a record. False where its lease is no longer held: the acknowledgement came too late and counts nowhere."""
        ledger = self._held.get(lease)
        if ledger is None:
            return False
        ledger.settle(offset, weight)
        self._moved.add(lease)
        return True

    def closing(self, leases: Iterable[Lease]) -> None:
        """From now on nothing is opened for these leases; what is open may still settle."""
        self._closing.update(lease for lease in leases if lease in self._held)

    def close(self, leases: Iterable[Lease]) -> list[T]:
        """Ends leases. Returns what was still open: it is settled by whoever reads it next."""
        left: list[T] = []
        for lease in leases:
            ledger = self._held.pop(lease, None)
            self._closing.discard(lease)
            self._moved.discard(lease)
            left.extend(ledger or ())
        return left

    def take_committable(self) -> dict[Lease, int]:
        """The committable offsets of the leases in which something settled since the last call."""
        moved, self._moved = self._moved, set()
        return self.committable(moved)

    def committable(self, leases: Iterable[Lease]) -> dict[Lease, int]:
        """The committable offset of each of these leases from which anything was read."""
        offsets = ((lease, self._held[lease].committable) for lease in leases if lease in self._held)
        return {lease: offset for lease, offset in offsets if offset is not None}

    def drained(self, leases: Iterable[Lease] | None = None) -> bool:
        """Whether nothing is open in these leases (in any, without them)."""
        held = self._held.values() if leases is None else (self._held.get(lease) for lease in leases)
        return not any(held)

    def __len__(self) -> int:
        """How many leases are held."""
        return len(self._held)

    def __iter__(self) -> Iterator[Ledger[T]]:
        return iter(tuple(self._held.values()))
