"""The fixture `kafka`: one real broker for the session, and what tests do with it beside the code under test."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, Message, Producer
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from tests.cluster import Cluster, jars

BOOTSTRAP = "STREAM_GUARD_TEST_BOOTSTRAP"
"""Names a broker that runs already; without it the tests start one."""
_TIMEOUT_S = 30.0
_UNDISTURBED = {"broker.session.timeout.ms": "60000"}
"""Nobody kills this broker and none takes over from it: fenced for a stall of the machine, it would have no leaders for a while."""


class Kafka:
    """A broker, and the test's own hands on it."""

    def __init__(self, bootstrap: str, options: Mapping[str, str] | None = None, replicas: int = 1) -> None:
        """Connects an admin client. `options` are what every client needs there; topics are made with so many `replicas`."""
        self.bootstrap = bootstrap
        self.replicas = replicas
        self.own: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0, **(options or {})}
        self.admin = AdminClient(self.own)

    def settings(
        self,
        group: str | None = None,
        protocol: GroupProtocol = GroupProtocol.CLASSIC,
        consumer: Mapping[str, str] | None = None,
        **more: Any,
    ) -> KafkaSettings:
        """Settings for a group of the test's own. Classic heartbeats are quick: a rebalance is learned of by one."""
        quick = {"heartbeat.interval.ms": "300"} if protocol is GroupProtocol.CLASSIC else {}
        group, consumer = group or self.name("group"), {**quick, **(consumer or {})}
        return KafkaSettings(bootstrap=self.bootstrap, group=group, protocol=protocol, consumer=consumer, **more)

    @staticmethod
    def name(stem: str) -> str:
        """A name that no other test uses."""
        return f"{stem}-{uuid.uuid4().hex[:10]}"

    def topic(self, partitions: int = 1, *, name: str | None = None, **config: str) -> str:
        """Makes a topic. `max_message_bytes="1000"` sets max.message.bytes."""
        name = name or self.name("topic")
        settings = {key.replace("_", "."): value for key, value in config.items()}
        for made in self.admin.create_topics([NewTopic(name, partitions, self.replicas, config=settings)]).values():
            made.result(_TIMEOUT_S)
        self._wait_leaders(name, partitions)
        return name

    def make_anew(self, topic: str, **config: str) -> None:
        """Deletes a topic, and makes one of the same name at once, with one partition."""
        for deleted in self.admin.delete_topics([topic]).values():
            deleted.result(_TIMEOUT_S)
        while topic in self.admin.list_topics(timeout=_TIMEOUT_S).topics:
            time.sleep(0.05)
        self.topic(1, name=topic, **config)

    def add_partitions(self, topic: str, total: int) -> None:
        """Grows a topic."""
        for grown in self.admin.create_partitions([NewPartitions(topic, total)]).values():
            grown.result(_TIMEOUT_S)
        self._wait_leaders(topic, total)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Moves the beginning of a partition's log."""
        for done in self.admin.delete_records([Position(topic, partition, offset)]).values():
            done.result(_TIMEOUT_S)

    def send(self, topic: str, values: Sequence[bytes | None], partition: int = 0, **more: Any) -> None:
        """Writes values; `key`, `headers` and `timestamp` are for all of them. Returns once they are acknowledged."""
        errors: list[KafkaError | None] = []
        # A new one each time: it knows of partitions that were added just now.
        producer = Producer({**self.own, "linger.ms": 1})
        for value in values:
            producer.produce(topic, value, partition=partition, on_delivery=lambda e, _: errors.append(e), **more)
        assert producer.flush(_TIMEOUT_S) == 0
        assert errors == [None] * len(values)

    def read(self, topic: str, count: int, partitions: int = 1) -> list[Message]:
        """The first `count` records of a topic."""
        consumer = Consumer({**self.own, "group.id": self.name("reader")})
        consumer.assign([Position(topic, p, 0) for p in range(partitions)])
        deadline, found = time.monotonic() + _TIMEOUT_S, list[Message]()
        while len(found) < count and time.monotonic() < deadline:
            found += [m for m in consumer.consume(count - len(found), 0.1) if m.error() is None]
        consumer.close()
        return found

    def committed(self, group: str, topic: str, partitions: int = 1) -> dict[int, int]:
        """The group's committed offsets by partition."""
        consumer = Consumer({**self.own, "group.id": group})
        found = consumer.committed([Position(topic, p) for p in range(partitions)], timeout=_TIMEOUT_S)
        consumer.close()
        return {p.partition: p.offset for p in found if p.offset != OFFSET_INVALID}

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Sets offsets of a group that is not at work."""
        consumer = Consumer({**self.own, "group.id": group})
        done = consumer.commit(offsets=[Position(topic, p, o) for p, o in offsets.items()], asynchronous=False)
        consumer.close()
        assert all(p.error is None for p in done)

    def _wait_leaders(self, topic: str, partitions: int) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            found = self.admin.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if len(found.partitions) >= partitions and all(p.leader >= 0 for p in found.partitions.values()):
                return
            time.sleep(0.02)
        raise RuntimeError(f"topic {topic} got no leaders")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One real Apache Kafka for all tests."""
    if running := os.environ.get(BOOTSTRAP):
        yield Kafka(running)
        return
    libs = jars()
    with Cluster(
        libs=libs, root=tmp_path_factory.mktemp("kafka"), archive=libs.parent / "kafka.jsa", overrides=_UNDISTURBED
    ) as cluster:
        yield Kafka(cluster.bootstrap)
