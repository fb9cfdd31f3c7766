"""The last records of a topic, read without a consumer group."""

from __future__ import annotations

import time
from collections.abc import Mapping

from confluent_kafka import KafkaException
from msgspec import Struct

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.assigned import AssignedReader, Stop
from stream_guard.kafka.cluster.newest import Newest, Stretch
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Record

MAX_BYTES = 134_217_728
"""Bytes of keys, values and headers that are kept at most."""
LIMIT_S = 60.0
"""How long all of it may take."""


class PartitionTail(Struct, frozen=True):
    """What was found of one partition. `low` is its first offset, `high` the one after its last when the reading began."""

    partition: int
    low: int
    high: int
    taken: int
    unread: str = ""
    """Why it was not read to its end, where it was not."""


class Tail(Struct, frozen=True):
    """The last records of a topic, by timestamp, then partition and offset; those of a partition in its own order."""

    topic: str
    records: tuple[Record, ...]
    partitions: tuple[PartitionTail, ...]
    read_at_ms: int
    """Unix time in milliseconds."""
    full: bool = False
    """Whether `max_bytes` was reached before as many records as were asked for."""

    @property
    def span_ms(self) -> tuple[int, int] | None:
        """The oldest and the newest timestamp, None where no record has one."""
        stamps = [record.timestamp_ms for record in self.records if record.timestamp_ms is not None]
        return (min(stamps), max(stamps)) if stamps else None

    def __repr__(self) -> str:
        return f"Tail({self.topic}, {len(self.records)} records of {len(self.partitions)} partitions)"


def read_tail(
    settings: KafkaSettings,
    topic: str,
    last: int,
    *,
    max_bytes: int = MAX_BYTES,
    limit_s: float = LIMIT_S,
    stop: Stop = lambda: False,
) -> Tail:
    """The `last` records of a topic, as it stands now: those with the newest timestamps, over all partitions.

    So a busy partition gives more records than a quiet one, each as many as came in the same stretch of time; where
    timestamps are equal or absent, all give the same. No more than `last` records or `max_bytes` are held at any moment.

    Blocks for at most `limit_s`, and `timeout_s` of the settings a question. A partition that can't be read is named in
    `partitions`. `stop` is asked a few times a second whether to end with what there is.

    Raises StartRefused where there is no such topic, it may not be read, or nothing could be read of it.
    """
    reader = AssignedReader(settings, topic)
    try:
        return _read(reader, Newest(last, max_bytes), time.monotonic() + limit_s, stop)
    except KafkaException as error:
        raise reader.refused(error.args[0]) from error
    finally:
        reader.close()


def _read(reader: AssignedReader, newest: Newest, deadline: float, stop: Stop) -> Tail:
    """1. How far each partition reaches. 2. Its end. 3. More of those that may have newer records than those found."""
    bounds = reader.bounds()
    stretches = {p: Stretch(p, low, high) for p, (low, high) in bounds.items()}

    def offer(record: Record) -> None:
        newest.offer(record, stretches[record.partition])

    while not stop() and time.monotonic() < deadline:
        open_ = [s for s in stretches.values() if s.partition not in reader.unread and newest.wants(s)]
        if not open_:
            break
        share = newest.share(len(bounds))
        reader.read({s.partition: s.further_back(share) for s in open_}, offer, deadline, stop)
    return _tail(reader, newest, bounds)


def _tail(reader: AssignedReader, newest: Newest, bounds: Mapping[int, tuple[int, int]]) -> Tail:
    records = newest.in_order()
    if not records and reader.unread:
        raise StartRefused(f"nothing of topic {reader.topic!r} at {reader.bootstrap} could be read: {reader.why()}")
    taken = [record.partition for record in records]
    partitions = tuple(
        PartitionTail(p, *bounds.get(p, (0, 0)), taken.count(p), reader.unread.get(p, ""))
        for p in sorted({*bounds, *reader.unread})
    )
    return Tail(reader.topic, records, partitions, int(time.time() * 1000), newest.full)
