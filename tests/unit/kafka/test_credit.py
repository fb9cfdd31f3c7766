from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.kafka.credit import Brake, Credit


def test_records_on_their_way_are_taken_off_a_grant() -> None:
    """The pipeline can't know of records it has not received: a new grant must not count their room twice."""
    credit = Credit()
    credit.grant(10)
    assert credit.reserve(6) == 6
    credit.grant(10)
    assert credit.available == 4
    credit.received(6)
    assert credit.available == 4
    credit.grant(10)
    assert credit.available == 10


def test_what_was_not_there_is_refunded() -> None:
    """A reservation that found fewer records gives the rest back."""
    credit = Credit()
    credit.grant(10)
    credit.refund(credit.reserve(100) - 3)
    assert credit.available == 7


def test_a_smaller_grant_stops_at_zero() -> None:
    """A grant below what is under way takes nothing more, and never less than nothing."""
    credit = Credit()
    credit.grant(10)
    credit.reserve(8)
    credit.grant(-1)
    assert (credit.available, credit.reserve(5)) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.floats(0, 1))))
def test_no_more_is_ever_under_way_than_was_granted(steps: list[tuple[int, int, float]]) -> None:
    """Whatever the interleaving: what the pipeline holds and what is coming never exceed its room."""
    credit, room, held, coming = Credit(), 20, 0, 0
    for finished, limit, share in steps:
        held -= min(held, finished)
        credit.grant(room - held)
        coming += credit.reserve(limit)
        assert held + coming <= room
        arrived = int(coming * share)
        credit.received(arrived)
        held, coming = held + arrived, coming - arrived
        assert held + coming <= room


def test_a_short_time_without_credit_is_waited_out() -> None:
    """A pause throws the prefetch away, so it comes only after `pause_after_s`."""
    brake = Brake(pause_after_s=2.0)
    assert [brake.step(now, 0) for now in (0.0, 1.9)] == [False, False]
    assert brake.step(1.95, 1) is False
    assert [brake.step(now, 0) for now in (2.0, 3.9, 4.0)] == [False, False, True]


def test_resuming_waits_for_enough_credit() -> None:
    """A trickle does not resume at once, or every record would cost a pause."""
    brake = Brake(resume_at=64, patience_s=1.0, paused=True)
    assert brake.step(0.0, 63) is True
    assert brake.step(0.1, 64) is False


def test_a_trickle_resumes_in_the_end() -> None:
    """A window smaller than `resume_at` must not stop everything for good."""
    brake = Brake(resume_at=64, patience_s=1.0, paused=True)
    assert [brake.step(now, 1) for now in (0.0, 0.9, 1.0)] == [True, True, False]
    assert brake.step(1.1, 0) is False
