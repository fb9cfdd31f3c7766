"""The last records of a topic, read without a consumer group.

Partitions are assigned, never subscribed to: no group is joined, nothing is committed and no offset stored. The principal
needs READ and DESCRIBE on the topic and no right on any group: librdkafka wants a group id and asks which broker would
coordinate it, but goes on where it may not know.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position
from msgspec import Struct

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.newest import Newest, Stretch
from stream_guard.kafka.consumer.reading import read
from stream_guard.kafka.faults import Meaning, configuring, describe, meaning
from stream_guard.kafka.settings import ClientConfig, KafkaSettings
from stream_guard.records import Lease, Record

MAX_BYTES = 134_217_728
"""Bytes of keys, values and headers that are kept at most."""
LIMIT_S = 60.0
"""How long all of it may take."""
_GROUP = "stream-guard-tail"
"""Of no real group, so that not even a bug could touch one."""
_POLL_S = 0.1
_BATCH = 500
_CLIENT_LOG = logging.getLogger("stream_guard.kafka.client")

Stop = Callable[[], bool]


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
    reader = _Reader(settings, topic)
    try:
        return reader.read(Newest(last, max_bytes), time.monotonic() + limit_s, stop)
    except KafkaException as error:
        raise reader.refused(error.args[0]) from error
    finally:
        reader.close()


class _Reader:
    """One consumer, for one reading."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._bootstrap, self._timeout_s = settings.bootstrap, settings.timeout_s
        self._topic = topic
        self._said = ""
        self._unread: dict[int, str] = {}
        self._ended: set[int] = set()
        with configuring("consumer"):
            self._consumer = Consumer({**_config(settings), "error_cb": self._remember, "logger": _CLIENT_LOG})

    def close(self) -> None:
        """Lets go."""
        self._consumer.close()

    def read(self, newest: Newest, deadline: float, stop: Stop) -> Tail:
        """1. How far each partition reaches. 2. Its end. 3. More of those that may have newer records than those found."""
        bounds = self._bounds()
        stretches = {p: Stretch(p, low, high) for p, (low, high) in bounds.items()}
        while not stop() and time.monotonic() < deadline:
            open_ = [s for s in stretches.values() if s.partition not in self._unread and newest.wants(s)]
            if not open_:
                break
            share = newest.share(len(bounds))
            self._read_stretches({s.partition: s.further_back(share) for s in open_}, stretches, newest, deadline, stop)
        return self._tail(newest, bounds)

    def refused(self, error: KafkaError) -> StartRefused:
        """The sentence for the operator."""
        where = f"topic {self._topic!r} at {self._bootstrap}"
        if error.code() in _NO_SUCH_TOPIC:
            return StartRefused(f"there is no {where}, or the principal may not see it")
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return StartRefused(f"the principal may not read {where}: grant READ and DESCRIBE on it")
        self._consumer.poll(0)  # the client's own words: it alone knows of a wrong secret or certificate
        also = f"; the client says {self._said}" if self._said else ""
        return StartRefused(f"{where} can't be read: {describe(error)}{also}")

    # -- how far each partition reaches ------------------------------------------------------------------------------

    def _bounds(self) -> dict[int, tuple[int, int]]:
        """The first offset of each partition, and the one after its last. Of open transactions nothing is read."""
        found = self._consumer.list_topics(self._topic, timeout=self._timeout_s).topics[self._topic]
        if found.error is not None:
            raise KafkaException(found.error)
        lows, highs = self._offsets(found.partitions, OFFSET_BEGINNING), self._offsets(found.partitions, OFFSET_END)
        known = lows.keys() & highs.keys()
        if not known:
            raise StartRefused(f"no partition of topic {self._topic!r} at {self._bootstrap} can be read: {self._why()}")
        return {partition: (lows[partition], highs[partition]) for partition in sorted(known)}

    def _offsets(self, partitions: Mapping[int, Any], which: int) -> dict[int, int]:
        """All in one question. A partition that has no leader answers for itself alone."""
        asked = [Position(self._topic, partition, which) for partition in partitions]
        offsets: dict[int, int] = {}
        for position in self._consumer.offsets_for_times(asked, timeout=self._timeout_s):
            if position.error is None:
                offsets[position.partition] = position.offset
            elif position.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise KafkaException(position.error)
            else:
                self._unread[position.partition] = describe(position.error)
        return offsets

    def _why(self) -> str:
        return "; ".join(sorted(set(self._unread.values()))) or "it has none"

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read_stretches(
        self,
        wanted: Mapping[int, tuple[int, int]],
        stretches: Mapping[int, Stretch],
        newest: Newest,
        deadline: float,
        stop: Stop,
    ) -> None:
        """Reads from one offset up to, and without, another, of several partitions at once."""
        self._ended = set()
        leases = {(self._topic, partition): Lease(self._topic, partition, 0) for partition in wanted}
        self._consumer.assign([Position(self._topic, partition, first) for partition, (first, _) in wanted.items()])
        self._consumer.resume([Position(self._topic, partition) for partition in wanted])  # a pause outlives its assign
        patience = time.monotonic() + self._timeout_s
        while self._ended < wanted.keys() and not stop():
            messages = self._consume()
            now = time.monotonic()
            if messages:
                patience = now + self._timeout_s
            for record in read(messages, leases, self._on_error):
                self._take(record, wanted[record.partition][1], stretches[record.partition], newest)
            if now > min(patience, deadline):
                self._give_up(wanted.keys() - self._ended)

    def _consume(self) -> list[Message]:
        """Waits for one message, then takes what is there: `consume` by itself would wait for all of them."""
        message = self._consumer.poll(_POLL_S)
        return [] if message is None else [message, *self._consumer.consume(_BATCH, 0)]

    def _take(self, record: Record, end: int, stretch: Stretch, newest: Newest) -> None:
        if record.partition in self._ended:
            return
        if stretch.begin <= record.offset < end:
            newest.offer(record, stretch)
        if record.offset >= end - 1:
            self._end(record.partition)

    def _end(self, partition: int) -> None:
        """Nothing more is fetched of a partition: what comes after its stretch was read before, or is too new."""
        self._ended.add(partition)
        self._consumer.pause([Position(self._topic, partition)])

    def _on_error(self, message: Message) -> None:
        """The end of a partition comes as one, too: the only sign where a stretch ends in a gap."""
        error, partition = message.error(), message.partition()
        if error is None or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return
        if error.code() == KafkaError._PARTITION_EOF and partition is not None:  # noqa: SLF001 - the library's name
            self._end(partition)
        elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED or meaning(error) is Meaning.REFUSED:
            raise KafkaException(error)
        elif meaning(error) is not Meaning.TRANSIENT and partition is not None:
            self._unread[partition] = describe(error)
            self._end(partition)
        else:
            self._remember(error)

    def _give_up(self, partitions: set[int]) -> None:
        for partition in partitions:
            self._unread[partition] = f"no answer in time{'; the client says ' + self._said if self._said else ''}"
            self._end(partition)

    def _remember(self, error: KafkaError) -> None:
        if error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._said = describe(error)

    def _tail(self, newest: Newest, bounds: Mapping[int, tuple[int, int]]) -> Tail:
        records = newest.in_order()
        if not records and self._unread:
            raise StartRefused(f"nothing of topic {self._topic!r} at {self._bootstrap} could be read: {self._why()}")
        taken = [record.partition for record in records]
        partitions = tuple(
            PartitionTail(p, *bounds.get(p, (0, 0)), taken.count(p), self._unread.get(p, ""))
            for p in sorted({*bounds, *self._unread})
        )
        return Tail(self._topic, records, partitions, int(time.time() * 1000), newest.full)


def _config(settings: KafkaSettings) -> ClientConfig:
    """What the operator says of fetching and security holds here too; what makes a member of a group does not."""
    kept = {name: value for name, value in settings.consumer_config().items() if name not in _OF_MEMBERS}
    return {**kept, **_FIXED}


_OF_MEMBERS = frozenset(
    {
        "group.protocol", "group.remote.assignor", "group.instance.id", "session.timeout.ms", "heartbeat.interval.ms",
        "partition.assignment.strategy", "max.poll.interval.ms", "auto.commit.interval.ms",
    }
)  # fmt: skip
_FIXED: Mapping[str, str | bool] = {
    "group.id": _GROUP,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
    # Where retention takes away what was just about to be read.
    "auto.offset.reset": "earliest",
}
_NO_SUCH_TOPIC: Sequence[int] = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the library's name
    KafkaError.UNKNOWN_TOPIC_ID,
)
