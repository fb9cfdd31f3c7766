from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError, Message

from stream_guard.kafka.consumer.reading import UNREADABLE_HEADERS, read
from stream_guard.records import Lease, Record

LEASE = Lease("t", 0, 7)


def make_message(offset: int = 0, **more: Any) -> Message:
    """A message of partition 0."""
    return Message(**{"topic": "t", "partition": 0, "offset": offset, "timestamp": (1, 5), "value": b"v", **more})


class BadHeaders(Message):
    """What confluent-kafka 2.16 does with a header name that is not UTF-8 (seen on a real broker)."""

    def headers(self) -> Any:
        """Fails as the C code does."""
        raise SystemError("returned a result with an exception set")


def read_all(*messages: Message) -> list[Record]:
    """The records of messages without an error among them."""
    return read(messages, {("t", 0): LEASE}, lambda _: None)


def test_what_is_absent_is_none() -> None:
    """No value, key, header, timestamp or epoch: None or nothing, never empty bytes."""
    (record,) = read_all(make_message(value=None, timestamp=(0, -1)))
    assert record == Record(LEASE, 0, None, None, (), None, "none", None)


def test_what_is_there_is_kept() -> None:
    """Every field, with headers in order."""
    headers = [("a", b"1"), ("a", None)]
    (record,) = read_all(make_message(3, key=b"k", headers=headers, timestamp=(2, 9), leader_epoch=4))
    assert record == Record(LEASE, 3, b"v", b"k", (("a", b"1"), ("a", None)), 9, "log_append", 4)


def test_unreadable_headers_are_a_flaw_of_that_record_alone() -> None:
    """One bad header must not end the poll thread, and its record must not pass for whole."""
    bad = BadHeaders(topic="t", partition=0, offset=1, timestamp=(1, 5), value=b"v")
    before, flawed, after = read_all(make_message(0), bad, make_message(2))
    assert (flawed.flaw, flawed.headers, flawed.value) == (UNREADABLE_HEADERS, (), b"v")
    assert before.flaw == after.flaw == ""


def test_what_is_under_no_lease_is_not_passed_on() -> None:
    """A record of a partition that is not read any more is not the pipeline's."""
    assert read_all(make_message(partition=1), make_message(topic="other")) == []


def test_an_error_can_end_a_lease_among_its_messages() -> None:
    """Records behind an error that halts their partition are not passed on: that would skip what stands there."""
    leases = {("t", 0): LEASE, ("t", 1): Lease("t", 1, 8)}
    error = make_message(1, error=KafkaError(KafkaError._BAD_MSG))
    messages = [make_message(0), error, make_message(2), make_message(5, partition=1)]

    def end(message: Message) -> None:
        leases.pop((str(message.topic()), int(message.partition() or 0)))

    records = read(messages, leases, end)
    assert [(r.partition, r.offset) for r in records] == [(0, 0), (1, 5)]
