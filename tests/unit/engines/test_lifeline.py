"""Processes that end with the one that started them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from stream_guard.engines.lifeline import OWNER, own, tie

_SERVICE = """
import multiprocessing, os, sys, time
from stream_guard.engines.lifeline import own, tie

def core():
    tie()
    os.write(1, f"{os.getpid()}\\n".encode())  # what Python would print goes nowhere now
    time.sleep(60)

if __name__ == "__main__":
    if "owned" in sys.argv:
        own(os.environ)
    multiprocessing.get_context("spawn").Process(target=core).start()
    time.sleep(60)
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("owned", [True, False])
def test_a_child_ends_with_its_parent_however_that_ends(tmp_path: Path, owned: bool) -> None:
    """Killed, the parent can end nothing itself. A child of anybody else is left alone."""
    program = tmp_path / "service.py"
    program.write_text(_SERVICE, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != OWNER}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    arguments = [sys.executable, str(program), *(["owned"] if owned else [])]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as service:
        assert service.stdout is not None
        core = int(service.stdout.readline())
        assert _alive(core)
        service.kill()
    give_up = time.monotonic() + (5.0 if owned else 0.5)
    while _alive(core) and time.monotonic() < give_up:
        time.sleep(0.01)
    assert _alive(core) is not owned
    if not owned:
        os.kill(core, signal.SIGKILL)


def _tie_after(parent_of: Connection) -> None:
    parent_of.recv()
    tie()
    parent_of.send("lives on")


def test_a_child_whose_parent_is_there_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """To be tied costs nothing else."""
    monkeypatch.setenv(OWNER, "1")
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_tie_after, args=(there,))
    child.start()
    here.send("go")
    assert here.recv() == "lives on"
    child.join()
    here.close()
    there.close()


_SPEAKING = """
import logging, multiprocessing, os, sys, threading
from stream_guard.engines.lifeline import own, tie

SAID = "see you at noon"

def core(ending):
    tie()
    print(SAID)
    print(SAID, file=sys.stderr)
    log = logging.getLogger("vllm.v1.engine.core")
    log.info(SAID)
    log.error("Failed to advance FSM for tokens %s.", [17, 4, 7_110_117])
    thread = threading.Thread(target=int, args=(SAID,))
    thread.start()
    thread.join()
    try:
        int(SAID)
    except ValueError:
        log.exception(ending)
        raise

if __name__ == "__main__":
    own(os.environ)
    child = multiprocessing.get_context("spawn").Process(target=core, args=(sys.argv[1],))
    child.start()
    child.join()
"""


def _said(folder: Path, ending: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = folder / "service.py"
    program.write_text(_SPEAKING, encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])} | environment
    return subprocess.run(
        [sys.executable, str(program), ending], capture_output=True, text=True, timeout=120, check=True, env=env
    )


@pytest.mark.parametrize("ending", ["EngineCore encountered a fatal error.", "EngineCore failed to start."])
def test_an_engines_process_says_nothing_that_it_was_asked(tmp_path: Path, ending: str) -> None:
    """Its lines are JSON and hold no argument; its end is told by kind and place, and with the reason only before it was asked anything."""
    done = _said(tmp_path, ending)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["Failed to advance FSM for tokens %s.", "thread.uncaught", ending]
    assert done.stdout == ""
    assert ("see you at noon" in done.stderr) is ("failed to start" in ending)
    assert "ValueError" in lines[1]["exception"]
    assert lines[2]["exception"].splitlines()[-1].startswith("ValueError")
    assert "7110117" not in done.stderr


@pytest.mark.parametrize(
    ("level", "said"),
    [("debug", True), ("INFO", True), ("", False), ("loud", False)],
    ids=["debug", "info", "empty", "unknown"],
)
def test_vllms_own_level_is_as_vllm_takes_it(tmp_path: Path, level: str, said: bool) -> None:
    """In either case; one that there is not ends no process."""
    done = _said(tmp_path, "EngineCore encountered a fatal error.", VLLM_LOGGING_LEVEL=level)
    told = [
        line["level"] for line in map(json.loads, done.stderr.splitlines()) if line["logger"] == "vllm.v1.engine.core"
    ]
    assert ("info" in told) is said
    assert "error" in told


def test_the_service_itself_is_tied_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """VLLM runs its plugins there too."""
    monkeypatch.setenv(OWNER, str(os.getpid()))
    tie()


def test_a_choice_of_plugins_keeps_what_it_names() -> None:
    """An operator's list gets one more; without a list vLLM runs all that are installed."""
    free: dict[str, str] = {}
    own(free)
    assert free == {OWNER: str(os.getpid())}
    for chosen, kept in (("", "stream_guard_lifeline"), ("mine", "mine,stream_guard_lifeline")):
        environment = {"VLLM_PLUGINS": chosen}
        own(environment)
        own(environment)
        assert environment["VLLM_PLUGINS"] == kept


def test_vllm_finds_it() -> None:
    """By the name that `own` adds to a choice."""
    (plugin,) = entry_points(group="vllm.general_plugins", name="stream_guard_lifeline")
    assert plugin.load() is tie
