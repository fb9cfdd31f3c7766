"""`stream-guard demo` as a process, with the engine that needs no model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stream_guard.demo.firehose import POSTS, firehose
from stream_guard.verdicts.schemas import verdict_schema

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COMMAND = [sys.executable, "-m", "stream_guard.cli", "demo"]
SCRIPTED = [*COMMAND, "--engine", "scripted"]
WAIT_S = 60
POLICIES = {"message": 1, "chat": 2, "completion": 1, "bytes": 0}
"""Verdicts of an event of each kind."""
_WITHOUT_VLLM = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "vllm" else find(name, *rest)
from stream_guard.cli import main
sys.argv = ["stream-guard", *sys.argv[1:]]
main()
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo to its end."""
    command = [*SCRIPTED, *arguments]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S, env=env)


def verdicts_in(stdout: str) -> list[dict[str, Any]]:
    """The verdicts, each checked against the published schema. Anything else on stdout is an error."""
    verdicts = [json.loads(line) for line in stdout.splitlines()]
    validator = jsonschema.Draft202012Validator(verdict_schema())
    for verdict in verdicts:
        validator.validate(verdict)
    return verdicts


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo that runs, the leader of a session of its own; ended in any case."""
    demo = subprocess.Popen(
        [*SCRIPTED, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, start_new_session=True,
    )  # fmt: skip
    try:
        yield demo
    finally:
        if demo.poll() is None:
            demo.kill()
        demo.communicate()


def members(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("events", [1, len(POSTS) + 3])
def test_json_is_one_verdict_a_line_for_every_event_and_policy(events: int) -> None:
    """As many as events and their policies, each once, and nothing else on stdout."""
    ran = run("--json", "--events", str(events))
    assert ran.returncode == 0, ran.stderr
    verdicts = verdicts_in(ran.stdout)
    assert len(verdicts) == sum(POLICIES[sent.post.kind] for sent in firehose(events))
    assert len({verdict["id"] for verdict in verdicts}) == len(verdicts)


def test_a_person_sees_rows_and_a_summary() -> None:
    """All events without a number; what is broken is named; no colour where there is no terminal."""
    ran = run(COLUMNS="110")
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout
    assert ran.stderr == ""
    for reason in ("not_json", "not_utf8", "empty", "unsupported_kind", "invalid_event", "lone_surrogate"):
        assert f"{reason}: " in ran.stdout
    assert "abstained, unsupported_content: " in ran.stdout
    assert re.search(rf"^events +{len(POSTS)}: \d+ judged, 7 rejected, 1 ignored *$", ran.stdout, re.MULTILINE)
    assert "No model judges" in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 110


@pytest.mark.parametrize("wrong", [["--events", "0"], ["--events", "some"], ["--engine", "oracle"]])
def test_a_wrong_command_line_starts_nothing(wrong: list[str]) -> None:
    """Exit code 2, and stdout stays empty."""
    ran = run(*wrong, "--json")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert json.loads(ran.stderr)["error"]["code"] == 2


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_without_vllm_the_error_names_what_to_install(flags: list[str]) -> None:
    """And the way to see the demo without it."""
    command = [sys.executable, "-c", _WITHOUT_VLLM, "demo", *flags]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert ran.returncode == 3
    assert "stream-guard[cpu]" in ran.stderr
    assert "--engine scripted" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not flags or ran.stdout == ""


@pytest.mark.parametrize("when", ["starting Kafka", "judging"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything_at_once(when: str, number: signal.Signals, code: int) -> None:
    """No traceback, no process left, and within seconds, however far the demo is."""
    with started("--json", "--events", "2000") as demo:
        assert demo.stderr is not None
        while not demo.stderr.readline().startswith(when):
            assert demo.poll() is None
        asked = time.monotonic()
        demo.send_signal(number)
        _, said = demo.communicate(timeout=WAIT_S)
        assert demo.returncode == code
        assert time.monotonic() - asked < 10
        assert "Traceback" not in said
        assert not members(demo.pid)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_reader_that_leaves_ends_the_demo(flags: list[str]) -> None:
    """As in `stream-guard demo --json | head -1`."""
    with started(*flags, "--events", "2000") as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline()
        demo.stdout.close()
        assert demo.wait(WAIT_S) == 128 + signal.SIGPIPE
        assert demo.stderr is not None
        assert "Traceback" not in demo.stderr.read()
        assert not members(demo.pid)


def test_nothing_stays_in_the_temporary_folder(tmp_path: Path) -> None:
    """The log and the sockets go with the demo."""
    assert run("--json", "--events", "1", TMPDIR=str(tmp_path)).returncode == 0
    assert not list(tmp_path.iterdir())
