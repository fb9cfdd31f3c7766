"""Reading again what stands before the committed offset: for what it tells of what comes after, and for nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Position
from msgspec.structs import replace

from stream_guard.kafka.faults import describe
from stream_guard.kafka.settings import Log
from stream_guard.records import Lease, Record

Reread: TypeAlias = Callable[[str], int]
"""How many records of a topic are to be read again before the committed offset of each of its partitions."""


def nothing(_: str) -> int:
    """Reads nothing again, of any topic."""
    return 0


class Rereading:
    """Which leases are still below their committed offset. Context is never worth a halt: in doubt nothing is read again."""

    def __init__(self, reread: Reread, log: Log) -> None:
        self._reread = reread
        self._log = log
        self._until: dict[Lease, int] = {}

    def begin(self, consumer: Consumer, lease: Lease, committed: int, deadline: float) -> int | None:
        """Where a lease begins, None where that is its committed offset. `deadline` is monotonic, in seconds.

        A committed offset that is not in the log is left as it is: that is to be told, not passed over.
        """
        count = self._reread(lease.topic)
        if not count or committed <= 0:
            return None
        bounds = self._bounds(consumer, lease, deadline)
        if bounds is None or not bounds[0] < committed <= bounds[1]:
            return None
        self._until[lease] = committed
        return max(bounds[0], committed - count)

    def mark(self, records: list[Record]) -> list[Record]:
        """Tells the records below the committed offset from those to be judged."""
        return [self._marked(record) for record in records] if self._until else records

    def holds(self, lease: Lease) -> bool:
        """Whether no record at or beyond the committed offset was read yet of a lease that began before it."""
        return lease in self._until

    def end(self, lease: Lease) -> int | None:
        """Reads nothing more of it again. Returns its committed offset, None where it had come so far."""
        return self._until.pop(lease, None)

    def _marked(self, record: Record) -> Record:
        until = self._until.get(record.lease)
        if until is None:
            return record
        if record.offset >= until - 1:
            del self._until[record.lease]
        return replace(record, past=True) if record.offset < until else record

    def _bounds(self, consumer: Consumer, lease: Lease, deadline: float) -> tuple[int, int] | None:
        """Where the log begins and ends, None where the cluster does not say so in time."""
        left, why = deadline - time.monotonic(), "no time left"
        if left > 0:
            try:
                found = consumer.get_watermark_offsets(Position(lease.topic, lease.partition), timeout=left)
            except KafkaException as error:
                why = describe(error.args[0])
            else:
                if found is not None:
                    return int(found[0]), int(found[1])
                why = "no answer in time"
        self._log("kafka.reread_skipped", reason=why, topic=lease.topic, partition=lease.partition)
        return None
