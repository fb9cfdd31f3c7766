"""When it is told that leases were read to their end."""

from __future__ import annotations

from stream_guard.kafka.consumer.ended import Ended
from stream_guard.records import Lease

ONE, TWO = Lease("t", 0, 1), Lease("t", 1, 2)


def test_it_is_told_beside_records_at_once_and_once() -> None:
    """The latest offset of each lease."""
    ended = Ended()
    ended.note(ONE, 3)
    ended.note(TWO, 9)
    ended.note(ONE, 5)
    assert ended.take(0.0, beside_records=True) == {ONE: 5, TWO: 9}
    assert ended.take(0.0, beside_records=True) == {}


def test_alone_it_is_told_once_a_second_at_most() -> None:
    """Each time wakes the event loop; nothing is lost by it."""
    ended = Ended()
    ended.note(ONE, 3)
    assert ended.take(10.0, beside_records=False) == {ONE: 3}
    ended.note(TWO, 9)
    assert ended.take(10.5, beside_records=False) == {}
    assert ended.take(11.0, beside_records=False) == {TWO: 9}
