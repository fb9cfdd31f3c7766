"""`stream-guard demo` with the real engine and the small model: what the first minutes with stream_guard are like."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest

from stream_guard.demo.firehose import firehose
from stream_guard.verdicts.schemas import verdict_schema

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND = [sys.executable, "-m", "stream_guard.cli", "demo"]
WAIT_S = 500
TIDY_S = 5.0
POLICIES = {"message": ("spam",), "chat": ("spam", "harassment"), "completion": ("spam",), "bytes": ()}


@pytest.fixture(scope="module")
def session_folder(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Path:
    """A temporary folder for the demo's own files; the model is made before."""
    del small_model
    return tmp_path_factory.mktemp("demo")


def living(session: int) -> list[str]:
    """The command lines of a session's living processes."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, of, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(of) == session and state != "Z":
                found.append((stat.parent / "cmdline").read_text(errors="replace").replace("\0", " "))
    return found


def assert_all_ended(session: int) -> None:
    """No process is left. The tracker that tidies up after the others may take a moment longer than the demo."""
    until = time.monotonic() + TIDY_S
    while left := living(session):
        assert time.monotonic() < until, left
        time.sleep(0.05)


def assert_tidy(folder: Path) -> None:
    """Nothing is left in the temporary folder but what torch compiled, for the next time."""
    assert [path.name for path in folder.iterdir() if not path.name.startswith("torchinductor")] == []


def test_twenty_events_as_json(session_folder: Path) -> None:
    """The acceptance of the demo.

    Exit code 0; every line a verdict of the contract by vLLM; one for every event and policy; at least 95 % of them
    judgements; both an allow and another decision; nothing else on stdout, nothing left behind.
    """
    demo = subprocess.Popen(
        [*COMMAND, "--events", "20", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"TMPDIR": str(session_folder)},
    )  # fmt: skip
    stdout, stderr = demo.communicate(timeout=WAIT_S)
    assert demo.returncode == 0, stderr
    validator = jsonschema.Draft202012Validator(verdict_schema())
    verdicts = [json.loads(line) for line in stdout.splitlines()]
    for verdict in verdicts:
        validator.validate(verdict)
    wanted = Counter((sent.post.kind, policy) for sent in firehose(20) for policy in POLICIES[sent.post.kind])
    assert Counter((verdict["kind"], verdict["policy"]["id"]) for verdict in verdicts) == wanted
    assert len({verdict["slot"] for verdict in verdicts}) == len(verdicts)
    assert {verdict["model"]["engine"] for verdict in verdicts} == {"vllm"}
    assert sum(verdict["abstention"] is None for verdict in verdicts) >= 0.95 * len(verdicts)
    assert len({verdict["decision"] for verdict in verdicts} | {"allow"}) > 1
    assert "allow" in {verdict["decision"] for verdict in verdicts}
    assert any(verdict["tokens"]["cached"] for verdict in verdicts)
    assert_all_ended(demo.pid)
    assert_tidy(session_folder)


@pytest.mark.chaos
def test_a_person_reads_what_the_model_scored(session_folder: Path) -> None:
    """The summary tells the model's measured score, and that it does not moderate."""
    ran = subprocess.run(
        [*COMMAND, "--events", "10"],
        capture_output=True, text=True, check=False, timeout=WAIT_S,
        env=os.environ | {"TMPDIR": str(session_folder), "COLUMNS": "110"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout
    assert "does not moderate" in " ".join(ran.stdout.split())
    assert re.search(r"in messages \d of 5 right \(balanced \d+%\)", ran.stdout)
    assert re.search(r"that the prompt does not show \d of 6 right", " ".join(ran.stdout.split()))


@pytest.mark.parametrize("seconds", [1.0, 15.0])
def test_ctrl_c_ends_a_load(session_folder: Path, seconds: float) -> None:
    """Within seconds, with no traceback and no process left, whether libraries or weights are being loaded."""
    demo = subprocess.Popen(
        [*COMMAND, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1, start_new_session=True,
        env=os.environ | {"TMPDIR": str(session_folder)},
    )  # fmt: skip
    assert demo.stderr is not None
    while not demo.stderr.readline().startswith("loading the model"):
        assert demo.poll() is None
    time.sleep(seconds)
    asked = time.monotonic()
    demo.send_signal(signal.SIGINT)
    stdout, stderr = demo.communicate(timeout=WAIT_S)
    assert time.monotonic() - asked < 10
    assert (demo.returncode, stdout) == (130, "")
    assert "Traceback" not in stderr
    assert_all_ended(demo.pid)
    assert_tidy(session_folder)
