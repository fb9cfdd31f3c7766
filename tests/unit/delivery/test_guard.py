from __future__ import annotations

import random

import pytest

from stream_guard.delivery.guard import Guard, GuardBounds, Trip
from stream_guard.records import Lease

ONE, OTHER = Lease("mail", 0, 1), Lease("mail", 1, 1)


def feed(guard: Guard, reasons: str, lease: Lease = ONE) -> list[Trip | None]:
    """Counts records: `.` for one that was not dead-lettered, any other letter for the reason."""
    return [guard.count(lease, None if reason == "." else reason) for reason in reasons]


def test_so_many_in_a_row_trip_it_once() -> None:
    """It says how many and what for most often; what was in flight then is not told again."""
    guard = Guard(GuardBounds(max_consecutive=3, max_ratio=None))
    assert feed(guard, "aa.bab") == [None, None, None, None, None, Trip(3, 3, "b", 2, consecutive=True)]
    assert guard.tripped == {ONE}
    assert feed(guard, "bbb.") == [None] * 4


def test_a_row_may_be_longer_than_the_ratio_looks_back() -> None:
    """The two limits have nothing to do with each other."""
    guard = Guard(GuardBounds(max_consecutive=25, max_ratio=None, over=10))
    *before, trip = feed(guard, "a" * 20 + "b" * 5)
    assert (set(before), trip) == ({None}, Trip(25, 25, "a", 20, consecutive=True))


def test_too_large_a_share_of_the_last_trips_it() -> None:
    """Only once there are so many; exactly the limit is allowed; what is further back does not count."""
    guard = Guard(GuardBounds(max_consecutive=None, max_ratio=0.5, over=10))
    assert set(feed(guard, "a" * 5 + "." * 5)) == {None}
    assert set(feed(guard, "b" * 5)) == {None}
    assert feed(guard, "b") == [Trip(6, 10, "b", 6, consecutive=False)]


def test_partitions_are_counted_apart_and_anew() -> None:
    """A partition that comes back has another lease; so has one whose lease ended."""
    guard = Guard(GuardBounds(max_consecutive=2, max_ratio=None))
    assert feed(guard, "a") + feed(guard, "a", OTHER) == [None, None]
    guard.forget([OTHER])
    assert feed(guard, "a", OTHER) == [None]
    assert feed(guard, "a") != [None]
    guard.forget([ONE])
    assert (guard.tripped, feed(guard, "a")) == (set(), [None])


def test_both_limits_may_be_off() -> None:
    """Then anything goes."""
    assert set(feed(Guard(GuardBounds(None, None)), "a" * 3_000)) == {None}


@pytest.mark.parametrize("seed", range(30))
def test_it_trips_where_counting_it_all_again_would(seed: int) -> None:
    """The sums that are kept agree with the slow definition, at every record."""
    rng = random.Random(seed)
    bounds = GuardBounds(rng.choice((None, 4, 9)), rng.choice((None, 0.3, 0.6)), rng.choice((10, 17)))
    guard, seen = Guard(bounds), ""
    for reason in rng.choices("ab.", (1, 1, rng.choice((1, 3))), k=300):
        seen += reason
        row, last = len(seen) - len(seen.rstrip("ab")), seen[-bounds.over :]
        bad = len(last) - last.count(".")
        in_a_row = bounds.max_consecutive is not None and row >= bounds.max_consecutive
        too_many = bounds.max_ratio is not None and len(last) == bounds.over and bad > bounds.max_ratio * bounds.over
        (trip,) = feed(guard, reason)
        assert (trip is not None) == (reason != "." and (in_a_row or too_many))
        if trip is not None:
            assert (trip.dead_letters, trip.records) == ((row, row) if in_a_row else (bad, bounds.over))
            return
