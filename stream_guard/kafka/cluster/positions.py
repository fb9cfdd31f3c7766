"""Where reading would begin in each partition, how much waits there, and how old it is. Asks for offsets alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_INVALID, ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec import Struct
from msgspec.structs import replace

from stream_guard.kafka.cluster.attach import Start
from stream_guard.records import TopicPartition

_STEPS = 20
"""A position's time is known to a millionth of the time that its partition spans: 1 s of a week."""


class PartitionFacts(Struct, frozen=True):
    """A partition that would be read. Offsets are in records; compaction and transactions make counts of them too high."""

    where: TopicPartition
    begin: int
    """The first offset that is still there."""
    end: int
    at: int
    """Where reading begins: at the group's offset, else where `start` says, else at the beginning."""
    committed: int | None = None
    """The group's offset."""
    attached: bool = False
    """Whether the group has offsets in any partition of the topic: then `start` is not looked at."""
    oldest_ms: int | None = None
    """About when the first record that waits was written (Unix time); None where nothing waits or nobody can know."""

    @property
    def waiting(self) -> int:
        """How many records wait, at most."""
        return max(self.end - max(self.at, self.begin), 0)


class _At(NamedTuple):
    offset: int
    timestamp_ms: int


class Positions:
    """Asks one client. Every question is bounded; raises KafkaException or TimeoutError where one fails."""

    def __init__(self, client: AdminClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    def begin(self, group: str, topics: Mapping[str, int], start: Start) -> tuple[PartitionFacts, ...]:
        """Where `group` would begin in topics of so many partitions."""
        partitions = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
        if not partitions:
            return ()
        committed = self._committed(group, partitions)
        attached = {where.topic for where in committed}
        begins = self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # the library's
        ends = self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # the library's
        started = self._started([p for p in partitions if p.topic not in attached], start, begins, ends)
        facts = [
            PartitionFacts(
                where=where,
                begin=begins[where],
                end=ends[where],
                at=committed.get(where, started.get(where, begins[where])),
                committed=committed.get(where),
                attached=where.topic in attached,
            )
            for where in partitions
        ]
        ages = self.ages({fact.where: max(fact.at, fact.begin) for fact in facts if fact.waiting})
        return tuple(replace(fact, oldest_ms=ages.get(fact.where)) for fact in facts)

    def _committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        asked = [Position(p.topic, p.partition) for p in partitions]
        futures = self._client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, asked)], request_timeout=self._timeout_s
        )
        found = futures[group].result(self._timeout_s + 1).topic_partitions
        return {TopicPartition(p.topic, p.partition): p.offset for p in found if p.offset != OFFSET_INVALID}

    def _started(
        self,
        partitions: Iterable[TopicPartition],
        start: Start,
        begins: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        """Where `start` puts a group that has no offsets. A time that no record is as young as is the end."""
        if start == "latest":
            return {where: ends[where] for where in partitions}
        if start == "earliest":
            return {where: begins[where] for where in partitions}
        moment = int(start.timestamp() * 1000) if isinstance(start, datetime) else int(start)
        found = self._first_since(dict.fromkeys(partitions, moment))
        return {where: at.offset if at.offset >= 0 else ends[where] for where, at in found.items()}

    def ages(self, at: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """About when the records at these offsets were written (Unix time in milliseconds); the first one's where that is gone.

        Halves, for all partitions at once, the time that it may be of.
        """
        first = {where: found for where, found in self._first_since(dict.fromkeys(at, 0)).items() if found.offset >= 0}
        low = {where: found.timestamp_ms for where, found in first.items()}
        high = dict.fromkeys((where for where in low if at[where] > first[where].offset), int(time.time() * 1000))
        for _ in range(_STEPS):
            middle = {where: (low[where] + top + 1) // 2 for where, top in high.items() if low[where] < top}
            for where, found in self._first_since(middle).items():
                if 0 <= found.offset <= at[where]:
                    low[where] = found.timestamp_ms
                else:
                    high[where] = middle[where] - 1
        return low

    def _first_since(self, moments: Mapping[TopicPartition, int]) -> dict[TopicPartition, _At]:
        """The first record of each partition that is not older; the offset is negative where there is none."""
        return self._ask(moments, lambda where: OffsetSpec.for_timestamp(moments[where]))

    def _offsets(self, partitions: Iterable[TopicPartition], spec: Any) -> dict[TopicPartition, int]:
        return {where: found.offset for where, found in self._ask(partitions, lambda _: spec).items()}

    def _ask(
        self, partitions: Iterable[TopicPartition], spec: Callable[[TopicPartition], Any]
    ) -> dict[TopicPartition, _At]:
        asked = {Position(where.topic, where.partition): spec(where) for where in partitions}
        futures = self._client.list_offsets(asked, request_timeout=self._timeout_s) if asked else {}
        answers = {(p.topic, p.partition): future.result(self._timeout_s + 1) for p, future in futures.items()}
        return {TopicPartition(*where): _At(told.offset, told.timestamp) for where, told in answers.items()}
