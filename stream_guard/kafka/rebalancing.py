"""What happens when partitions come and go. Called by the client from within a poll, so in the poll thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaException
from confluent_kafka import TopicPartition as Position

from stream_guard.kafka.faults import describe
from stream_guard.kafka.holdings import Holdings
from stream_guard.kafka.mailbox import Mailbox
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Assigned, Lease, Lost, TopicPartition

AssignHook: TypeAlias = Callable[[Collection[str]], None]


class Rebalancing:
    """Keeps the holdings in step with the group. `on_topics` is called with an assignment's topics before it is told."""

    def __init__(self, settings: KafkaSettings, mailbox: Mailbox, log: Log, on_topics: AssignHook) -> None:
        self.holdings = Holdings()
        self.paused = False
        """Whether newly assigned partitions are to be paused as well."""
        self.leaving_group = False
        """Whether the pipeline has settled already what it could: a revocation then waits for nobody."""
        self._settings = settings
        self._mailbox = mailbox
        self._log = log
        self._on_topics = on_topics
        self._undecided: set[Lease] = set()

    def on_assign(self, consumer: Consumer, positions: list[Position]) -> None:
        """1. Where each begins. 2. Assign. 3. Stay paused. 4. Learn the topics' ids. 5. Tell."""
        leases = self.holdings.assign(_partitions(positions))
        begin = self._beginnings(consumer, positions, leases) if positions else []
        if self._settings.eager:
            consumer.assign(begin)
        else:
            consumer.incremental_assign(begin)
        if self.paused and positions:
            consumer.pause(positions)
        if leases:
            self._on_topics({lease.topic for lease in leases})
            self._mailbox.post(Assigned(leases))

    def on_revoke(self, consumer: Consumer, positions: list[Position]) -> None:
        """1. Let the pipeline drain. 2. Store what it settled. 3. Fence. 4. Let go, which commits what is stored."""
        leases = self.holdings.of(_partitions(positions))
        final: dict[Lease, int] = {}
        if leases and not self.leaving_group:
            final = self._mailbox.hand_over(leases, self._settings.drain_s)
        self.store(consumer, self._mailbox.take_stores())
        self.store(consumer, final)
        self._let_go(consumer, positions, leases)

    def on_lost(self, consumer: Consumer, positions: list[Position]) -> None:
        """Another member may own them already: fence, store nothing."""
        leases = self.holdings.of(_partitions(positions))
        self._let_go(consumer, positions, leases)
        if leases:
            self._mailbox.post(Lost(leases))

    def store(self, consumer: Consumer, offsets: Mapping[Lease, int]) -> None:
        """Marks offsets for the next auto-commit; only of leases that are held, so that none rewinds another's."""
        held = [Position(at.topic, at.partition, offset) for at, offset in offsets.items() if self.holdings.holds(at)]
        if not held:
            return
        try:
            consumer.store_offsets(offsets=held)
        except KafkaException as error:
            # The client may know before us that a partition is gone; the others' offsets are stored all the same.
            self._log("kafka.store_refused", reason=describe(error.args[0]), partitions=len(held))

    def begin_late(self, consumer: Consumer, lease: Lease) -> bool:
        """Decides where a partition begins of which that could not be learned when it was assigned.

        Returns False where there is nothing to decide: its position really is out of range.
        """
        if lease not in self._undecided or self._settings.eager:
            return False
        self._undecided.discard(lease)
        where = Position(lease.topic, lease.partition)
        (committed,) = consumer.committed([where], timeout=self._settings.timeout_s / 2)
        if committed.offset != OFFSET_INVALID:
            return False
        # Not a seek: the client refuses one where a partition has no position.
        consumer.incremental_unassign([where])
        consumer.incremental_assign([Position(lease.topic, lease.partition, OFFSET_BEGINNING)])
        return True

    def _beginnings(self, consumer: Consumer, positions: list[Position], leases: tuple[Lease, ...]) -> list[Position]:
        """A partition without a committed offset was added after the group attached: it begins at its beginning."""
        try:
            committed = consumer.committed(positions, timeout=self._settings.timeout_s / 2)
        except KafkaException as error:
            self._log("kafka.committed_unknown", reason=describe(error.args[0]), partitions=len(positions))
            self._undecided.update(leases)
            return positions
        new = [p for p in committed if p.error is None and p.offset == OFFSET_INVALID]
        for position in new:
            position.offset = OFFSET_BEGINNING
        known = {(p.topic, p.partition) for p in new}
        return new + [p for p in positions if (p.topic, p.partition) not in known]

    def _let_go(self, consumer: Consumer, positions: list[Position], leases: tuple[Lease, ...]) -> None:
        self.holdings.drop(leases)
        self._undecided.difference_update(leases)
        if self._settings.eager:
            consumer.unassign()
        else:
            consumer.incremental_unassign(positions)


def _partitions(positions: list[Position]) -> list[TopicPartition]:
    return [TopicPartition(p.topic, p.partition) for p in positions]
