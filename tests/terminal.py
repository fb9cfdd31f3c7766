"""A pseudo-terminal with a `stream-guard` command in it, and all that the terminal was told.

with Terminal("top", "--url", address) as terminal:
    terminal.until(b"records")
    terminal.type(b"q")
    assert terminal.end() == 0
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import Self

WAIT_S = 60.0
"""A busy machine imports slowly."""


class Terminal:
    """A terminal, and the command in it."""

    def __init__(self, *arguments: str, columns: int = 80, rows: int = 24, **env: str) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(columns, rows, tell=False)
        self.before = termios.tcgetattr(self._theirs)
        environment = {
            name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}
        }
        self._command = subprocess.Popen(
            [program("setsid"), "--ctty", sys.executable, "-m", "stream_guard.cli", *arguments],
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
            env=environment | {"TERM": "xterm-256color"} | env,
        )  # fmt: skip
        self.told = b""

    def until(self, wanted: bytes, since: int = 0) -> None:
        """Reads on until the terminal was told this, after so many bytes."""
        deadline = time.monotonic() + WAIT_S
        while wanted not in self.told[since:]:
            assert self._command.poll() is None or self._read(), self.told.decode(errors="replace")[-2000:]
            assert time.monotonic() < deadline, self.told.decode(errors="replace")[-2000:]
            self._read()

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self._ours, keys)

    def signal(self, number: int) -> None:
        """Sends the command a signal."""
        self._command.send_signal(number)

    def resize(self, columns: int, rows: int, *, tell: bool = True) -> None:
        """Gives the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.signal(signal.SIGWINCH)

    def end(self) -> int:
        """Waits for the command's end. Returns its exit code."""
        deadline = time.monotonic() + WAIT_S
        while self._command.poll() is None:
            assert time.monotonic() < deadline
            self._read()
        while self._read():
            pass
        return self._command.returncode

    @property
    def settings(self) -> list[object]:
        """How the terminal treats what is typed."""
        return [*termios.tcgetattr(self._theirs)]

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], 0.05)
        if ready:
            self.told += os.read(self._ours, 65536)
        return bool(ready)

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends what still runs."""
        if self._command.poll() is None:
            self._command.kill()
            self._command.wait()
        os.close(self._ours)
        os.close(self._theirs)


def program(name: str) -> str:
    """The path of a program of the system's."""
    found = shutil.which(name)
    assert found is not None
    return found
