"""No process of ours leaves its memory behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PATTERN = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").strip()
BESIDE = bool(PATTERN) and "/" not in PATTERN and not PATTERN.startswith(("|", "@"))
"""Whether this machine writes a core where the process is. One that is written elsewhere, or given to a program, would stay."""
_CRASH = """
import os, resource, sys
from stream_guard.telemetry.cores import leave_no_core
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
if sys.argv[1] == "none":
    leave_no_core()
    leave_no_core()
print(*resource.getrlimit(resource.RLIMIT_CORE), flush=True)
if sys.argv[2] == "crash":
    os.abort()
"""


@pytest.fixture
def hard() -> int:
    """The highest limit that this process, and all that it starts, may have: a command that ran in it has lowered it."""
    return resource.getrlimit(resource.RLIMIT_CORE)[1]


@pytest.fixture
def left(hard: int) -> int:
    """What is to be left of it."""
    return 1 if hard == resource.RLIM_INFINITY else min(hard, 1)


class Ended(NamedTuple):
    """The limit that a process had at its end, soft and hard, the signal that ended it, and whether its core was dumped."""

    limit: tuple[int, ...]
    by: int
    dumped: bool


def ended(folder: Path, cores: str, how: str) -> Ended:
    """A process that began with the highest limit there may be."""
    with subprocess.Popen(
        [sys.executable, "-c", _CRASH, cores, how], cwd=folder, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        limit = tuple(map(int, process.stdout.read().split()))
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0
    return Ended(limit, os.WTERMSIG(status), os.WCOREDUMP(status))


def test_a_process_that_crashes_leaves_no_core(left: int, tmp_path: Path) -> None:
    """The limit is 1 byte, soft and hard, whatever it was: at 0 the kernel would still pipe it to a program where the machine has one."""
    found = ended(tmp_path, "none", "crash")
    assert found == Ended((left, left), signal.SIGABRT, dumped=False)
    assert list(tmp_path.iterdir()) == []


def test_the_limit_is_all_that_keeps_it_from_that(hard: int, tmp_path: Path) -> None:
    """It was as high as may be before; and without ours a core is dumped, where this machine writes them beside the process."""
    found = ended(tmp_path, "any", "crash" if BESIDE else "end")
    assert found.limit == (hard, hard)
    assert found.dumped or not (BESIDE and hard == resource.RLIM_INFINITY)


@pytest.mark.parametrize("command", [["--version"]])
def test_every_command_begins_with_it(command: list[str], left: int) -> None:
    """`try` and `policy test` hold contents as `run` does; the limit is inherited by all that they start."""
    program = (
        "import atexit, resource; from stream_guard.cli import main\n"
        "atexit.register(lambda: print(resource.getrlimit(resource.RLIMIT_CORE)))\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == f"({left}, {left})"
