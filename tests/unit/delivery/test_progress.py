"""Since when nothing moves though something should."""

from __future__ import annotations

from stream_guard.delivery.progress import Progress


def test_it_counts_from_what_moved_last() -> None:
    """Whatever is in flight: one thing that moves is progress."""
    progress = Progress(10.0)
    progress.look(20.0, rests=False)
    assert progress.still_s(25.0) == 15
    progress.moved(26.0)
    progress.look(30.0, rests=False)
    assert progress.still_s(30.0) == 4


def test_a_rest_is_no_standstill_and_what_follows_it_counts_from_its_end() -> None:
    """However long the pause was."""
    progress = Progress(0.0)
    for now in range(1000):
        progress.look(float(now), rests=True)
    assert progress.still_s(999.0) == 0
    progress.look(1010.0, rests=False)
    assert progress.still_s(1010.0) == 11
