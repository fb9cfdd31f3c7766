"""Times on the command line, and work that can be stopped halfway."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
import typer

from stream_guard.cli.moments import moment_ms
from stream_guard.cli.stoppable import Stoppable

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("2h", 1_789_992_800_000),
        ("90", 1_789_999_910_000),
        ("2026-01-31T08:00:00Z", 1_769_846_400_000),
        ("2026-01-31T09:00:00+01:00", 1_769_846_400_000),
    ],
)
def test_a_time_is_a_moment_or_how_long_ago(text: str | None, expected: int | None) -> None:
    """In Unix milliseconds."""
    assert moment_ms(text, "--since", NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31T08:00:00", "2026-01-31", "", "-2h"])
def test_a_time_without_its_offset_is_refused(text: str) -> None:
    """Nobody could say which moment it is."""
    with pytest.raises(typer.BadParameter, match="with its offset"):
        moment_ms(text, "--since", NOW)


def test_the_first_interrupt_asks_the_work_to_stop() -> None:
    """It says how far it came; handlers are what they were."""
    before = signal.getsignal(signal.SIGINT)

    def work(stop: Callable[[], bool]) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 5
        while not stop() and time.monotonic() < deadline:
            time.sleep(0.01)
        return 42 if stop() else 0

    looks: list[int] = []
    assert Stoppable(work).run(lambda: looks.append(1)) == 42
    assert looks
    assert signal.getsignal(signal.SIGINT) is before


def test_what_the_work_raises_is_raised() -> None:
    """By whoever waits for it."""

    def work(stop: Callable[[], bool]) -> int:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Stoppable(work).run()
