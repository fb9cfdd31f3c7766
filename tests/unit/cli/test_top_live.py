"""`stream-guard top` on a real terminal: a pseudo-terminal of a given size, and what a terminal would have been told."""

from __future__ import annotations

import asyncio
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
import threading
import time
from collections.abc import Iterator
from typing import Self

import pytest

from stream_guard.telemetry.http import ObservabilityServer
from stream_guard.telemetry.prometheus import registry
from tests.watched import make_busy

_WAIT_S = 60.0
_ENTER, _LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
_HIDE, _SHOW = b"\x1b[?25l", b"\x1b[?25h"


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
            [_program("setsid"), "--ctty", sys.executable, "-m", "stream_guard.cli", "top", *arguments],
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs,
            env=environment | {"TERM": "xterm-256color"} | env,
        )  # fmt: skip
        self.told = b""

    def until(self, wanted: bytes, since: int = 0) -> None:
        """Reads on until the terminal was told this, after so many bytes."""
        deadline = time.monotonic() + _WAIT_S
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
        deadline = time.monotonic() + _WAIT_S
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


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found is not None
    return found


@pytest.fixture
def address() -> Iterator[str]:
    """A service's own server, on a thread of its own."""
    told, ready, over = make_busy(), threading.Event(), asyncio.Event()
    server = ObservabilityServer("127.0.0.1", 0, registry(told.metrics), lambda: None, lambda: None)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with server:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(_WAIT_S)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.mark.parametrize("end", [b"q", b"\x03", signal.SIGINT])
def test_a_view_is_drawn_and_the_terminal_is_left_as_it_was(address: str, end: bytes | signal.Signals) -> None:
    """On the alternate screen, which goes by q, by Ctrl-C or its signal: exit code 0, cursor and keyboard restored."""
    with Terminal("--url", address, "--every", "0.2s") as terminal:
        terminal.until(b"furthest behind")
        terminal.until(b"q ends")
        assert terminal.settings != terminal.before
        if isinstance(end, bytes):
            terminal.type(b"x\x1a\r" + end)  # neither other keys nor Ctrl-Z do anything
        else:
            terminal.signal(end)
        assert terminal.end() == 0
        assert terminal.settings == terminal.before
        told = terminal.told
    assert told.count(_ENTER) == told.count(_LEAVE) == 1
    assert told.rindex(_SHOW) > told.rindex(_HIDE)
    assert b"\x1b[2J" not in told[told.index(b"records") :]  # what is drawn over is not cleared before: no flicker
    assert b"Traceback" not in told


def test_another_size_is_drawn_at_once(address: str) -> None:
    """Nobody waits for the next look."""
    with Terminal("--url", address, "--every", "10m", "--window", "10m", columns=80, rows=24) as terminal:
        terminal.until(b"q ends")
        assert b"tokens/s" not in terminal.told
        terminal.resize(130, 40)
        terminal.until(b"tokens/s")
        terminal.type(b"q")
        assert terminal.end() == 0


def test_sigterm_ends_it_too(address: str) -> None:
    """With a terminal as it was, and the code of the signal."""
    with Terminal("--url", address) as terminal:
        terminal.until(b"q ends")
        terminal.signal(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
        assert terminal.settings == terminal.before
        assert terminal.told.count(_LEAVE) == 1


def test_no_color_is_respected(address: str) -> None:
    """Nothing but where and how bright: no colour is set."""
    with Terminal("--url", address, NO_COLOR="1") as terminal:
        terminal.until(b"q ends")
        terminal.type(b"q")
        assert terminal.end() == 0
        assert b"\x1b[3" not in terminal.told
        assert b"38;5" not in terminal.told


def test_a_terminal_that_can_not_move_its_cursor_gets_lines(address: str) -> None:
    """TERM=dumb: an editor's shell, say."""
    with Terminal("--url", address, "--every", "0.2s", TERM="dumb") as terminal:
        terminal.until(b"ready 1/1  records 0/s")
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 0
        assert b"\x1b" not in terminal.told


def test_what_goes_wrong_at_first_is_told_where_the_command_was_typed() -> None:
    """The alternate screen is never entered."""
    with Terminal("--url", "127.0.0.1:1") as terminal:
        assert terminal.end() == 3
        assert b"connection refused" in terminal.told
        assert _ENTER not in terminal.told


def test_a_reader_that_leaves_ends_it(address: str) -> None:
    """As `head` does: exit code 141, no traceback."""
    command = f"{sys.executable} -m stream_guard.cli top --url {address} --every 0.2s --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        [_program("bash"), "-c", command], capture_output=True, text=True, timeout=_WAIT_S, check=True
    )
    first, code = done.stdout.splitlines()
    assert first.startswith('{"at":')
    assert (code, done.stderr) == ("141", "")


def test_once_interrupted_says_so(address: str) -> None:
    """The view that was to come did not: exit code 130."""
    with Terminal("--url", address, "--every", "10m", "--once") as terminal:
        time.sleep(2)
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 130
        assert b"Traceback" not in terminal.told
