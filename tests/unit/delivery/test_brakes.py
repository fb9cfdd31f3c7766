from __future__ import annotations

import pytest

from stream_guard.delivery.brakes import BrakeBounds, Brakes, Change
from stream_guard.delivery.ledger import Ledgers
from stream_guard.delivery.window import Bounds, Window
from stream_guard.records import Lease

HOT, COLD, QUIET = Lease("mail", 0, 1), Lease("mail", 1, 1), Lease("mail", 2, 1)


BOUNDS = BrakeBounds()


class Rig:
    """Brakes beside a window of 100 records and 100,000 bytes, and ledgers. A second passes between two steps."""

    def __init__(self, bounds: BrakeBounds = BOUNDS, record_bytes: int = 1, leases: int = 2) -> None:
        self.brakes = Brakes(bounds)
        self.window = Window(Bounds(records=100, bytes=100_000, record_bytes=record_bytes))
        self.ledgers: Ledgers[int] = Ledgers()
        held = (HOT, COLD, QUIET)[:leases]
        self.ledgers.assign(held)
        self._next = dict.fromkeys(held, 0)
        self.now = 0.0

    def open(self, lease: Lease, count: int, size: int = 1) -> None:
        """Records of a lease are read."""
        self.window._credit += count
        self.window.enter(count, count * size)
        for offset in range(self._next[lease], self._next[lease] + count):
            self.ledgers.open(lease, offset, size, size)
        self._next[lease] += count

    def settle(self, lease: Lease, *offsets: int, size: int = 1) -> None:
        """Records of a lease are settled."""
        for offset in offsets:
            self.ledgers.settle(lease, offset, size)
            self.window.leave(size)

    def step(self, seconds: float = 1.0) -> Change:
        """What is to change."""
        self.now += seconds
        return self.brakes.step(self.now, self.window, self.ledgers)


NOTHING = Change()


def test_a_lease_that_fills_the_window_gives_way_until_it_holds_little() -> None:
    """Not before the window is nearly full; and it is told once, both times."""
    rig = Rig()
    rig.open(COLD, 1)
    rig.open(HOT, 70)
    assert rig.step() == NOTHING
    rig.open(HOT, 10)
    assert rig.step() == Change([HOT], [])
    rig.open(COLD, 15)
    assert rig.step() == NOTHING
    rig.settle(HOT, *range(20))
    assert rig.step() == NOTHING
    rig.settle(HOT, *range(20, 42))
    assert rig.step() == NOTHING
    rig.settle(HOT, 42)
    assert rig.step() == Change([], [HOT])
    assert rig.step() == NOTHING


def test_it_gives_way_no_longer_than_there_is_need() -> None:
    """Where nobody uses the room, it is read again though it still holds more than its share."""
    rig = Rig(leases=3)
    rig.open(COLD, 1)
    rig.open(QUIET, 1)
    rig.open(HOT, 80)
    assert rig.step() == Change([HOT], [])
    rig.settle(HOT, *range(31))
    rig.settle(COLD, 0)
    rig.settle(QUIET, 0)
    assert rig.step() == Change([], [HOT])


def test_a_lease_that_gave_way_is_read_for_a_while() -> None:
    """Pauses are dear: however the window swings, there is one in a second at most."""
    rig = Rig()
    rig.open(COLD, 1)
    rig.open(HOT, 90)
    assert rig.step() == Change([HOT], [])
    rig.settle(HOT, *range(60))
    assert rig.step() == Change([], [HOT])
    rig.open(HOT, 60)
    assert rig.step(0.5) == NOTHING
    assert rig.step(0.6) == Change([HOT], [])


def test_nobody_gives_way_alone() -> None:
    """The only lease may fill the window."""
    rig = Rig(leases=1)
    rig.open(HOT, 100)
    assert rig.step() == NOTHING


def test_nobody_gives_way_among_equals() -> None:
    """Those that hold much the same are at rest, however full it is."""
    rig = Rig()
    rig.open(HOT, 60)
    rig.open(COLD, 40)
    assert rig.step() == NOTHING


def test_a_lease_of_which_nothing_was_read_yet_has_its_share() -> None:
    """Its first record must not wait for the end of another's backlog."""
    rig = Rig()
    rig.open(HOT, 100)
    assert rig.step() == Change([HOT], [])


def test_a_single_record_never_gives_way() -> None:
    """In a window of one record it would be paused and resumed for ever."""
    rig = Rig()
    rig.window = Window(Bounds(records=1))
    rig.open(COLD, 1)
    rig.settle(COLD, 0)
    rig.open(HOT, 1)
    assert rig.step() == NOTHING


def test_bytes_count_as_records_do() -> None:
    """A few large records fill a window; full is where no more would be granted."""
    rig = Rig(record_bytes=50_000)
    rig.open(COLD, 1)
    rig.open(HOT, 2, size=20_000)
    assert rig.window.fullness(rig.window.records, rig.window.bytes) == pytest.approx(0.8, abs=0.01)
    assert rig.step() == Change([HOT], [])
    rig.settle(HOT, 0, size=20_000)
    assert rig.step() == Change([], [HOT])


def test_a_stuck_record_bounds_what_is_read_after_it() -> None:
    """Until what was read behind it is half the bound: settling others does not help."""
    rig = Rig(BrakeBounds(lead=40))
    rig.open(HOT, 30)
    rig.settle(HOT, *range(1, 30))
    assert rig.step() == NOTHING
    rig.open(HOT, 11)
    rig.settle(HOT, *range(30, 41))
    assert rig.step() == Change([HOT], [])
    rig.open(HOT, 20)
    assert rig.step() == NOTHING
    rig.settle(HOT, 0)
    assert rig.step() == Change([], [HOT])


def test_a_halt_is_told_at_once_and_outweighs_all_else() -> None:
    """Not only when shares are looked at again; what ends meanwhile does not end it."""
    rig = Rig()
    assert rig.step() == NOTHING
    rig.brakes.halt(HOT)
    assert rig.step(0.001) == Change([HOT], [])
    rig.open(HOT, 99)
    rig.open(COLD, 1)
    assert rig.step() == NOTHING
    rig.settle(HOT, *range(99))
    assert rig.step() == NOTHING
    rig.brakes.release(HOT)
    assert rig.step(0.001) == Change([], [HOT])


def test_a_lease_that_ended_is_told_of_no_more() -> None:
    """Its pause ended with it; its successor begins free."""
    rig = Rig()
    rig.brakes.halt(HOT)
    assert rig.step() == Change([HOT], [])
    rig.ledgers.close([HOT])
    rig.brakes.forget([HOT])
    assert rig.step() == NOTHING


def test_between_two_looks_nothing_is_looked_at() -> None:
    """A turn costs the same however many partitions there are."""
    rig = Rig()
    assert rig.step() == NOTHING
    rig.ledgers = None  # type: ignore[assignment]  # whatever it is
    assert rig.step(0.05) == NOTHING
