"""What happens when partitions come and go. Called by the client from within a poll, so in the poll thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, OFFSET_INVALID, Consumer, KafkaException
from confluent_kafka import TopicPartition as Position

from stream_guard.kafka.consumer.apart import Apart
from stream_guard.kafka.consumer.holdings import Holdings
from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.pausing import Pausing
from stream_guard.kafka.consumer.rereading import Reread, Rereading
from stream_guard.kafka.faults import describe
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Assigned, Lease, Lost, TopicPartition

AssignHook: TypeAlias = Callable[[Collection[str]], None]


class Rebalancing:
    """Keeps the holdings in step with the group. `on_topics` is called with an assignment's topics before it is told."""

    def __init__(
        self,
        settings: KafkaSettings,
        mailbox: Mailbox,
        log: Log,
        on_topics: AssignHook,
        reread: Reread,
        isolation: Isolation,
        apart: Apart,
    ) -> None:
        self.holdings = Holdings()
        self.rereading = Rereading(reread, log)
        self.pausing = Pausing(self.holdings)
        self.leaving_group = False
        """Whether the pipeline has settled already what it could: a revocation then waits for nobody."""
        self._settings = settings
        self._mailbox = mailbox
        self._log = log
        self._on_topics = on_topics
        self._isolation, self._apart = isolation, apart
        self._undecided: set[Lease] = set()
        self._abandoned: list[Consumer] = []
        self._begun: dict[tuple[str, int], int] = {}
        """Where each partition that is held began."""
        self._committed: dict[tuple[str, int], int] = {}
        """Where each was committed when it came."""

    @property
    def paused(self) -> bool:
        """Whether everything that is read is paused, and newly assigned partitions are to be as well."""
        return self.pausing.everything

    def on_assign(self, consumer: Consumer, positions: list[Position]) -> None:
        """1. Where each begins. 2. Assign. 3. Pause or resume. 4. Learn the topics' ids. 5. Tell."""
        leases = self.holdings.assign(_partitions(positions))
        self._isolation.assigned(leases)
        begin = self._beginnings(consumer, positions, leases) if positions else []
        begin = self._put_apart(begin, leases)
        self._begun.update(((p.topic, p.partition), p.offset) for p in begin)
        if self._settings.eager:
            consumer.assign(begin)
        else:
            consumer.incremental_assign(begin)
        if positions:  # resume as well: a pause outlives the assignment that it was made in
            (consumer.pause if self.paused or self._apart.alone else consumer.resume)(positions)
        if apart := [p for p in begin if (p.topic, p.partition) not in self.holdings.reading]:
            consumer.pause(apart)
        if leases:
            self._on_topics({lease.topic for lease in leases})
            self._mailbox.post(Assigned(leases))

    def on_revoke(self, consumer: Consumer, positions: list[Position]) -> None:
        """1. Let the pipeline drain. 2. Store what it settled. 3. Fence. 4. Let go, which commits what is stored."""
        if consumer in self._abandoned:
            self._unassign(consumer, positions)
            return
        leases = self.holdings.of(_partitions(positions))
        final: dict[Lease, int] = {}
        if leases and not self.leaving_group:
            final = self._mailbox.hand_over(leases, self._settings.drain_s)
        self.store(consumer, self._mailbox.take_stores())
        self.store(consumer, final)
        self._let_go(consumer, positions, leases)

    def on_lost(self, consumer: Consumer, positions: list[Position]) -> None:
        """Another member may own them already: fence, store nothing."""
        if consumer in self._abandoned:
            self._unassign(consumer, positions)
            return
        leases = self.holdings.of(_partitions(positions))
        self._let_go(consumer, positions, leases)
        if leases:
            self._mailbox.post(Lost(leases))

    def abandon(self, consumer: Consumer) -> None:
        """Another consumer takes the place of this one. What it did not give back is lost, and what it says late counts nowhere.

        Else a revocation that comes late would take the leases of its successor.
        """
        self._abandoned.append(consumer)
        if leases := self.holdings.all():
            self._forget(leases)
            self._mailbox.post(Lost(leases))

    def store(self, consumer: Consumer, offsets: Mapping[Lease, int]) -> None:
        """Marks offsets for the next auto-commit; only of leases that are held, so that none rewinds another's."""
        kept = {lease: offset for lease, offset in offsets.items() if self.holdings.holds(lease)}
        held = [Position(at.topic, at.partition, offset) for at, offset in kept.items()]
        if not held:
            return
        self._isolation.stored(kept)
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
        if committed.error is not None:  # not "never committed": to begin at the beginning would judge all again
            raise KafkaException(committed.error)
        if committed.offset != OFFSET_INVALID:
            return False
        # Not a seek: the client refuses one where a partition has no position.
        consumer.incremental_unassign([where])
        consumer.incremental_assign([Position(lease.topic, lease.partition, OFFSET_BEGINNING)])
        return True

    def begin_anew(self, consumer: Consumer, lease: Lease) -> None:
        """Goes to the committed offset of a lease that could not read again what stands before it.

        Under a new lease: what the old one had read must not pass for all that there was.
        """
        committed = self.rereading.end(lease)
        if committed is None or not self.holdings.holds(lease):
            return
        self._log("kafka.reread_failed", topic=lease.topic, partition=lease.partition, committed=committed)
        self.holdings.drop([lease])
        self._isolation.left([lease])
        again = self.holdings.assign([TopicPartition(lease.topic, lease.partition)])
        self._isolation.assigned(again)
        self._move(consumer, Position(lease.topic, lease.partition, committed))
        self._mailbox.post(Lost((lease,)), Assigned(again))

    def read_on(self, consumer: Consumer, lease: Lease, offset: int) -> None:
        """The consumer reads a partition again, which was read apart, from `offset`."""
        if not self.holdings.read_on(lease):
            return
        # Before it moves: a pause that ends right after can make the client forget where to begin.
        if not self.paused and not self.pausing.holds_back(lease):
            consumer.resume([Position(lease.topic, lease.partition)])
        self._move(consumer, Position(lease.topic, lease.partition, offset))

    def began(self, lease: Lease) -> int | None:
        """Where reading of a partition began, None where that was not learned."""
        at = lease.topic, lease.partition
        begun = self._begun.get(at, OFFSET_INVALID)
        return begun if begun >= 0 or begun == OFFSET_BEGINNING else self._committed.get(at)

    def _put_apart(self, positions: list[Position], leases: tuple[Lease, ...]) -> list[Position]:
        """What is suspected is read apart. The consumer stands at the end meanwhile: before a pause is in force, it fetches."""
        for position, lease in zip(positions, leases, strict=True):
            at = lease.topic, lease.partition
            begin = self._committed.get(at) if position.offset == OFFSET_INVALID else position.offset
            if begin is not None and self._apart.suspected(lease, begin):
                self.holdings.halt(TopicPartition(*at))
                position.offset = OFFSET_END
        return positions

    def _beginnings(self, consumer: Consumer, positions: list[Position], leases: tuple[Lease, ...]) -> list[Position]:
        """A partition without a committed offset was added after the group attached: it begins at its beginning.

        One whose records are shown in their context begins before its committed offset.
        """
        try:
            committed = consumer.committed(positions, timeout=self._settings.timeout_s / 2)
        except KafkaException as error:
            self._log("kafka.committed_unknown", reason=describe(error.args[0]), partitions=len(positions))
            self._undecided.update(leases)
            return positions
        deadline = time.monotonic() + self._settings.timeout_s / 4
        found = {(p.topic, p.partition): p.offset for p in committed if p.error is None}
        for position, lease in zip(positions, leases, strict=True):
            offset = found.get((lease.topic, lease.partition))
            if offset is None:
                self._undecided.add(lease)
                continue
            self._committed[lease.topic, lease.partition] = offset if offset >= 0 else OFFSET_BEGINNING
            if offset == OFFSET_INVALID:
                position.offset = OFFSET_BEGINNING
            elif (begin := self.rereading.begin(consumer, lease, offset, deadline)) is not None:
                position.offset = begin
        return positions

    def _move(self, consumer: Consumer, to: Position) -> None:
        """Reads a partition on from another offset. Not by a seek: the client refuses one where a partition has no position."""
        if self._settings.eager:
            consumer.assign(self._all_but(consumer, to))
            halted = [Position(*where) for where in self._begun if where not in self.holdings.reading]
        else:
            consumer.incremental_unassign([Position(to.topic, to.partition)])
            consumer.incremental_assign([to])
            halted = []
        self._begun[to.topic, to.partition] = to.offset
        if pause := [Position(*where) for where in self._begun] if self.paused else halted:
            consumer.pause(pause)

    def _all_but(self, consumer: Consumer, moved: Position) -> list[Position]:
        """The whole assignment as it stands, with one partition moved: an eager one can only be replaced as a whole."""
        positions = consumer.position([Position(*where) for where in self._begun])
        for position in positions:
            where = position.topic, position.partition
            if where == (moved.topic, moved.partition):
                position.offset = moved.offset
            elif position.offset < 0:
                position.offset = self._begun[where]
        return positions

    def _let_go(self, consumer: Consumer, positions: list[Position], leases: tuple[Lease, ...]) -> None:
        self.pausing.let_go(consumer, leases)
        self._forget(leases)
        self._unassign(consumer, positions)

    def _forget(self, leases: tuple[Lease, ...]) -> None:
        self.holdings.drop(leases)
        self.pausing.forget(leases)
        self._apart.drop(leases)
        if not self.leaving_group:  # else whoever ends the process says whether it ends in order
            self._isolation.left(leases)
        self._undecided.difference_update(leases)
        for lease in leases:
            self.rereading.end(lease)
            self._begun.pop((lease.topic, lease.partition), None)
            self._committed.pop((lease.topic, lease.partition), None)

    def _unassign(self, consumer: Consumer, positions: list[Position]) -> None:
        if self._settings.eager:
            consumer.unassign()
        else:
            consumer.incremental_unassign(positions)


def _partitions(positions: list[Position]) -> list[TopicPartition]:
    return [TopicPartition(p.topic, p.partition) for p in positions]
