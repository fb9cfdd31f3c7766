"""Where the partitions that are held begin, and how one is moved. In the poll thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaException
from confluent_kafka import TopicPartition as Position

from stream_guard.kafka.cluster.topic_ids import TopicIds, differ
from stream_guard.kafka.consumer.rereading import Rereading
from stream_guard.kafka.faults import describe
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Lease, TopicPartition


class Committed(NamedTuple):
    """Where the group stands in a partition: the invalid offset where it never was."""

    offset: int
    topic_id: str | None
    """The topic that the commit speaks of, None where it does not say."""


class Beginnings:
    """Decides where a partition begins, and keeps that.

    It begins at its committed offset; at its beginning where it has none, as it was added after the group attached, or where
    that offset speaks of a topic that is gone; and before its committed offset where records are shown in their context.
    """

    def __init__(self, settings: KafkaSettings, rereading: Rereading, ids: TopicIds, log: Log) -> None:
        self._settings = settings
        self._rereading = rereading
        self._ids = ids
        self._log = log
        self._begun: dict[tuple[str, int], int] = {}
        self._committed: dict[tuple[str, int], int] = {}

    def learn(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        """Asks where partitions are committed. Those of which that can't be learned are left out."""
        asked = [Position(*partition) for partition in partitions]
        try:
            answer = consumer.committed(asked, timeout=self._settings.timeout_s / 2) if asked else []
        except KafkaException as error:
            self._log("kafka.committed_unknown", reason=describe(error.args[0]), partitions=len(asked))
            return {}
        # An error of one partition is not "never committed": to begin at the beginning would judge all again.
        return {
            TopicPartition(p.topic, p.partition): Committed(int(p.offset), self._ids.named(p.metadata))
            for p in answer
            if p.error is None
        }

    def decide(self, consumer: Consumer, lease: Lease, committed: Committed, deadline: float) -> int:
        """Where a lease begins; the invalid offset means: where it is committed. `deadline` is monotonic, in seconds."""
        offset = committed.offset
        if differ(committed.topic_id, lease.topic_id):
            self._log(
                "kafka.offset_of_deleted_topic", topic=lease.topic, partition=lease.partition, offset=offset,
                meaning="it was committed before the topic was deleted and made anew: begins at the beginning",
            )  # fmt: skip
            offset = OFFSET_INVALID
        self._committed[lease.topic, lease.partition] = offset if offset >= 0 else OFFSET_BEGINNING
        if offset == OFFSET_INVALID:
            return OFFSET_BEGINNING
        begin = self._rereading.begin(consumer, lease, offset, deadline)
        return OFFSET_INVALID if begin is None else begin

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
            self._begun.pop((lease.topic, lease.partition), None)
            self._committed.pop((lease.topic, lease.partition), None)

    def move(self, consumer: Consumer, to: Position, read: Collection[tuple[str, int]], *, paused: bool) -> None:
        """Reads a partition on from another offset. `read` are those that are read, `paused` whether all is paused.

        Not by a seek: the client refuses one where a partition has no position.
        """
        self.note([to])
        if self._settings.eager:
            everything = self._all_but(consumer, to)
            self.note(everything)
            consumer.assign(everything)
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
