"""Where the partitions that are held begin, and how one is moved. In the poll thread."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaException
from confluent_kafka import TopicPartition as Position

from stream_guard.kafka.consumer.rereading import Rereading
from stream_guard.kafka.consumer.topic_ids import bookmark, of_another_topic
from stream_guard.kafka.faults import describe
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Lease


class Beginnings:
    """Decides where a partition begins, and keeps that.

    It begins at its committed offset; at its beginning where it has none, as it was added after the group attached, or where
    that offset speaks of a topic that is gone; and before its committed offset where records are shown in their context.
    """

    def __init__(self, settings: KafkaSettings, rereading: Rereading, log: Log) -> None:
        self._settings = settings
        self._rereading = rereading
        self._log = log
        self._undecided: set[Lease] = set()
        self._of_new_topics: set[Lease] = set()
        self._begun: dict[tuple[str, int], int] = {}
        self._committed: dict[tuple[str, int], int] = {}

    def decide(self, consumer: Consumer, positions: Sequence[Position], leases: Sequence[Lease]) -> None:
        """Writes into each position where it begins; the invalid offset means: where it is committed."""
        try:
            committed = consumer.committed(list(positions), timeout=self._settings.timeout_s / 2) if positions else []
        except KafkaException as error:
            self._log("kafka.committed_unknown", reason=describe(error.args[0]), partitions=len(positions))
            self._undecided.update(leases)
            return
        deadline = time.monotonic() + self._settings.timeout_s / 4
        found = {(p.topic, p.partition): p for p in committed if p.error is None}
        for position, lease in zip(positions, leases, strict=True):
            known = found.get((lease.topic, lease.partition))
            if known is None:
                self._undecided.add(lease)
                continue
            offset = self._meant(known, lease)
            self._committed[lease.topic, lease.partition] = offset if offset >= 0 else OFFSET_BEGINNING
            if offset == OFFSET_INVALID:
                position.offset = OFFSET_BEGINNING
            elif (begin := self._rereading.begin(consumer, lease, offset, deadline)) is not None:
                position.offset = begin

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
        if self._meant(committed, lease) != OFFSET_INVALID:
            return False
        # Not a seek: the client refuses one where a partition has no position.
        consumer.incremental_unassign([where])
        consumer.incremental_assign([Position(lease.topic, lease.partition, OFFSET_BEGINNING)])
        self.commit_new(consumer)
        return True

    def of_new_topic(self, lease: Lease) -> None:
        """A lease begins at the beginning of a topic that was made anew, whatever was committed in the old one."""
        self._of_new_topics.add(lease)

    def commit_new(self, consumer: Consumer) -> None:
        """Tells the group of the partitions that begin anew. Does not wait: where it fails, more is judged again after a crash.

        Else the client commits nothing before the new topic is longer than the old one was: it compares the offsets alone.
        """
        leases, self._of_new_topics = self._of_new_topics, set()
        if leases:
            begin = [Position(at.topic, at.partition, 0, bookmark(at.topic_id)) for at in leases]
            consumer.commit(offsets=begin, asynchronous=True)

    def committed(self, lease: Lease) -> int | None:
        """Where a partition was committed when it came, None where that was not learned."""
        return self._committed.get((lease.topic, lease.partition))

    def began(self, lease: Lease) -> int | None:
        """Where reading of a partition began, None where that was not learned."""
        begun = self._begun.get((lease.topic, lease.partition), OFFSET_INVALID)
        return begun if begun >= 0 or begun == OFFSET_BEGINNING else self.committed(lease)

    def note(self, positions: Iterable[Position]) -> None:
        """They are assigned, to be read from where they stand."""
        self._begun.update(((p.topic, p.partition), p.offset) for p in positions)

    def forget(self, leases: Iterable[Lease]) -> None:
        """They are not held any more."""
        for lease in leases:
            self._undecided.discard(lease)
            self._of_new_topics.discard(lease)
            self._begun.pop((lease.topic, lease.partition), None)
            self._committed.pop((lease.topic, lease.partition), None)

    def move(self, consumer: Consumer, to: Position, read: Collection[tuple[str, int]], *, paused: bool) -> None:
        """Reads a partition on from another offset. `read` are those that are read, `paused` whether nothing is for now.

        Not by a seek: the client refuses one where a partition has no position.
        """
        self.note([to])
        if self._settings.eager:
            consumer.assign(self._all_but(consumer, to))
            halted = [Position(*where) for where in self._begun if where not in read]
        else:
            consumer.incremental_unassign([Position(to.topic, to.partition)])
            consumer.incremental_assign([to])
            halted = []
        if pause := [Position(*where) for where in self._begun] if paused else halted:
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

    def _meant(self, committed: Position, lease: Lease) -> int:
        """The committed offset; the invalid one where it speaks of an earlier topic of the same name."""
        if not of_another_topic(committed.metadata, lease.topic_id):
            return int(committed.offset)
        self._log(
            "kafka.offset_of_deleted_topic", topic=lease.topic, partition=lease.partition, offset=committed.offset,
            reason="it was committed before the topic was deleted and made anew: begins at the beginning",
        )  # fmt: skip
        self.of_new_topic(lease)
        return OFFSET_INVALID
