"""Reading stretches of a topic's partitions without a consumer group.

Partitions are assigned, never subscribed to: no group is joined, nothing is committed and no offset stored. The principal
needs READ and DESCRIBE on the topic and no right on any group: librdkafka wants a group id and asks which broker would
coordinate it, but goes on where it may not know.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from stream_guard.errors import StartRefused
from stream_guard.kafka.consumer.reading import read
from stream_guard.kafka.faults import Meaning, configuring, describe, meaning
from stream_guard.kafka.settings import ClientConfig, KafkaSettings
from stream_guard.records import Lease, Record

_GROUP = "stream-guard-tail"
"""Of no real group, so that not even a bug could touch one."""
_POLL_S = 0.1
_BATCH = 500
_CLIENT_LOG = logging.getLogger("stream_guard.kafka.client")

Stop: TypeAlias = Callable[[], bool]
Take: TypeAlias = Callable[[Record], None]
Stretches: TypeAlias = Mapping[int, tuple[int, int]]
"""For each partition the first offset to read, and the one before which reading ends."""


class AssignedReader:
    """One consumer, for the readings of one topic. Blocks, bounded; to be closed."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.topic, self.bootstrap = topic, settings.bootstrap
        self.unread: dict[int, str] = {}
        """Why a partition could not be read to its end."""
        self._timeout_s = settings.timeout_s
        self._said = ""
        self._ended: set[int] = set()
        with configuring("consumer"):
            self._consumer = Consumer({**_config(settings), "error_cb": self._remember, "logger": _CLIENT_LOG})

    def close(self) -> None:
        """Lets go."""
        self._consumer.close()

    def refused(self, error: KafkaError) -> StartRefused:
        """The sentence for the operator."""
        where = f"topic {self.topic!r} at {self.bootstrap}"
        if error.code() in _NO_SUCH_TOPIC:
            return StartRefused(f"there is no {where}, or the principal may not see it")
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return StartRefused(f"the principal may not read {where}: grant READ and DESCRIBE on it")
        self._consumer.poll(0)  # the client's own words: it alone knows of a wrong secret or certificate
        also = f"; the client says {self._said}" if self._said else ""
        return StartRefused(f"{where} can't be read: {describe(error)}{also}")

    # -- how far each partition reaches ------------------------------------------------------------------------------

    def bounds(self) -> dict[int, tuple[int, int]]:
        """The first offset of each partition, and the one after its last. Of open transactions nothing is read."""
        found = self._consumer.list_topics(self.topic, timeout=self._timeout_s).topics[self.topic]
        if found.error is not None:
            raise KafkaException(found.error)
        lows, highs = self._offsets(found.partitions, OFFSET_BEGINNING), self._offsets(found.partitions, OFFSET_END)
        known = lows.keys() & highs.keys()
        if not known:
            raise StartRefused(f"no partition of topic {self.topic!r} at {self.bootstrap} can be read: {self.why()}")
        return {partition: (lows[partition], highs[partition]) for partition in sorted(known)}

    def _offsets(self, partitions: Mapping[int, Any], which: int) -> dict[int, int]:
        """All in one question. A partition that has no leader answers for itself alone."""
        asked = [Position(self.topic, partition, which) for partition in partitions]
        offsets: dict[int, int] = {}
        for position in self._consumer.offsets_for_times(asked, timeout=self._timeout_s):
            if position.error is None:
                offsets[position.partition] = position.offset
            elif position.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise KafkaException(position.error)
            else:
                self.unread[position.partition] = describe(position.error)
        return offsets

    def why(self) -> str:
        """Why nothing could be read."""
        return "; ".join(sorted(set(self.unread.values()))) or "it has none"

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, wanted: Stretches, take: Take, deadline: float, stop: Stop) -> None:
        """Reads stretches of several partitions at once, each in order. `deadline` is monotonic, in seconds.

        What does not come in time is given up, and named in `unread`: so is a partition that can't be read.
        """
        self._ended = set()
        leases = {(self.topic, partition): Lease(self.topic, partition, 0) for partition in wanted}
        self._consumer.assign([Position(self.topic, partition, first) for partition, (first, _) in wanted.items()])
        self._consumer.resume([Position(self.topic, partition) for partition in wanted])  # a pause outlives its assign
        patience = time.monotonic() + self._timeout_s
        while self._ended < wanted.keys() and not stop():
            messages = self._consume()
            for record in read(messages, leases, self._on_error):
                self._take(record, wanted[record.partition], take)
            now = time.monotonic()
            if messages:  # however long it took to take them
                patience = now + self._timeout_s
            if now > min(patience, deadline):
                self._give_up(wanted.keys() - self._ended)

    def _consume(self) -> list[Message]:
        """Waits for one message, then takes what is there: `consume` by itself would wait for all of them."""
        message = self._consumer.poll(_POLL_S)
        return [] if message is None else [message, *self._consumer.consume(_BATCH, 0)]

    def _take(self, record: Record, stretch: tuple[int, int], take: Take) -> None:
        if record.partition in self._ended:
            return
        begin, end = stretch
        if begin <= record.offset < end:
            take(record)
        if record.offset >= end - 1:
            self._end(record.partition)

    def _end(self, partition: int) -> None:
        """Nothing more is fetched of a partition: what comes after its stretch was read before, or is too new."""
        self._ended.add(partition)
        self._consumer.pause([Position(self.topic, partition)])

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
            self.unread[partition] = describe(error)
            self._end(partition)
        else:
            self._remember(error)

    def _give_up(self, partitions: set[int]) -> None:
        for partition in partitions:
            self.unread[partition] = f"no answer in time{'; the client says ' + self._said if self._said else ''}"
            self._end(partition)

    def _remember(self, error: KafkaError) -> None:
        if error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._said = describe(error)


def _config(settings: KafkaSettings) -> ClientConfig:
    # Where retention takes away what was just about to be read, reading goes on at what is left.
    return {**settings.reader_config(), "group.id": _GROUP, "auto.offset.reset": "earliest"}


_NO_SUCH_TOPIC: Sequence[int] = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the library's name
    KafkaError.UNKNOWN_TOPIC_ID,
)
