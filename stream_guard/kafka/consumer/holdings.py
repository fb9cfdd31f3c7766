"""The leases that this process holds. One thread's own; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from stream_guard.records import Lease, TopicPartition


class Holdings:
    """Which partitions are held under which epoch, and which of them are read."""

    def __init__(self) -> None:
        self.reading: dict[tuple[str, int], Lease] = {}
        """The leases whose records are passed on: what is held and not halted."""
        self._held: dict[tuple[str, int], Lease] = {}
        self._epochs = count(1)

    def assign(self, partitions: Iterable[TopicPartition], topic_id: Callable[[str], str | None]) -> tuple[Lease, ...]:
        """A new lease for each, with an epoch that was never used before and the id of its topic."""
        leases = tuple(Lease(topic, partition, next(self._epochs), topic_id(topic)) for topic, partition in partitions)
        for lease in leases:
            self.reading[lease.topic, lease.partition] = self._held[lease.topic, lease.partition] = lease
        return leases

    def of(self, partitions: Iterable[TopicPartition]) -> tuple[Lease, ...]:
        """The leases of those that are held."""
        return tuple(self._held[p] for p in partitions if p in self._held)

    def all(self) -> tuple[Lease, ...]:
        """All leases that are held."""
        return tuple(self._held.values())

    def drop(self, leases: Iterable[Lease]) -> None:
        """They are not ours any more."""
        for lease in leases:
            self.reading.pop((lease.topic, lease.partition), None)
            self._held.pop((lease.topic, lease.partition), None)

    def halt(self, partition: TopicPartition) -> Lease | None:
        """Nothing more of it is passed on, what was can still be stored. None where it is not read anyway."""
        return self.reading.pop(partition, None)

    def read_on(self, lease: Lease) -> bool:
        """What is read of it is passed on again. False where it is not held."""
        if not self.holds(lease):
            return False
        self.reading[lease.topic, lease.partition] = lease
        return True

    def holds(self, lease: Lease) -> bool:
        """Whether exactly this lease is held."""
        return self._held.get((lease.topic, lease.partition)) == lease
