"""What is in flight is bounded by configuration, whatever the input."""

from __future__ import annotations

import pytest

from stream_guard.delivery.window import Bounds, Window
from stream_guard.errors import InvariantViolated

BOUNDS = Bounds(records=80, bytes=10_000, record_bytes=100)


def test_credit_is_given_once() -> None:
    """Room that was granted is not granted again before the records came."""
    window = Window(BOUNDS)
    assert window.credit() == 80
    assert window.credit() == 0


def test_credit_never_exceeds_the_room_for_the_largest_records() -> None:
    """Bytes are reserved for each credit, because it is given before the record is seen."""
    window = Window(Bounds(records=80, bytes=1_000, record_bytes=100))
    assert window.credit() == 10


def test_what_leaves_makes_room() -> None:
    """A settled record's place is granted again, though not in driblets while credit is out."""
    window = Window(BOUNDS)
    window.enter(window.credit(), 8_000)
    assert window.credit() == 0
    for _ in range(5):
        window.leave(100)
    assert window.credit() == 5


def test_small_change_is_kept_back_while_credit_is_out() -> None:
    """Polls of a few records cost as much as polls of many."""
    window = Window(BOUNDS)
    window.credit()
    window.enter(5, 0)
    for _ in range(5):
        window.leave(0)
    assert window.credit() == 0
    window.enter(20, 0)
    for _ in range(20):
        window.leave(0)
    assert window.credit() == 25


def test_bounds_below_one_record_let_one_through() -> None:
    """A window too small for the largest record slows the service down, it does not stop it."""
    window = Window(Bounds(records=80, bytes=10, record_bytes=100))
    assert window.credit() == 1
    window.enter(1, 100)
    assert window.credit() == 0


def test_more_than_granted_is_a_bug() -> None:
    """A source that ignores its credit would break the bound on memory."""
    window = Window(BOUNDS)
    with pytest.raises(InvariantViolated, match="more than it was granted"):
        window.enter(1, 10)


def test_more_out_than_in_is_a_bug() -> None:
    """A record leaves once."""
    with pytest.raises(InvariantViolated, match="more left the window"):
        Window(BOUNDS).leave(1)
