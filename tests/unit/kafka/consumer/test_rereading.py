"""What is read again: where a lease begins, which of its records are past, and when that is given up."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream_guard.kafka.consumer.rereading import Rereading, nothing
from stream_guard.records import Lease, Record
from tests.members import LogBook

LEASE = Lease("t", 3, 1)


class Answering:
    """A consumer that knows where logs begin and end, or does not."""

    def __init__(self, answer: tuple[int, int] | Exception | None) -> None:
        """Answers so."""
        self.answer = answer
        self.asked: list[tuple[TopicPartition, float]] = []

    def get_watermark_offsets(self, partition: TopicPartition, *, timeout: float) -> tuple[int, int] | None:
        """The answer."""
        self.asked.append((partition, timeout))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def begin(
    answer: tuple[int, int] | Exception | None, *, committed: int = 100, count: int = 10, left_s: float = 5.0
) -> tuple[int | None, Rereading, LogBook]:
    """Where a lease begins under this answer."""
    log, consumer = LogBook(), Answering(answer)
    rereading = Rereading(lambda topic: count if topic == "t" else 0, log)
    client: Any = consumer
    begun = rereading.begin(client, LEASE, committed, time.monotonic() + left_s)
    assert all(0 < timeout <= left_s for _, timeout in consumer.asked)
    return begun, rereading, log


@pytest.mark.parametrize(
    ("bounds", "committed", "begins"),
    [
        ((0, 200), 100, 90),
        ((95, 200), 100, 95),
        ((0, 100), 100, 90),
        ((0, 200), 4, 0),
        ((99, 100), 100, 99),
    ],
)
def test_a_lease_begins_so_many_records_before(bounds: tuple[int, int], committed: int, begins: int) -> None:
    """Or where the log does."""
    begun, rereading, log = begin(bounds, committed=committed)
    assert begun == begins
    assert rereading.holds(LEASE)
    assert log.events() == []


@pytest.mark.parametrize(("bounds", "committed"), [((100, 200), 100), ((101, 200), 100), ((0, 99), 100), ((0, 9), 0)])
def test_nothing_is_read_again_where_nothing_is_or_the_offset_is_not_in_the_log(
    bounds: tuple[int, int], committed: int
) -> None:
    """An offset that is out of range must be told by the client, as ever."""
    begun, rereading, _ = begin(bounds, committed=committed)
    assert begun is None
    assert not rereading.holds(LEASE)


@pytest.mark.parametrize("answer", [None, KafkaException(KafkaError(KafkaError._TIMED_OUT, "slow"))])
def test_a_cluster_that_does_not_answer_costs_the_context_alone(answer: KafkaException | None) -> None:
    """It is logged, and reading begins at the committed offset."""
    begun, _, log = begin(answer)
    assert begun is None
    assert log.events() == ["kafka.reread_skipped"]


def test_no_partition_is_asked_about_once_the_time_is_up() -> None:
    """A rebalance must not wait for the context of a thousand partitions."""
    begun, _, log = begin((0, 200), left_s=0.0)
    assert begun is None
    assert log.lines == [("kafka.reread_skipped", {"reason": "no time left", "topic": "t", "partition": 3})]


def test_a_topic_without_context_is_not_even_asked_about() -> None:
    """Nor where no route has any."""
    consumer: Any = Answering((0, 200))
    for reread in (nothing, lambda topic: int(topic == "other")):
        assert Rereading(reread, LogBook()).begin(consumer, LEASE, 100, time.monotonic() + 5) is None
    assert consumer.asked == []


def test_what_stands_below_the_committed_offset_is_past() -> None:
    """Everything from there on is not, nor is what other leases read."""
    _, rereading, _ = begin((0, 200))
    other = LEASE._replace(partition=4)
    records = [Record(LEASE, offset, b"") for offset in (90, 98, 103, 104)] + [Record(other, 5, b"")]
    assert [record.past for record in rereading.mark(records)] == [True, True, False, False, False]
    assert not rereading.holds(LEASE)
    assert rereading.mark(records) is records


def test_the_last_record_before_the_committed_offset_ends_it() -> None:
    """From there on, what is wrong with the partition is wrong with what is to be judged."""
    _, rereading, _ = begin((0, 200))
    (last,) = rereading.mark([Record(LEASE, 99, b"")])
    assert last.past
    assert not rereading.holds(LEASE)
    assert rereading.end(LEASE) is None


def test_who_gives_up_learns_where_to_go_on() -> None:
    """Once."""
    _, rereading, _ = begin((0, 200))
    assert rereading.end(LEASE) == 100
    assert rereading.end(LEASE) is None
