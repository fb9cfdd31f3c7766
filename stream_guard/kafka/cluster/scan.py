"""A topic from end to end, as it stands, read without a consumer group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import KafkaException
from msgspec import Struct

from stream_guard.kafka.cluster.assigned import AssignedReader, Stop, Stretches, Take
from stream_guard.kafka.settings import KafkaSettings

T = TypeVar("T")


class Scan(Struct, frozen=True):
    """What was read: for each partition its first offset, and the one after its last when the reading began."""

    topic: str
    bounds: Mapping[int, tuple[int, int]]
    unread: Mapping[int, str]
    """Why a partition was not read to its end."""

    @property
    def records(self) -> int:
        """Records at most: logs have gaps."""
        return sum(end - begin for begin, end in self.bounds.values())


def scan(
    settings: KafkaSettings,
    topic: str,
    take: Take,
    *,
    stop: Stop = lambda: False,
    begun: Callable[[Scan], None] | None = None,
) -> Scan:
    """Reads all of a topic up to its end as it is now; `take` gets each record, those of a partition in order.

    `begun` is told what there is to read. Blocks as long as records come, and `timeout_s` of the settings beyond.
    Raises StartRefused where there is no such topic, or it may not be read.
    """

    def work(reader: AssignedReader) -> Scan:
        found = Scan(topic, reader.bounds(), reader.unread)
        if begun is not None:
            begun(found)
        _read(reader, found.bounds, take, stop)
        return found

    return _with_reader(settings, topic, work)


def scan_between(
    settings: KafkaSettings, topic: str, stretches: Stretches, take: Take, *, stop: Stop = lambda: False
) -> Mapping[int, str]:
    """The same of stretches of its partitions. Returns why a partition was not read to its end."""

    def work(reader: AssignedReader) -> Mapping[int, str]:
        _read(reader, stretches, take, stop)
        return reader.unread

    return _with_reader(settings, topic, work)


def _read(reader: AssignedReader, stretches: Stretches, take: Take, stop: Stop) -> None:
    filled = {partition: (begin, end) for partition, (begin, end) in stretches.items() if begin < end}
    if filled:
        reader.read(filled, take, math.inf, stop)


def _with_reader(settings: KafkaSettings, topic: str, work: Callable[[AssignedReader], T]) -> T:
    reader = AssignedReader(settings, topic)
    try:
        return work(reader)
    except KafkaException as error:
        raise reader.refused(error.args[0]) from error
    finally:
        reader.close()
