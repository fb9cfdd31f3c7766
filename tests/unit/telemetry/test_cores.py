"""No process of ours leaves its memory behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_CRASH = """
import os, resource, sys
from stream_guard.telemetry.cores import leave_no_core
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
if sys.argv[1] == "none":
    leave_no_core()
    leave_no_core()
print(open("/proc/self/limits").read(), flush=True)
os.abort()
"""


def crashed(folder: Path, cores: str) -> tuple[str, bool]:
    """The limit of a process that ended so, in the kernel's words, and whether its core was dumped."""
    with subprocess.Popen(
        [sys.executable, "-c", _CRASH, cores], cwd=folder, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        limits = process.stdout.read()
        _, status = os.waitpid(process.pid, 0)
        process.returncode = 0
    assert os.WTERMSIG(status) == signal.SIGABRT
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    return line, os.WCOREDUMP(status)


def test_a_process_that_crashes_leaves_no_core(tmp_path: Path) -> None:
    """The limit is 1 byte, soft and hard: at 0 the kernel would still pipe it to a program where the machine has one."""
    line, dumped = crashed(tmp_path, "none")
    assert line.split()[4:6] in (["1", "1"], ["0", "0"])
    assert not dumped
    assert list(tmp_path.iterdir()) == []


def test_the_limit_is_all_that_keeps_it_from_that(tmp_path: Path) -> None:
    """Without it a core is dumped, where this machine writes them to files and lets any process do so."""
    line, dumped = crashed(tmp_path, "any")
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
    to_file = bool(pattern) and not pattern.startswith("|")
    assert dumped or not (to_file and line.split()[4] == "unlimited")


@pytest.mark.parametrize("command", [["--version"]])
def test_every_command_begins_with_it(command: list[str]) -> None:
    """`try` and `policy test` hold contents as `run` does; the limit is inherited by all that they start."""
    program = (
        "import atexit, resource; from stream_guard.cli import main\n"
        "atexit.register(lambda: print(resource.getrlimit(resource.RLIMIT_CORE)))\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] in {"(1, 1)", "(0, 0)"}
