from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.kafka.consumer.credit import Brake, Credit


def test_grants_add_up_and_what_is_taken_is_gone() -> None:
    """Each grant is room for so many more, whatever is on its way."""
    credit = Credit()
    credit.grant(10)
    assert credit.reserve(6) == 6
    credit.grant(10)
    assert credit.available == 14
    assert credit.reserve(100) == 14
    assert credit.reserve(1) == 0


def test_what_was_not_there_is_refunded() -> None:
    """A reservation that found fewer records gives the rest back."""
    credit = Credit()
    credit.grant(10)
    credit.refund(credit.reserve(100) - 3)
    assert credit.available == 7


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_no_more_is_taken_than_was_granted(steps: list[tuple[int, int]]) -> None:
    """Whatever the interleaving."""
    credit, granted, taken = Credit(), 0, 0
    for more, limit in steps:
        credit.grant(more)
        granted += more
        taken += credit.reserve(limit)
        assert taken <= granted
        assert credit.available == granted - taken


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
