"""How long an instance id that is held is waited for."""

from __future__ import annotations

from stream_guard.kafka.consumer.instance import Held


def test_an_unbroken_row_of_refusals_is_waited_out_and_no_longer() -> None:
    """Counted from its first."""
    held = Held(patience_s=7.0)
    assert [held.waits(now) for now in (100.0, 102.0, 106.9, 107.0, 109.0)] == [True, True, True, False, False]


def test_another_crash_is_another_story() -> None:
    """What was long ago does not count."""
    held = Held(patience_s=7.0)
    assert held.waits(100.0)
    assert held.waits(3_600.0)
    assert held.waits(3_605.0)


def test_without_patience_the_first_refusal_is_believed() -> None:
    """Nothing is tried again."""
    assert not Held(patience_s=0.0).waits(5.0)
