"""What a process of ours says where nobody catches an exception."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

BEGIN = """
import asyncio, sys, threading, warnings
from stream_guard.telemetry.logs import configure_logging
from stream_guard.telemetry.last_words import tell_last_words
configure_logging()
tell_last_words()
SAID = "see you at noon"
"""
THREAD = "t = threading.Thread(target=int, args=(SAID,), name='poll'); t.start(); t.join()"
UNRAISABLE = """
class Bad:
    def __del__(self):
        int(SAID)
    def __repr__(self):
        return SAID
bad = Bad()
del bad
"""
TASK = """
async def fail():
    int(SAID)
async def main():
    task = asyncio.create_task(fail(), name=SAID)
    await asyncio.sleep(0.01)
    del task
asyncio.run(main())
"""
CALLBACK = """
async def main():
    asyncio.get_running_loop().call_soon(int, SAID)
    await asyncio.sleep(0.01)
asyncio.run(main())
"""


def lines_of(program: str) -> list[dict[str, Any]]:
    """All that such a process writes; none of it quotes."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", BEGIN + program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == ""
    assert "noon" not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    ("program", "event"),
    [
        ("int(SAID)", "process.uncaught"),
        (THREAD, "thread.uncaught"),
        (UNRAISABLE, "process.unraisable"),
        (TASK, "Task exception was never retrieved"),
        (CALLBACK, "Exception in callback int"),
    ],
    ids=["main", "thread", "unraisable", "task", "callback"],
)
def test_an_exception_that_nobody_catches_is_a_line_without_its_message(program: str, event: str) -> None:
    """Where it was raised, and of what kind."""
    (line,) = lines_of(program)
    assert line["event"] == event
    assert line["exception"].endswith("ValueError")
    assert "Traceback" in line["exception"] or program == CALLBACK


def test_a_warning_is_told_by_kind_and_place() -> None:
    """Its text is another library's."""
    (line,) = lines_of("warnings.warn(SAID)")
    assert (line["event"], line["kind"], line["level"]) == ("python.warning", "UserWarning", "warning")
    assert line["place"].startswith("<string>:")


def test_a_thread_that_exits_says_nothing() -> None:
    """As without us."""
    assert lines_of("t = threading.Thread(target=sys.exit); t.start(); t.join()") == []
