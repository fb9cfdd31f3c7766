"""Whose outputs may go out now."""

from __future__ import annotations

import pytest

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.ports import Output
from stream_guard.delivery.turns import Turns
from stream_guard.errors import InvariantViolated
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.records import Lease
from stream_guard.routing import Ordering, Route
from tests.cases import LEASE, make_record, make_route

ORDERED = make_route(ordering=Ordering.KEY)
LATER = Lease("chat", 0, 2)


def make_hearing(offset: int, key: bytes | None = b"a", lease: Lease = LEASE, route: Route | None = ORDERED) -> Hearing:
    """A hearing of a record of this key, on a route that wants order."""
    hearing = Hearing(make_record(offset=offset, key=key, lease=lease), 1, None, 0.0, 0)
    hearing.route = route
    return hearing


def make_output(hearing: Hearing, name: str = "rulings") -> Output:
    """An output of a hearing."""
    return Output(name, hearing.record.key, b"", (), Receipt(hearing))


def opened(turns: Turns, *hearings: Hearing) -> list[Output]:
    """Opens hearings in order. Returns one output for each."""
    for hearing in hearings:
        turns.open(hearing)
    return [make_output(hearing) for hearing in hearings]


def test_the_second_of_a_key_waits_for_the_first_to_settle() -> None:
    """All that it made meanwhile goes out then, in the order in which it was made."""
    turns, first, second = Turns(), make_hearing(1), make_hearing(2)
    one, two = opened(turns, first, second)
    verdict = make_output(second, "verdicts")
    assert turns.due(second, [verdict]) == ()
    assert turns.due(second, [two]) == ()
    assert turns.due(first, [one]) == [one]
    assert turns.settled(first) == [verdict, two]
    assert turns.settled(second) == ()
    assert len(turns) == 0


def test_one_at_a_time() -> None:
    """What is third is not let out with the second: the second might have to be sent again."""
    turns, hearings = Turns(), [make_hearing(offset) for offset in (1, 2, 3)]
    outputs = opened(turns, *hearings)
    for hearing, output in reversed(list(zip(hearings, outputs, strict=True))):
        turns.due(hearing, [output])
    assert list(turns.settled(hearings[0])) == outputs[1:2]
    assert list(turns.settled(hearings[1])) == outputs[2:]


def test_once_first_it_waits_for_nothing_more() -> None:
    """What it makes then goes out at once."""
    turns, first, second = Turns(), make_hearing(1), make_hearing(2)
    _, output = opened(turns, first, second)
    assert turns.settled(first) == []
    assert turns.due(second, [output]) == [output]


@pytest.mark.parametrize(
    "other", [make_hearing(2, b"b"), make_hearing(2, b""), make_hearing(2, lease=Lease("chat", 1, 1))], ids=repr
)
def test_another_key_or_partition_does_not_wait(other: Hearing) -> None:
    """Not for what is slow elsewhere; an empty key is a key."""
    turns = Turns()
    _, output = opened(turns, make_hearing(1), other)
    assert turns.due(other, [output]) == [output]


def test_a_record_without_a_key_waits_for_nobody() -> None:
    """Nor does anybody wait for it."""
    turns, hearings = Turns(), [make_hearing(1, None), make_hearing(2, None), make_hearing(3, b"")]
    for hearing, output in zip(hearings, opened(turns, *hearings), strict=True):
        assert turns.due(hearing, [output]) == [output]


def test_routes_without_order_pass_by() -> None:
    """They neither wait nor are waited for, and nothing is kept of them."""
    turns, first, second = Turns(), make_hearing(1, route=make_route()), make_hearing(2)
    one, two = opened(turns, first, second)
    assert (turns.due(first, [one]), turns.due(second, [two])) == ([one], [two])
    assert turns.settled(first) == ()
    turns.open(make_hearing(3, route=None))
    assert len(turns) == 1


def test_who_is_ignored_is_not_waited_for() -> None:
    """It publishes nothing."""
    turns, ignored, second = Turns(), make_hearing(1), make_hearing(2)
    ignored.outcome = Ignored(IgnoredReason.TOMBSTONE)
    _, output = opened(turns, ignored, second)
    assert turns.due(second, [output]) == [output]
    assert turns.settled(ignored) == ()


def test_who_is_dead_lettered_has_a_turn() -> None:
    """Its ruling is published in order too."""
    turns, first, refused = Turns(), make_hearing(1), make_hearing(2)
    refused.outcome = Rejection(RejectionReason.EMPTY, "")
    _, ruling = opened(turns, first, refused)
    assert turns.due(refused, [ruling]) == ()
    assert turns.settled(first) == [ruling]


def test_a_lease_that_ends_takes_its_queues_along() -> None:
    """What was held of it never goes out, what comes late counts nowhere, and the next lease begins anew."""
    turns, first, second, again = Turns(), make_hearing(1), make_hearing(2), make_hearing(2, lease=LATER)
    one, two = opened(turns, first, second)
    turns.due(second, [two])
    (repeated,) = opened(turns, again)
    turns.forget([LEASE])
    assert turns.due(again, [repeated]) == [repeated]
    assert (turns.settled(first), turns.settled(second), turns.due(first, [one])) == ((), (), ())
    assert len(turns) == 1
    turns.forget([LEASE, LATER])
    assert len(turns) == 0


def test_settling_out_of_turn_is_a_bug() -> None:
    """Nothing of it can have been sent."""
    turns, first, second = Turns(), make_hearing(1), make_hearing(2)
    opened(turns, first, second)
    with pytest.raises(InvariantViolated, match="before its turn"):
        turns.settled(second)
