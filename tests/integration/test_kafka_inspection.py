"""What a real cluster says of itself: topics, rights, the group, and what waits."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.attach import Start
from stream_guard.kafka.cluster.inspection import Inspection, Sight, inspect
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from tests.fixtures_kafka import Kafka

pytestmark = pytest.mark.kafka
HOUR_MS = 3_600_000


@pytest.fixture
def settings(kafka: Kafka) -> KafkaSettings:
    """A group of the test's own."""
    return kafka.settings()


def ask(settings: KafkaSettings, *topics: str, outputs: Collection[str] = (), start: Start = "earliest") -> Inspection:
    """Inspects these inputs."""
    return inspect(settings, Selection(tuple(topics)), outputs, start)


def send_hourly(kafka: Kafka, topic: str, count: int, partition: int = 0) -> int:
    """Writes records an hour apart, the last one an hour ago. Returns the first one's timestamp."""
    first = int(time.time() * 1000) - count * HOUR_MS
    for number in range(count):
        kafka.send(topic, [b"x"], partition, timestamp=first + number * HOUR_MS)
    return first


def test_a_topic_is_described(kafka: Kafka, settings: KafkaSettings) -> None:
    """Its shape, what we may do, and its settings; one that does not exist is told from it."""
    topic, output = kafka.topic(3, retention_ms="60000"), kafka.topic(1)
    said = ask(settings, topic, "nobody.made.this", outputs=[output])
    facts = said.topics[topic]
    assert (facts.sight, facts.partitions, facts.replicas, facts.in_sync, facts.leaderless) == (Sight.SEEN, 3, 1, 1, 0)
    assert {"READ", "WRITE"} <= (facts.operations or set())
    assert (facts.settings or {})["retention.ms"] == "60000"
    assert said.topics["nobody.made.this"].sight is Sight.ABSENT
    assert said.topics[output].sight is Sight.SEEN
    assert said.cluster_id
    assert (said.brokers, said.untold) == (1, ())


def test_the_settings_that_decide_a_takeover_are_known(kafka: Kafka, settings: KafkaSettings) -> None:
    """The group's, which are the broker's where it has none of its own, and the broker's bounds."""
    said = ask(settings, kafka.topic())
    assert (said.group.settings or {})["consumer.session.timeout.ms"] == "6000"
    broker = said.broker_settings or {}
    assert broker["group.consumer.min.session.timeout.ms"] == broker["group.min.session.timeout.ms"] == "1000"
    assert "consumer" in broker["group.coordinator.rebalance.protocols"]


def test_a_groups_own_settings_are_told_from_the_brokers(kafka: Kafka, settings: KafkaSettings) -> None:
    """What `kafka-configs --entity-type groups` set is what counts for its members."""
    entry = ConfigEntry("consumer.session.timeout.ms", "9000", incremental_operation=AlterConfigOpType.SET)
    group = ConfigResource(ResourceType.GROUP, settings.group, incremental_configs=[entry])
    for done in kafka.admin.incremental_alter_configs([group]).values():
        done.result(10)
    deadline = time.monotonic() + 10  # the broker learns of it from its controller
    while (found := ask(settings).group.settings or {})["consumer.session.timeout.ms"] != "9000":
        assert time.monotonic() < deadline, found


@pytest.mark.parametrize("protocol", GroupProtocol)
def test_a_group_at_work_is_seen(kafka: Kafka, protocol: GroupProtocol) -> None:
    """How many members it has, and how they talk; asking makes none."""
    settings, topic = kafka.settings(protocol=protocol), kafka.topic()
    assert ask(settings, topic).group.members == 0
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": settings.group,
            "group.protocol": str(protocol),
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    deadline = time.monotonic() + 20
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.poll(0.1)
    group = ask(settings, topic).group
    consumer.close()
    assert (group.members, group.protocol) == (1, str(protocol))


def test_a_new_group_begins_where_start_says(kafka: Kafka, settings: KafkaSettings) -> None:
    """At the beginning, the end, or a time; nothing is committed by asking."""
    topic = kafka.topic(2)
    first = send_hourly(kafka, topic, 10)
    moment = datetime.fromtimestamp((first + 3 * HOUR_MS - 1000) / 1000, UTC)
    found = {str(start): ask(settings, topic, start=start).partitions for start in ("earliest", "latest", moment)}
    assert [[(p.at, p.waiting) for p in partitions] for partitions in found.values()] == [
        [(0, 10), (0, 0)],
        [(10, 0), (0, 0)],
        [(3, 7), (0, 0)],
    ]
    assert [p[0].oldest_ms for p in found.values()] == [first, None, first + 3 * HOUR_MS]
    assert kafka.committed(settings.group, topic, 2) == {}


@pytest.mark.parametrize("committed", [1, 17, 39])
def test_the_age_of_what_waits_is_known_for_any_offset(kafka: Kafka, settings: KafkaSettings, committed: int) -> None:
    """To the second, though no record is read."""
    topic = kafka.topic(2)
    first = send_hourly(kafka, topic, 40)
    kafka.commit(settings.group, topic, {0: committed})
    one, other = ask(settings, topic, start="latest").partitions
    assert (one.at, one.committed, one.waiting, one.attached) == (committed, committed, 40 - committed, True)
    assert one.oldest_ms is not None
    assert abs(one.oldest_ms - (first + committed * HOUR_MS)) < 1000
    assert (other.committed, other.at, other.attached) == (None, 0, True), "a partition that came later"


def test_timestamps_out_of_order_do_not_confuse(kafka: Kafka, settings: KafkaSettings) -> None:
    """The newest that was written up to there counts: what a broker can say of times."""
    topic, now = kafka.topic(), int(time.time() * 1000)
    for hours in (30, 10, 20, 5):
        kafka.send(topic, [b"x"], timestamp=now - hours * HOUR_MS)
    kafka.commit(settings.group, topic, {0: 2})
    (facts,) = ask(settings, topic).partitions
    assert facts.oldest_ms is not None
    assert abs(facts.oldest_ms - (now - 10 * HOUR_MS)) < 1000


def test_records_that_are_gone_are_seen(kafka: Kafka, settings: KafkaSettings) -> None:
    """The group's offset stands before the beginning of the log."""
    topic = kafka.topic()
    kafka.send(topic, [b"x"] * 10)
    kafka.commit(settings.group, topic, {0: 2})
    kafka.delete_before(topic, 0, 6)
    (facts,) = ask(settings, topic).partitions
    assert (facts.committed, facts.begin, facts.waiting) == (2, 6, 4)


def test_a_cluster_that_does_not_answer_is_named() -> None:
    """After one question's time."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(StartRefused, match=f"Kafka at {address} does not answer"):
        ask(KafkaSettings(bootstrap=address, group="guard", timeout_s=1.0), "in")
