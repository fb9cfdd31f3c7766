"""The last records of a topic against a real broker: which they are, and that nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as Position

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.tail import Tail, read_tail
from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from stream_guard.records import Lease
from tests.fixtures_kafka import Kafka

pytestmark = pytest.mark.kafka

NOON = 1_700_000_000_000


def make_topic(kafka: Kafka, *, partitions: int = 1, **config: str) -> str:
    """A topic that keeps what is old."""
    return kafka.topic(partitions, retention_ms="-1", **config)


def send_at(kafka: Kafka, topic: str, partition: int, seconds: Sequence[int]) -> None:
    """One record for each second after noon; its value says which."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for second in seconds:
        producer.produce(topic, str(second).encode(), partition=partition, timestamp=NOON + second * 1000)
    assert producer.flush(10) == 0


def values(tail: Tail) -> list[int]:
    """Which seconds a tail holds."""
    return [int(record.value or b"") for record in tail.records]


def places(tail: Tail) -> list[tuple[int, int]]:
    """Where the records of a tail stand."""
    return [(record.partition, record.offset) for record in tail.records]


def in_transaction(kafka: Kafka, topic: str, records: int, *, commit: bool) -> Producer:
    """Writes records in a transaction; an open one is the caller's to abort."""
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.name("transaction"), "log_level": 0}
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    for _ in range(records):
        producer.produce(topic, b"0", partition=0)
    producer.flush(10)
    if commit:
        producer.commit_transaction(20)
    return producer


def test_the_last_records_come_in_order(kafka: Kafka) -> None:
    """The last N of one partition, as the poll thread would give them, under a lease of epoch zero."""
    topic = make_topic(kafka)
    kafka.send(topic, [b"a", None, b"c"], key=b"k", headers=[("h", b"1"), ("h", None)], timestamp=NOON)
    tail = read_tail(kafka.settings(), topic, 2)
    assert [(record.value, record.key) for record in tail.records] == [(None, b"k"), (b"c", b"k")]
    assert tail.records[0].lease == Lease(topic, 0, 0)
    assert tail.records[0].headers == (("h", b"1"), ("h", None))
    assert tail.span_ms == (NOON, NOON)
    assert [(p.low, p.high, p.taken, p.unread) for p in tail.partitions] == [(0, 3, 2, "")]


def test_timestamps_decide_between_partitions(kafka: Kafka) -> None:
    """A busy partition gives what came meanwhile; of a quiet one what is as new, an empty one nothing."""
    topic = make_topic(kafka, partitions=3)
    send_at(kafka, topic, 0, range(1000))
    send_at(kafka, topic, 1, [0, 1, 2, 950, 999])
    tail = read_tail(kafka.settings(), topic, 100)
    assert values(tail) == sorted([*range(902, 1000), 950, 999])
    assert [p.taken for p in tail.partitions] == [98, 2, 0]
    assert places(tail)[-2:] == [(0, 999), (1, 4)]


def test_equal_timestamps_take_from_all_partitions(kafka: Kafka) -> None:
    """Where the clock says nothing, no partition is left out."""
    topic = make_topic(kafka, partitions=4)
    for partition in range(4):
        kafka.send(topic, [b"0"] * 50, partition, timestamp=NOON)
    assert [p.taken for p in read_tail(kafka.settings(), topic, 40).partitions] == [10] * 4


def test_more_than_there_is_is_all_there_is(kafka: Kafka) -> None:
    """A short topic is read whole, an empty one is no error."""
    topic, empty = make_topic(kafka, partitions=2), make_topic(kafka)
    send_at(kafka, topic, 0, range(5))
    assert values(read_tail(kafka.settings(), topic, 100_000)) == list(range(5))
    tail = read_tail(kafka.settings(), empty, 10)
    assert (tail.records, tail.span_ms) == ((), None)


def test_what_retention_took_is_not_waited_for(kafka: Kafka) -> None:
    """A log that begins late has fewer records, a partition that is all gone has none."""
    topic = make_topic(kafka, partitions=2)
    send_at(kafka, topic, 0, range(20))
    send_at(kafka, topic, 1, range(5))
    kafka.delete_before(topic, 0, 17)
    kafka.delete_before(topic, 1, 5)
    tail = read_tail(kafka.settings(), topic, 10)
    assert values(tail) == [17, 18, 19]
    assert [(p.low, p.high) for p in tail.partitions] == [(17, 20), (5, 5)]


def test_compacted_gaps_are_read_across(kafka: Kafka) -> None:
    """Where most offsets hold no record any more, the last N are still N."""
    topic = make_topic(
        kafka,
        cleanup_policy="compact",
        min_cleanable_dirty_ratio="0.001",
        segment_ms="100",
        max_compaction_lag_ms="100",
        delete_retention_ms="0",
    )
    for number in range(5):
        kafka.send(topic, [str(number).encode()], key=f"kept-{number}".encode())
    kafka.send(topic, [b"7"] * 2000, key=b"same")
    time.sleep(0.2)
    kafka.send(topic, [b"8"], key=b"same")  # rolls the segment, so that it may be cleaned
    deadline = time.monotonic() + 60
    while len(tail := read_tail(kafka.settings(), topic, 7).records) > 7 or tail[0].offset > 4:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert [record.offset for record in tail][:3] == [0, 1, 2]


@pytest.mark.parametrize("commit", [True, False])
def test_transactions_end_in_no_record(kafka: Kafka, commit: bool) -> None:
    """The marker at a log's end is no record; of an open or aborted transaction nothing is read and nothing waited for."""
    topic = make_topic(kafka)
    kafka.send(topic, [b"1"] * 3)
    producer = in_transaction(kafka, topic, 4, commit=commit)
    before = time.monotonic()
    while_open = read_tail(kafka.settings(), topic, 10)
    while commit and len(while_open.records) < 7 and time.monotonic() < before + 5:  # the broker writes markers later
        while_open = read_tail(kafka.settings(), topic, 10)
    assert len(while_open.records) == (7 if commit else 3)
    if not commit:
        producer.abort_transaction(20)
    after = read_tail(kafka.settings(), topic, 10)
    assert len(after.records) == len(while_open.records)
    assert [p.unread for p in after.partitions] == [""]
    assert time.monotonic() - before < 10


def test_nothing_that_comes_later_is_read(kafka: Kafka) -> None:
    """The topic goes on while it is read: what came after the beginning of the reading is not taken."""
    topic = make_topic(kafka)
    kafka.send(topic, [b"0"] * 10)
    asked = 0

    def write_on() -> bool:
        nonlocal asked
        asked += 1
        kafka.send(topic, [b"1"])
        return False

    tail = read_tail(kafka.settings(), topic, 50, stop=write_on)
    assert asked
    assert all(record.offset < tail.partitions[0].high for record in tail.records)
    assert kafka.read(topic, tail.partitions[0].high + 1)[-1].offset() == tail.partitions[0].high


@pytest.mark.parametrize("protocol", GroupProtocol)
def test_no_trace_is_left(kafka: Kafka, protocol: GroupProtocol) -> None:
    """The broker knows of no group that it did not know before, of no offset and of no topic."""
    topic = make_topic(kafka, partitions=2)
    send_at(kafka, topic, 0, range(20))
    settings = kafka.settings(protocol=protocol, consumer={"group.instance.id": "one"})

    def groups() -> set[str]:
        return {group.group_id for group in kafka.admin.list_consumer_groups().result(10).valid}

    kafka.commit(settings.group, topic, {0: 3})
    known = groups()
    assert len(read_tail(settings, topic, 10).records) == 10
    assert groups() <= known
    assert kafka.committed(settings.group, topic, 2) == {0: 3}
    assert kafka.committed("stream-guard-tail", topic, 2) == {}


def test_a_topic_that_is_missing_is_refused_and_not_made(kafka: Kafka) -> None:
    """The sentence names it; asking for it does not make it."""
    absent = kafka.name("absent")
    with pytest.raises(StartRefused, match=f"there is no topic '{absent}'"):
        read_tail(kafka.settings(), absent, 10)
    assert absent not in kafka.admin.list_topics(timeout=10).topics


def test_memory_is_bounded_in_bytes(kafka: Kafka) -> None:
    """Large records: fewer are kept than were asked for, the newest, and the tail says so; never none."""
    topic = make_topic(kafka)
    kafka.send(topic, [bytes(10_000)] * 50)
    tail = read_tail(kafka.settings(), topic, 40, max_bytes=100_000)
    assert [record.offset for record in tail.records] == list(range(40, 50))
    assert tail.full
    assert len(read_tail(kafka.settings(), topic, 40, max_bytes=1).records) == 1


def test_it_can_be_told_to_stop(kafka: Kafka) -> None:
    """Whoever waits may stop waiting."""
    topic = make_topic(kafka)
    kafka.send(topic, [b"0"] * 10)
    assert read_tail(kafka.settings(), topic, 5, stop=lambda: True).records == ()


def test_many_partitions_are_read_within_seconds(kafka: Kafka) -> None:
    """Partitions are asked about together, not one after the other."""
    topic = make_topic(kafka, partitions=60)
    for partition in range(0, 60, 3):
        kafka.send(topic, [b"1"] * 5, partition)
    before = time.monotonic()
    assert len(read_tail(kafka.settings(), topic, 100).records) == 100
    assert time.monotonic() - before < 8


def test_a_broker_that_does_not_answer_is_refused() -> None:
    """In the time of one question, with what the client says of it."""
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", timeout_s=0.5)
    before = time.monotonic()
    with pytest.raises(StartRefused, match=r"at 127\.0\.0\.1:1 can't be read.*the client says"):
        read_tail(settings, "t", 10)
    assert time.monotonic() - before < 5


def test_records_of_a_deleted_beginning_are_skipped(kafka: Kafka) -> None:
    """Retention moves the beginning while the tail is read: what is left is read, in order and once."""
    topic = make_topic(kafka)
    send_at(kafka, topic, 0, range(100))
    done: list[int] = []

    def take_away() -> bool:
        if not done:
            done.append(1)
            kafka.admin.delete_records([Position(topic, 0, 90)])[Position(topic, 0)].result(10)
        return False

    assert values(read_tail(kafka.settings(), topic, 50, stop=take_away)) == list(range(90, 100))
