"""Leases that are about to leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_guard.delivery.departures import Departure, Departures
from stream_guard.records import Lease

A, B = (Lease("chat", 0, 1),), (Lease("chat", 1, 1),)


def done_are(*leases: tuple[Lease, ...]) -> Callable[[Sequence[Lease]], bool]:
    """Of these revocations all work is done."""
    return lambda asked: asked in leases


def test_leases_go_once_their_work_is_done() -> None:
    """Each revocation by itself, and once only."""
    departures = Departures()
    departures.begin(A, until=10.0)
    departures.begin(B, until=10.0)
    assert departures.due(1.0, done_are(B)) == [Departure(B, drained=True)]
    assert departures.due(2.0, done_are(B)) == []
    assert departures.due(3.0, done_are(A, B)) == [Departure(A, drained=True)]


def test_leases_go_when_the_time_is_up() -> None:
    """Whatever is left is judged by whoever comes next."""
    departures = Departures()
    departures.begin(A, until=10.0)
    assert departures.due(9.9, done_are()) == []
    assert departures.due(10.0, done_are()) == [Departure(A, drained=False)]
    assert departures.due(11.0, done_are()) == []
