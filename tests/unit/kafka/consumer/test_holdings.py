from __future__ import annotations

from stream_guard.kafka.consumer.holdings import Holdings
from stream_guard.records import Lease, TopicPartition

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


def test_every_assignment_has_an_epoch_of_its_own() -> None:
    """The same partition assigned again is another lease, and the earlier one is not held any more."""
    holdings = Holdings()
    (first,) = holdings.assign([P0], lambda topic: f"id of {topic}")
    holdings.drop([first])
    (again,) = holdings.assign([P0], lambda topic: f"id of {topic}")
    assert again.epoch > first.epoch
    assert holdings.holds(again)
    assert not holdings.holds(first)


def test_only_what_is_held_is_found() -> None:
    """A partition that is not ours has no lease."""
    holdings = Holdings()
    leases = holdings.assign([P0], lambda topic: f"id of {topic}")
    assert holdings.of([P0, P1]) == leases == (Lease("t", 0, 1, "id of t"),)


def test_a_halted_partition_is_held_but_not_read() -> None:
    """Its settled offsets can still be stored; it is halted once."""
    holdings = Holdings()
    leases = holdings.assign([P0, P1], lambda topic: f"id of {topic}")
    assert holdings.halt(P0) == leases[0]
    assert holdings.halt(P0) is None
    assert list(holdings.reading.values()) == [leases[1]]
    assert holdings.holds(leases[0])
    assert holdings.of([P0]) == leases[:1]
