"""`stream-guard top` on a real terminal: a pseudo-terminal of a given size, and what a terminal would have been told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from stream_guard.telemetry.http import ObservabilityServer
from stream_guard.telemetry.prometheus import registry
from tests.terminal import WAIT_S, Terminal, program
from tests.watched import make_busy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_ENTER, _LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
_HIDE, _SHOW = b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture
def asked() -> threading.Event:
    """Whether anybody asked that service."""
    return threading.Event()


@pytest.fixture
def address(asked: threading.Event) -> Iterator[str]:
    """A service's own server, on a thread of its own."""
    told, ready, over = make_busy(), threading.Event(), asyncio.Event()
    server = ObservabilityServer("127.0.0.1", 0, registry(told.metrics), lambda: None, asked.set)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with server:
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(WAIT_S)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.mark.parametrize("end", [b"q", b"\x03", signal.SIGINT])
def test_a_view_is_drawn_and_the_terminal_is_left_as_it_was(address: str, end: bytes | signal.Signals) -> None:
    """On the alternate screen, which goes by q, by Ctrl-C or its signal: exit code 0, cursor and keyboard restored."""
    with Terminal("top", "--url", address, "--every", "0.2s") as terminal:
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
    with Terminal("top", "--url", address, "--every", "10m", "--window", "10m", columns=80, rows=24) as terminal:
        terminal.until(b"q ends")
        assert b"tokens/s" not in terminal.told
        terminal.resize(130, 40)
        terminal.until(b"tokens/s")
        terminal.type(b"q")
        assert terminal.end() == 0


def test_sigterm_ends_it_too(address: str) -> None:
    """With a terminal as it was, and the code of the signal."""
    with Terminal("top", "--url", address) as terminal:
        terminal.until(b"q ends")
        terminal.signal(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
        assert terminal.settings == terminal.before
        assert terminal.told.count(_LEAVE) == 1


def test_no_color_is_respected(address: str) -> None:
    """Nothing but where and how bright: no colour is set."""
    with Terminal("top", "--url", address, NO_COLOR="1") as terminal:
        terminal.until(b"q ends")
        terminal.type(b"q")
        assert terminal.end() == 0
        assert b"\x1b[3" not in terminal.told
        assert b"38;5" not in terminal.told


def test_a_terminal_that_can_not_move_its_cursor_gets_lines(address: str) -> None:
    """TERM=dumb: an editor's shell, say."""
    with Terminal("top", "--url", address, "--every", "0.2s", TERM="dumb") as terminal:
        terminal.until(b"ready 1/1  records 0/s")
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 0
        assert b"\x1b" not in terminal.told


def test_what_goes_wrong_at_first_is_told_where_the_command_was_typed() -> None:
    """The alternate screen is never entered."""
    with Terminal("top", "--url", "127.0.0.1:1") as terminal:
        assert terminal.end() == 3
        assert b"connection refused" in terminal.told
        assert _ENTER not in terminal.told


def test_a_reader_that_leaves_ends_it(address: str) -> None:
    """As `head` does: exit code 141, no traceback."""
    command = f"{sys.executable} -m stream_guard.cli top --url {address} --every 0.2s --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run([program("bash"), "-c", command], capture_output=True, text=True, timeout=WAIT_S, check=True)
    first, code = done.stdout.splitlines()
    assert first.startswith('{"at":')
    assert (code, done.stderr) == ("141", "")


def test_once_interrupted_says_so(address: str, asked: threading.Event) -> None:
    """The view that was to come did not: exit code 130."""
    with Terminal("top", "--url", address, "--every", "10m", "--once") as terminal:
        assert asked.wait(WAIT_S)
        terminal.signal(signal.SIGINT)
        assert terminal.end() == 130
        assert b"Traceback" not in terminal.told
