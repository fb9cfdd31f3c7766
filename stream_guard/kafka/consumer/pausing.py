"""What the client is not to fetch: all that is read, for want of credit, or single leases that the pipeline holds back.

In the poll thread. The client is told of a change once and of nothing that stands already: each call throws away what was
fetched ahead and starts a fetch anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Position

from stream_guard.kafka.consumer.holdings import Holdings
from stream_guard.records import Lease


class Pausing:
    """Keeps the two reasons apart, so that the end of one does not end the other. A halted partition is neither's business."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self.everything = False
        """Whether all that is read is paused, and newly assigned partitions are to be."""
        self._held_back: set[Lease] = set()

    def pause_everything(self, consumer: Consumer, paused: bool) -> None:
        """For want of credit, or no longer. A lease that is held back stays so."""
        self.everything = paused
        free = [lease for lease in self._holdings.reading.values() if lease not in self._held_back]
        (consumer.pause if paused else consumer.resume)(_positions(free))

    def hold_back(self, consumer: Consumer, orders: Mapping[Lease, bool]) -> None:
        """Leases to pause (True) or to resume (False). What is not held any more is left alone."""
        if not orders:
            return
        held = {lease: paused for lease, paused in orders.items() if self._holdings.holds(lease)}
        paused = {lease for lease, pause in held.items() if pause} - self._held_back
        resumed = {lease for lease, pause in held.items() if not pause} & self._held_back
        self._held_back = (self._held_back | paused) - resumed
        if self.everything:
            return
        if paused := paused & self._reading():
            consumer.pause(_positions(paused))
        if resumed := resumed & self._reading():
            consumer.resume(_positions(resumed))

    def holds_back(self, lease: Lease) -> bool:
        """Whether a lease is held back by itself."""
        return lease in self._held_back

    def let_go(self, consumer: Consumer, leases: Iterable[Lease]) -> None:
        """Leases are about to end, and with them their pause.

        Before they are unassigned: the client keeps a pause beyond an assignment, and to end it right after the next one can
        make it forget where to begin (librdkafka #2190, #5591).
        """
        ended = self._held_back.intersection(leases)
        self._held_back -= ended
        if ended and not self.everything:
            consumer.resume(_positions(ended))

    def forget(self, leases: Iterable[Lease]) -> None:
        """Leases ended together with their consumer."""
        self._held_back.difference_update(leases)

    def _reading(self) -> set[Lease]:
        return set(self._holdings.reading.values())


def _positions(leases: Iterable[Lease]) -> list[Position]:
    return [Position(lease.topic, lease.partition) for lease in leases]
