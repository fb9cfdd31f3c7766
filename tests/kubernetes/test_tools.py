"""How the programs come to be, and how they go; none of these tests needs Kubernetes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kubernetes import tools
from tests.kubernetes.custom_resources import KEDA
from tests.kubernetes.processes import Died, Processes


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that commands are looked for in."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def make_go(path: Path, script: str) -> None:
    """Puts a `go` there that runs these lines."""
    (path / "go").write_text(f"#!/bin/sh\n{script}\n")
    (path / "go").chmod(0o755)


@pytest.mark.parametrize(
    ("found", "fits"), [("go1.25.9", False), ("go1.26.0", True), ("go2.0", True), ("devel", False)]
)
def test_an_old_go_is_told_by_its_version(path: Path, found: str, fits: bool) -> None:
    """Who lacks the right Go reads in one sentence what is wanted and what is there."""
    make_go(path, f"echo {found}")
    reason = tools.why_not()
    assert (reason is None) == fits
    assert reason is None or ("Go 1.26 or newer" in reason and found in reason)


def test_no_go_is_told(path: Path) -> None:
    """The same where there is none."""
    assert "no `go` on the PATH" in str(tools.why_not())


def test_what_does_not_build_is_told_and_not_kept(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's words are in the error, and the next run tries again."""
    monkeypatch.setattr(tools, "CACHE", tmp_path / "cache")
    make_go(path, 'shift $(($# - 2)); echo half > "$1"; echo "undefined: Kubernetes" >&2; exit 1')
    (tmp_path / "go.sum").write_text("")
    module = tools.GoModule("module", tmp_path, {"program": "."})
    with pytest.raises(tools.ToolsError, match="undefined: Kubernetes"):
        module.build()
    assert module.missing == ["program"]
    make_go(path, 'shift $(($# - 2)); echo whole > "$1"')
    assert (module.build() / "program").read_text() == "whole\n"
    assert module.missing == []


def test_another_content_under_a_known_version_is_refused(path: Path) -> None:
    """Definitions that were changed after they were pinned don't get into the cluster."""
    make_go(path, """echo '{"Sum": "h1:other=", "Dir": "/"}'""")
    with pytest.raises(tools.ToolsError, match=r"h1:other=.* not h1:"):
        KEDA.files()


def test_a_program_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Who waits for it learns at once that it can't come, and why."""
    processes = Processes(tmp_path)
    processes.start("short", sys.executable, "-c", "import sys; sys.exit('out of luck')")
    os.waitid(os.P_PID, processes.ids["short"], os.WEXITED | os.WNOWAIT)
    with pytest.raises(Died, match=r"(?s)short ended with 1.*out of luck"):
        processes.check()


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from tests.kubernetes.processes import Processes
processes = Processes(Path(sys.argv[1]))
processes.start("long", "sleep", "600")
print(processes.ids["long"], flush=True)
while Path(f"/proc/{processes.ids['long']}/comm").read_text() != "sleep\\n":
    time.sleep(0.01)  # it is tied once it runs
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_program_ends_with_a_test_that_is_killed(tmp_path: Path) -> None:
    """A test run that is killed can end nothing: its programs end all the same."""
    done = subprocess.run([sys.executable, "-c", _KILLED, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    program = int(done.stdout)
    deadline = time.monotonic() + 30
    while _runs(program) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(program)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0]
