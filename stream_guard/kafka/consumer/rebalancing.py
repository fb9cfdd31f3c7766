"""What happens when partitions come and go. Called by the client from within a poll, so in the poll thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, OFFSET_INVALID, Consumer, KafkaException
from confluent_kafka import TopicPartition as Position

from stream_guard.errors import StartRefused
from stream_guard.kafka.consumer.apart import Apart
from stream_guard.kafka.consumer.beginnings import Beginnings
from stream_guard.kafka.consumer.holdings import Holdings
from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.pausing import Pausing
from stream_guard.kafka.consumer.rereading import Reread, Rereading
from stream_guard.kafka.consumer.topic_ids import TopicIds, bookmark
from stream_guard.kafka.faults import describe
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Assigned, Lease, Lost, TopicPartition


class Rebalancing:
    """Keeps the holdings in step with the group."""

    def __init__(
        self,
        settings: KafkaSettings,
        mailbox: Mailbox,
        log: Log,
        ids: TopicIds,
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
        self._ids = ids
        self.beginnings = Beginnings(settings, self.rereading, log)
        self._isolation, self._apart = isolation, apart
        self._abandoned: list[Consumer] = []
        self._nameless: set[Lease] = set()
        """Leases of topics that nobody knew when they came: not read until their topic's id is learned."""

    @property
    def paused(self) -> bool:
        """Whether everything that is read is paused, and newly assigned partitions are to be as well."""
        return self.pausing.everything

    def on_assign(self, consumer: Consumer, positions: list[Position]) -> None:
        """1. Learn the topics' ids. 2. Where each begins. 3. Assign. 4. Pause or resume. 5. Tell."""
        if positions:
            self._ids.learn({position.topic for position in positions})
        leases = self._lease(positions)
        self.beginnings.decide(consumer, positions, leases)
        self._put_apart(positions, leases)
        self.beginnings.note(positions)
        if self._settings.eager:
            consumer.assign(positions)
        else:
            consumer.incremental_assign(positions)
        self.beginnings.commit_new(consumer)
        if positions:  # resume as well: a pause outlives the assignment that it was made in
            (consumer.pause if self.paused or self._apart.alone else consumer.resume)(positions)
        if apart := [p for p in positions if (p.topic, p.partition) not in self.holdings.reading]:
            consumer.pause(apart)
        if leases:
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
        held = [Position(at.topic, at.partition, offset, bookmark(at.topic_id)) for at, offset in kept.items()]
        if not held:
            return
        self._isolation.stored(kept)
        try:
            consumer.store_offsets(offsets=held)
        except KafkaException as error:
            # The client may know before us that a partition is gone; the others' offsets are stored all the same.
            self._log("kafka.store_refused", reason=describe(error.args[0]), partitions=len(held))

    def reread_failed(self, consumer: Consumer, lease: Lease) -> None:
        """Goes to the committed offset of a lease that could not read again what stands before it.

        Under a new lease: what the old one had read must not pass for all that there was.
        """
        committed = self.rereading.end(lease)
        if committed is None or not self.holdings.holds(lease):
            return
        self._log("kafka.reread_failed", topic=lease.topic, partition=lease.partition, committed=committed)
        self._begin_anew(consumer, lease, committed)

    def made_anew(self, consumer: Consumer, topics: Collection[str]) -> frozenset[Lease]:
        """Begins anew with those of these topics that really are others than they were, and returns the leases that ended.

        What is under way of the old topic counts for nobody: its records are gone, and so are its offsets.
        """
        try:
            self._ids.learn(topics)
        except StartRefused as error:  # it is looked for again in a while
            self._log("kafka.refresh_failed", reason=str(error))
            return frozenset()
        ended = frozenset(lease for lease in self.holdings.all() if lease.topic in topics and self._outlived(lease))
        for lease in ended:
            if lease in self._nameless:
                self._begin_anew(consumer, lease)
                continue
            self._log(
                "kafka.topic_made_anew", topic=lease.topic, partition=lease.partition,
                meaning="it was deleted and made anew: it is read from its beginning, under its new id",
            )  # fmt: skip
            self._begin_anew(consumer, lease, OFFSET_BEGINNING)
        return ended

    def read_on(self, consumer: Consumer, lease: Lease, offset: int) -> None:
        """The consumer reads a partition again, which was read apart, from `offset`."""
        if not self.holdings.read_on(lease):
            return
        self._move(consumer, lease, Position(lease.topic, lease.partition, offset))

    def _lease(self, positions: Sequence[Position]) -> tuple[Lease, ...]:
        leases = self.holdings.assign(_partitions(positions), self._ids.of)
        self._isolation.assigned(leases)
        for lease in leases:
            if not self._ids.known(lease.topic):
                self._nameless.add(lease)
                self.holdings.halt(TopicPartition(lease.topic, lease.partition))
        return leases

    def _outlived(self, lease: Lease) -> bool:
        """Whether a lease is of a topic that is not there any more, while another of its name is."""
        known = self._ids.known(lease.topic)
        return known and (lease in self._nameless or lease.topic_id != self._ids.of(lease.topic))

    def _begin_anew(self, consumer: Consumer, lease: Lease, offset: int | None = None) -> None:
        """A new lease in the place of one that is held, from an offset; without one, where a lease begins."""
        self.pausing.let_go(consumer, [lease])
        self._forget((lease,))
        position = Position(lease.topic, lease.partition)
        again = self._lease([position])
        if offset is None:
            self.beginnings.decide(consumer, [position], again)
        else:
            position.offset = offset
        if offset == OFFSET_BEGINNING:
            self.beginnings.of_new_topic(again[0])
        self._move(consumer, again[0], position)
        self.beginnings.commit_new(consumer)
        self._mailbox.post(Lost((lease,)), Assigned(again))

    def _move(self, consumer: Consumer, lease: Lease, to: Position) -> None:
        # Before it moves: a pause that ends right after can make the client forget where to begin.
        if not self.paused and not self.pausing.holds_back(lease):
            consumer.resume([Position(lease.topic, lease.partition)])
        self.beginnings.move(consumer, to, self.holdings.reading, paused=self.paused)

    def _put_apart(self, positions: Sequence[Position], leases: Sequence[Lease]) -> None:
        """What is suspected is read apart. The consumer stands at the end meanwhile: before a pause is in force, it fetches."""
        for position, lease in zip(positions, leases, strict=True):
            at = lease.topic, lease.partition
            begin = self.beginnings.committed(lease) if position.offset == OFFSET_INVALID else position.offset
            if begin is not None and self._apart.suspected(lease, begin):
                self.holdings.halt(TopicPartition(*at))
                position.offset = OFFSET_END

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
        self.beginnings.forget(leases)
        self._nameless.difference_update(leases)
        for lease in leases:
            self.rereading.end(lease)

    def _unassign(self, consumer: Consumer, positions: list[Position]) -> None:
        if self._settings.eager:
            consumer.unassign()
        else:
            consumer.incremental_unassign(positions)


def _partitions(positions: Sequence[Position]) -> list[TopicPartition]:
    return [TopicPartition(p.topic, p.partition) for p in positions]
