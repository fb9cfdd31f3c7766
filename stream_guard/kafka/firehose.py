"""Both ends of the demo: what is fed into a topic, and what comes out of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from stream_guard.errors import StartRefused
from stream_guard.kafka.faults import describe
from stream_guard.records import Headers

_BATCH = 100
_ASK_S = 10.0
_FLUSH_S = 5.0
_QUIET = 0
"""librdkafka's own log level: nothing, it ends with its broker."""


class Published(NamedTuple):
    """A record that was read back."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class Feed:
    """Writes records. Any thread."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": _QUIET})

    def send(self, topic: str, key: str, value: bytes | None) -> None:
        """Hands a record over; it is written in the background."""
        self._producer.produce(topic, value, key)

    def close(self) -> None:
        """Waits for what was handed over, bounded."""
        self._producer.flush(_FLUSH_S)


class Tail:
    """Reads topics from their beginning, without a group. One thread at a time."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "demo-tail", "enable.auto.commit": False, "log_level": _QUIET}
        )
        self._consumer.assign([position for topic in topics for position in self._beginning(topic)])

    def read(self, timeout_s: float) -> list[Published]:
        """What came, after waiting for at most so long. Raises StartRefused where the broker refuses to be read."""
        published = []
        for message in self._consumer.consume(_BATCH, timeout_s):
            if (error := message.error()) is None:
                headers = cast("Headers", tuple(message.headers() or ()))
                published.append(Published(message.topic() or "", message.key(), message.value(), headers))
            elif not _passes(error):
                raise StartRefused(f"the demo's broker can't be read: {describe(error)}")
        return published

    def close(self) -> None:
        """Stops reading."""
        self._consumer.close()

    def _beginning(self, topic: str) -> list[TopicPartition]:
        partitions = self._consumer.list_topics(topic, timeout=_ASK_S).topics[topic].partitions
        return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions]


@contextmanager
def both_ends(bootstrap: str, outputs: Sequence[str]) -> Iterator[tuple[Feed, Tail]]:
    """A feed, and a tail of these topics. Raises StartRefused where the broker does not answer."""
    try:
        tail = Tail(bootstrap, outputs)
    except KafkaException as error:
        raise StartRefused(f"the demo's broker does not answer: {describe(error.args[0])}") from error
    with closing(tail), closing(Feed(bootstrap)) as feed:
        yield feed, tail


_TRANSIENT = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001 - the library's names of these codes


def _passes(error: KafkaError) -> bool:
    """Whether the client mends this by itself."""
    return error.retriable() or error.code() in _TRANSIENT
