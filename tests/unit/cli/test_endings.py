"""How commands end that nobody waits for any more, or whose output goes nowhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import POLICY
from tests.unit.cli.test_commands import CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COMMAND = [sys.executable, "-m", "stream_guard.cli"]
WAIT_S = 60
AT_ONCE_S = 8


@pytest.fixture
def silent() -> Iterator[tuple[socket.socket, str]]:
    """A broker that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_S)
        yield server, f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is right."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "spam.md").write_text(POLICY.replace("id: adverts", "id: spam"), encoding="utf-8")
    path = tmp_path / "guard.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("command", ["init", "check", "try"])
def test_ctrl_c_ends_a_question_to_a_broker_that_does_not_answer(
    silent: tuple[socket.socket, str], config: Path, command: str, flags: list[str]
) -> None:
    """At once, with 130 and without a traceback: librdkafka alone would wait for seconds."""
    server, address = silent
    config.write_text(CONFIG.replace("localhost:9092", address), encoding="utf-8")
    arguments = {
        "init": ["init", "-b", address, "-t", "chat.messages", "-o", str(config.parent / "new")],
        "check": ["check", "-c", str(config), "--live"],
        "try": ["try", "-c", str(config)],
    }[command]
    with subprocess.Popen([*COMMAND, *arguments, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        connection, _ = server.accept()
        asked = time.monotonic()
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=WAIT_S)
        connection.close()
    assert (started.returncode, out) == (130, b"")
    assert time.monotonic() - asked < AT_ONCE_S
    assert b"Traceback" not in err
    assert not (config.parent / "new").exists()


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("command", ["check", "explain", "schema"])
def test_a_reader_that_has_left_ends_a_command_quietly(config: Path, command: str, flags: list[str]) -> None:
    """As any program in a pipe ends, whatever the command."""
    arguments = ["schema", "config"] if command == "schema" else [command, "-c", str(config)]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = subprocess.run(
            [*COMMAND, *arguments, *flags], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=WAIT_S
        )
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("command", ["check", "explain", "policy test"])
def test_a_full_disk_is_said_without_a_traceback(config: Path, command: str) -> None:
    """It is nothing unexpected, and no bug of ours."""
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*COMMAND, *command.split(), "-c", str(config)],
            stdout=full, stderr=subprocess.PIPE, check=False, timeout=WAIT_S,
        )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.endswith(b"error: failed\n  No space left on device\n")
