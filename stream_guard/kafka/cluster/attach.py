"""The first attach of a group to a topic: where it begins is said once, resolved once and committed.

From then on offsets alone decide: a group whose offsets are gone (they expire) does not skip its backlog silently.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position
from msgspec import Struct
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.topic_ids import TopicIds
from stream_guard.kafka.faults import configuring, coordinator_moves, describe, telling
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import TopicPartition

Start: TypeAlias = Literal["earliest", "latest"] | int | datetime
"""Where a group begins that has no offsets: a number is Unix time in milliseconds, a datetime must know its zone."""
_ATTEMPTS = 5
_GROUP_IS_ACTIVE = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.STALE_MEMBER_EPOCH,
                    KafkaError.REBALANCE_IN_PROGRESS)  # fmt: skip
_ASK_AGAIN_S = 0.2


class AttachReport(Struct, frozen=True):
    """What the attach found and did."""

    attached: Mapping[TopicPartition, int]
    """The offsets committed now."""
    kept: tuple[str, ...]
    """Topics for which the group had offsets. A partition without one was added later: it begins at its beginning."""
    missing: tuple[str, ...]
    """Topics that do not exist yet: they will be read from their beginning."""
    left: tuple[str, ...] = ()
    """Topics for which nothing could be committed because the group is at work: read from their beginning."""


def attach(settings: KafkaSettings, topics: Sequence[str], start: Start, *, allow_latest: bool) -> AttachReport:
    """Commits where the group begins in each of the topics for which it has no offset at all.

    Blocks, bounded. Raises StartRefused where `start` is latest and not allowed, where it can't be committed, or where
    the cluster does not answer.
    """
    admin = Admin(settings)
    lookup = _Lookup(settings, TopicIds(admin.topic_ids, admin.cluster_id))
    patiently = Retrying(
        retry=retry_if_exception(coordinator_moves),
        stop=stop_after_delay(settings.timeout_s),
        wait=wait_fixed(_ASK_AGAIN_S),
        reraise=True,
    )
    try:
        return patiently(_attach, lookup, topics, start, allow_latest=allow_latest)
    except KafkaException as error:
        raise StartRefused(f"group {settings.group!r} could not attach: {lookup.why(error)}") from error
    finally:
        lookup.close()


def _attach(lookup: _Lookup, topics: Sequence[str], start: Start, *, allow_latest: bool) -> AttachReport:
    """1. Which topics are new to the group. 2. Resolve. 3. Commit. 4. Read back, and again where others are at it."""
    partitions = {topic: found for topic in topics if (found := lookup.partitions(topic))}
    missing = tuple(topic for topic in topics if topic not in partitions)
    new: tuple[str, ...] = ()
    for attempt in range(_ATTEMPTS):
        # The group may be at work: another replica may be attaching just now.
        time.sleep(0.2 * attempt)
        new = tuple(topic for topic in partitions if not lookup.committed(topic, partitions[topic]))
        if new and start == "latest" and not allow_latest:
            raise StartRefused(_skips(lookup.group, new))
        wanted = {where: at for topic in new for where, at in lookup.resolve(topic, partitions[topic], start).items()}
        if not wanted or lookup.commit(wanted):
            return AttachReport(wanted, kept=tuple(t for t in partitions if t not in new), missing=missing)
    if start != "earliest":
        raise StartRefused(_busy(lookup.group, new))
    return AttachReport({}, kept=tuple(t for t in partitions if t not in new), missing=missing, left=new)


class _Lookup:
    """Reads and commits offsets of a group without joining it."""

    def __init__(self, settings: KafkaSettings, ids: TopicIds) -> None:
        self.group = settings.group
        self._ids = ids
        self._timeout_s = settings.timeout_s
        self._last_error = ""
        with configuring("consumer"):
            self._consumer = Consumer({**settings.lookup_config(), "log_level": 0, "error_cb": self._remember})

    def close(self) -> None:
        self._consumer.close()

    def why(self, error: KafkaException) -> str:
        """The error, and what the client said meanwhile: it alone knows of a wrong secret or certificate."""
        self._consumer.poll(0)
        said = f"; the client says {self._last_error}" if self._last_error else ""
        return describe(error.args[0]) + said

    def partitions(self, topic: str) -> tuple[int, ...]:
        """The partitions of a topic, none where it does not exist."""
        found = self._consumer.list_topics(topic, timeout=self._timeout_s).topics[topic]
        if found.error is not None and found.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(found.error)
        return tuple(sorted(found.partitions))

    def committed(self, topic: str, partitions: Sequence[int]) -> dict[TopicPartition, int]:
        """The group's offsets in a topic."""
        asked = [Position(topic, p) for p in partitions]
        found = self._consumer.committed(asked, timeout=self._timeout_s)
        failed = next((p.error for p in found if p.error is not None), None)
        if failed is not None:
            raise KafkaException(failed)
        return {TopicPartition(p.topic, p.partition): p.offset for p in found if p.offset != OFFSET_INVALID}

    def resolve(self, topic: str, partitions: Sequence[int], start: Start) -> dict[TopicPartition, int]:
        """The offset at which each partition begins."""
        bounds = {p: self._consumer.get_watermark_offsets(Position(topic, p), self._timeout_s) for p in partitions}
        if start == "earliest":
            return {TopicPartition(topic, p): low for p, (low, _) in bounds.items()}
        if start == "latest":
            return {TopicPartition(topic, p): high for p, (_, high) in bounds.items()}
        asked = [Position(topic, p, _milliseconds(start)) for p in partitions]
        found = self._consumer.offsets_for_times(asked, timeout=self._timeout_s)
        # Negative: no record is that young, so the partition begins at its end.
        return {
            TopicPartition(topic, p.partition): p.offset if p.offset >= 0 else bounds[p.partition][1] for p in found
        }

    def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commits and reads back. False where the group is at work, so that nobody but its members may commit."""
        self._ids.learn({where.topic for where in offsets})
        wanted = [
            Position(where.topic, where.partition, offset, self._ids.bookmark(self._ids.of(where.topic)))
            for where, offset in offsets.items()
        ]
        try:
            done = self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() in _GROUP_IS_ACTIVE:
                return False
            raise
        failed = next((p.error for p in done if p.error is not None), None)
        if failed is not None and failed.code() not in _GROUP_IS_ACTIVE:
            raise KafkaException(failed)
        return failed is None and self._stands(wanted)

    def _stands(self, wanted: Sequence[Position]) -> bool:
        found = self._consumer.committed([Position(p.topic, p.partition) for p in wanted], timeout=self._timeout_s)
        return all(p.offset != OFFSET_INVALID for p in found)

    def _remember(self, error: KafkaError) -> None:
        if telling(error) or not self._last_error:
            self._last_error = describe(error)


def _milliseconds(start: int | str | datetime) -> int:
    if not isinstance(start, datetime):
        return int(start)
    if start.tzinfo is None:
        raise StartRefused("the start time names no zone: write it with an offset, such as 2026-01-31T08:00:00+00:00")
    return int(start.timestamp() * 1000)


def _skips(group: str, topics: Sequence[str]) -> str:
    return (
        f"group {group!r} has no offsets for {', '.join(topics)}, and start is latest: to begin at the end would skip "
        f"what is waiting if its offsets expired. If this is its first start, say so once with `run --attach`"
    )


def _busy(group: str, topics: Sequence[str]) -> str:
    return (
        f"group {group!r} is at work and has no offsets for {', '.join(topics)}: only an idle group can be attached at "
        f"latest or at a time. Stop its members and start one, or use start: earliest for these topics"
    )
