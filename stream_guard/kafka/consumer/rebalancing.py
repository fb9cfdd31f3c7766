"""What happens when partitions come and go. Called by the client from within a poll, so in the poll thread."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import OFFSET_END, OFFSET_INVALID, Consumer, KafkaException
from confluent_kafka import TopicPartition as Position

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.topic_ids import TopicIds, differ
from stream_guard.kafka.consumer.apart import Apart
from stream_guard.kafka.consumer.beginnings import Beginnings, Committed
from stream_guard.kafka.consumer.holdings import Holdings
from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.pausing import Pausing
from stream_guard.kafka.consumer.rereading import Reread, Rereading
from stream_guard.kafka.faults import describe
from stream_guard.kafka.settings import GroupProtocol, KafkaSettings, Log
from stream_guard.records import Assigned, Lease, Lost, TopicPartition

_ASK_AGAIN_S = 1.0
"""How long to wait before it is asked again what a partition is, or where it begins."""


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
        self.joined = False
        """Whether the group gave this member its share, be it no partition at all."""
        self.leaving_group = False
        """Whether the pipeline has settled already what it could: a revocation then waits for nobody."""
        self._outside: bytes | None = None
        """What a member that has not joined would commit as. What that says is the client's business; it changes with its epoch alone."""
        self._settings = settings
        self._mailbox = mailbox
        self._log = log
        self._ids = ids
        self.beginnings = Beginnings(settings, self.rereading, ids, log)
        self._isolation, self._apart = isolation, apart
        self._abandoned: list[Consumer] = []
        self._waiting: set[TopicPartition] = set()
        """Partitions that are assigned and no lease yet: it could not be learned what they are, or where to begin."""
        self._ask_again_at = 0.0
        self._first_ids: dict[str, str | None] = {}
        self._outlived: frozenset[str] = frozenset()
        """Topics that were deleted and made anew while this consumer had partitions of them: another must take its place."""

    @property
    def paused(self) -> bool:
        """Whether everything that is read is paused, and newly assigned partitions are to be as well."""
        return self.pausing.everything

    def on_assign(self, consumer: Consumer, positions: list[Position]) -> None:
        """1. Which topics these are, and where each partition begins. 2. Assign. 3. Pause or resume. 4. Tell.

        Where that can't be learned, a partition is assigned, waits, and is no lease yet.
        """
        self.joined = True
        leases = self._begin(consumer, positions)
        self.beginnings.note(positions)
        if self._settings.eager:
            consumer.assign(positions)
        else:
            consumer.incremental_assign(positions)
        if positions:  # resume as well: a pause outlives the assignment that it was made in
            (consumer.pause if self.paused or self._apart.alone else consumer.resume)(positions)
        if apart := [p for p in positions if (p.topic, p.partition) not in self.holdings.reading]:
            consumer.pause(apart)
        if leases:
            self._mailbox.post(self._assigned(leases))
            self._ids.look_soon()

    def look_for_epoch(self, consumer: Consumer) -> None:
        """Under the new protocol a member that is given nothing hears nothing: that it has joined shows in what it would commit as."""
        if not self.joined and self._settings.protocol is GroupProtocol.CONSUMER:
            found = consumer.consumer_group_metadata()
            self.joined = self._outside not in (None, found)
            self._outside = self._outside or found

    def begin_waiting(self, consumer: Consumer, now: float) -> None:
        """Begins those of which it could not be learned what they are, or where to begin. `now` is monotonic, in seconds."""
        if not self._waiting or now < self._ask_again_at:
            return
        positions = [Position(*partition) for partition in self._waiting]
        leases = self._begin(consumer, positions)
        for lease, position in zip(leases, (p for p in positions if _where(p) not in self._waiting), strict=True):
            self._move(consumer, lease, position)
            if _where(lease) not in self.holdings.reading:
                consumer.pause([position])
        if leases:
            self._mailbox.post(self._assigned(leases))

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
        self._first_ids, self._outlived, self._outside = {}, frozenset(), None
        self._waiting.clear()
        if leases := self.holdings.all():
            self._forget(leases)
            self._mailbox.post(Lost(leases))

    def store(self, consumer: Consumer, offsets: Mapping[Lease, int]) -> None:
        """Marks offsets for the next auto-commit; only of leases that are held, so that none rewinds another's."""
        kept = {lease: offset for lease, offset in offsets.items() if self.holdings.holds(lease)}
        held = [
            Position(at.topic, at.partition, offset, self._ids.bookmark(at.topic_id)) for at, offset in kept.items()
        ]
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
        self.holdings.drop([lease])
        self._isolation.left([lease])
        again = self.holdings.assign([_where(lease)], lambda _: lease.topic_id)
        self._isolation.assigned(again)
        self._move(consumer, again[0], Position(lease.topic, lease.partition, committed))
        self._mailbox.post(Lost((lease,)), Assigned(again, (committed,)))

    def look_at(self, topics: Collection[str]) -> frozenset[str]:
        """Which of these topics are others than those of which partitions are held. For these the consumer is of no use any more.

        It reads on from the old position; and it compares offsets alone, so that it would commit nothing before the new topic is
        longer than the old one was. Another consumer in its place starts afresh.
        """
        try:
            self._ids.learn(topics)
        except StartRefused as error:  # they are looked at again in a while
            self._log("kafka.refresh_failed", reason=str(error))
            return frozenset()
        held = self.holdings.all()
        anew = {lease.topic for lease in held if differ(lease.topic_id, self._ids.of(lease.topic))}
        self._outlived |= anew.intersection(topics)
        return self._outlived

    def take_outlived(self) -> frozenset[str]:
        """The topics for which another consumer must take the place of this one, since the last call."""
        topics, self._outlived = self._outlived, frozenset()
        return topics

    def read_on(self, consumer: Consumer, lease: Lease, offset: int) -> None:
        """The consumer reads a partition again, which was read apart, from `offset`."""
        if not self.holdings.read_on(lease):
            return
        self._move(consumer, lease, Position(lease.topic, lease.partition, offset))

    def _begin(self, consumer: Consumer, positions: Sequence[Position]) -> tuple[Lease, ...]:
        """Leases, in their order, for those positions of which all is known, and where they begin; the others wait, at the end."""
        known = self._known(consumer, [_where(position) for position in positions])
        deadline = time.monotonic() + self._settings.timeout_s / 4
        ids = self._ids
        self._isolation.of_other_topics([w for w, at in known.items() if differ(at.topic_id, ids.of(w.topic))])
        leases = self.holdings.assign([w for p in positions if (w := _where(p)) in known], ids.of)
        self._isolation.assigned(leases)
        begun = {_where(lease): lease for lease in leases}
        for position in positions:
            where = _where(position)
            if where in known:
                position.offset = self.beginnings.decide(consumer, begun[where], known[where], deadline)
                self._put_apart(position, begun[where])
                self._waiting.discard(where)
            else:
                position.offset = OFFSET_END  # before a pause is in force, it fetches
                self._waiting.add(where)
        self._ask_again_at = time.monotonic() + _ASK_AGAIN_S
        self._follow(leases)
        return leases

    def _assigned(self, leases: tuple[Lease, ...]) -> Assigned:
        begins = [self.beginnings.committed(lease) for lease in leases]
        return Assigned(leases, tuple(None if at is None or at < 0 else at for at in begins))

    def _known(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        """Where the group stands in those partitions of which it can be learned what topic they are of.

        What was learned before is taken as it is, unless a commit speaks of another topic: where a broker just died, the cluster may
        not answer for longer than a session, and the group moves partitions just then.
        """
        missing = self._missing(self._ids.unknown({partition.topic for partition in partitions}))
        found = self.beginnings.learn(consumer, [p for p in partitions if p.topic not in missing])
        doubtful = {where.topic for where, at in found.items() if differ(at.topic_id, self._ids.of(where.topic))}
        missing |= self._missing(doubtful)
        return {where: committed for where, committed in found.items() if where.topic not in missing}

    def _missing(self, topics: Collection[str]) -> frozenset[str]:
        """Learns the ids of topics. Returns those of which that was not possible."""
        if not topics:
            return frozenset()
        try:
            missing, why = self._ids.learn(topics), "the broker does not know them, or not to us"
        except StartRefused as error:
            missing, why = frozenset(topics), str(error)
        if missing:
            self._log("kafka.topic_ids_unknown", topics=sorted(missing), reason=why)
        return missing

    def _follow(self, leases: Sequence[Lease]) -> None:
        """Notes under which id this consumer has held a topic first: under another it can't go on, see `look_at`."""
        for lease in leases:
            if differ(self._first_ids.setdefault(lease.topic, lease.topic_id), lease.topic_id):
                self._outlived |= {lease.topic}
        self._ids.held = frozenset(lease.topic for lease in self.holdings.all())

    def _move(self, consumer: Consumer, lease: Lease, to: Position) -> None:
        # Before it moves: a pause that ends right after can make the client forget where to begin.
        if not self.paused and not self.pausing.holds_back(lease):
            consumer.resume([Position(lease.topic, lease.partition)])
        self.beginnings.move(consumer, to, self.holdings.reading, paused=self.paused)

    def _put_apart(self, position: Position, lease: Lease) -> None:
        """What is suspected is read apart. The consumer stands at the end meanwhile: before a pause is in force, it fetches."""
        begin = self.beginnings.committed(lease) if position.offset == OFFSET_INVALID else position.offset
        if begin is not None and self._apart.suspected(lease, begin):
            self.holdings.halt(_where(lease))
            position.offset = OFFSET_END

    def _let_go(self, consumer: Consumer, positions: list[Position], leases: tuple[Lease, ...]) -> None:
        self._waiting.difference_update(_partitions(positions))
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
        self._ids.held = frozenset(lease.topic for lease in self.holdings.all())
        for lease in leases:
            self.rereading.end(lease)

    def _unassign(self, consumer: Consumer, positions: list[Position]) -> None:
        if self._settings.eager:
            consumer.unassign()
        else:
            consumer.incremental_unassign(positions)


def _partitions(positions: Sequence[Position]) -> list[TopicPartition]:
    return [_where(position) for position in positions]


def _where(partition: Position | Lease) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)
