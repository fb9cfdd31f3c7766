"""Deleting the beginning of a topic's partitions (DeleteRecords). What is deleted can't be had back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec import Struct

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.faults import configuring, describe
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import TopicPartition


class Doomed(Struct, frozen=True):
    """The records of a partition that would go: from `begin` up to, and without, `until`. `end` is where the log ends."""

    where: TopicPartition
    begin: int
    until: int
    end: int

    @property
    def records(self) -> int:
        """How many, at most: logs have gaps."""
        return max(self.until - self.begin, 0)


class Purging:
    """Asks and orders one cluster. Every call is bounded; raises StartRefused where one fails."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings, self._timeout_s = settings, settings.timeout_s
        with configuring("admin client"):
            self._client = AdminClient({**settings.client_config(), "log_level": 0})

    def doomed(self, topics: Sequence[str], before_ms: int | None) -> list[Doomed]:
        """What was written before a time (Unix, milliseconds), or all there is.

        Raises StartRefused where a topic does not exist, or is compacted: its records go by tombstones alone.
        """
        admin = Admin(self._settings)
        if missing := sorted(set(topics) - admin.topics()):
            raise StartRefused(f"these topics do not exist, or may not be seen: {', '.join(missing)}")
        self._refuse_compacted(admin, topics)
        partitions = self._partitions(topics)
        begins = self._offsets(partitions, OffsetSpec.earliest)
        ends = self._offsets(partitions, OffsetSpec.latest)
        found = ends if before_ms is None else self._offsets(partitions, lambda: OffsetSpec.for_timestamp(before_ms))
        untils = {where: offset if offset >= 0 else ends[where] for where, offset in found.items()}
        return [Doomed(where, begins[where], max(untils[where], begins[where]), ends[where]) for where in partitions]

    def purge(self, doomed: Iterable[Doomed]) -> dict[TopicPartition, str]:
        """Deletes. Returns why a partition was left as it is, where one was."""
        asked = [Position(each.where.topic, each.where.partition, each.until) for each in doomed if each.records]
        futures = self._client.delete_records(asked, request_timeout=self._timeout_s) if asked else {}
        left: dict[TopicPartition, str] = {}
        for position, future in futures.items():
            try:
                future.result(self._timeout_s + 1)
            except KafkaException as error:
                left[TopicPartition(position.topic, position.partition)] = _why(error.args[0])
            except TimeoutError:
                left[TopicPartition(position.topic, position.partition)] = "no answer in time: it may be deleted or not"
        return left

    @staticmethod
    def _refuse_compacted(admin: Admin, topics: Sequence[str]) -> None:
        settings = admin.settings(topics)
        compacted = sorted(name for name, own in settings.items() if own and own["cleanup.policy"] == "compact")
        if compacted:
            raise StartRefused(
                f"compacted, so that Kafka deletes nothing by offset there: {', '.join(compacted)}. Write a tombstone (a null "
                "value) under a dead letter's id to purge it, or let the topic delete too: cleanup.policy=compact,delete"
            )

    def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        try:
            found = self._client.list_topics(timeout=self._timeout_s).topics
        except KafkaException as error:
            raise self._unanswered("its topics", error) from error
        return [TopicPartition(topic, number) for topic in sorted(topics) for number in sorted(found[topic].partitions)]

    def _offsets(self, partitions: Sequence[TopicPartition], spec: Callable[[], Any]) -> Mapping[TopicPartition, int]:
        asked = {Position(where.topic, where.partition): spec() for where in partitions}
        futures = self._client.list_offsets(asked, request_timeout=self._timeout_s) if asked else {}
        try:
            return {
                TopicPartition(p.topic, p.partition): future.result(self._timeout_s + 1).offset
                for p, future in futures.items()
            }
        except (KafkaException, TimeoutError) as error:
            raise self._unanswered("the offsets", error) from error

    def _unanswered(self, what: str, error: Exception) -> StartRefused:
        why = describe(error.args[0]) if isinstance(error, KafkaException) else "no answer in time"
        return StartRefused(f"Kafka at {self._settings.bootstrap} did not tell {what}: {why}")


def _why(error: KafkaError) -> str:
    right = ": grant DELETE on the topic" if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED else ""
    return f"{describe(error)}{right}"
