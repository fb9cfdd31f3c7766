"""What a demo leaves behind: nothing on its streams that is not its own, and no process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from stream_guard.cli.scratch import scratch

_NOISY = """
import os, subprocess, sys
from pathlib import Path
from stream_guard.cli.streams import own_streams
print("before")
with own_streams(Path(sys.argv[1])) as streams:
    streams.out.write("ours\\n")
    print("a library")
    os.write(1, b"a library in C\\n")
    os.write(2, b"its error\\n")
    subprocess.run(["echo", "a child"], check=True)
    streams.err.write("our note\\n")
print("after")
"""
_FAMILY = """
import os, subprocess, sys, time
from stream_guard.cli.descendants import end_descendants
from stream_guard.engines.processes import descendants
sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
parent = "import subprocess, sys, time; subprocess.Popen(" + repr(sleeper) + "); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", parent])
while len(found := descendants(os.getpid())) < 2:
    time.sleep(0.02)
print(*found, flush=True)
end_descendants()
print(len(descendants(os.getpid())))
"""


def _run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)


def test_the_streams_are_ours_alone(tmp_path: Path) -> None:
    """Libraries and children write to the log, whatever descriptor they use; afterwards all is as it was."""
    ran = _run(_NOISY, str(tmp_path / "log"))
    assert ran.stdout == "before\nours\nafter\n"
    assert ran.stderr == "our note\n"
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert set(log.splitlines()) == {"a library", "a library in C", "its error", "a child"}


def test_a_stream_that_is_no_descriptor_is_ours_as_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where a test holds stdout, what we write reaches it."""
    from stream_guard.cli.streams import own_streams  # noqa: PLC0415 - beside its only use

    with own_streams(tmp_path / "log") as streams:
        streams.out.write("ours\n")
        os.write(1, b"somebody else's\n")
    assert capsys.readouterr().out == "ours\n"


def test_descendants_end_with_their_children() -> None:
    """A grandchild whose parent is gone would live on unseen."""
    found, left = _run(_FAMILY).stdout.splitlines()
    pids = [int(pid) for pid in found.split()]
    assert (len(pids), left) == (2, "0")
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() and not _is_zombie(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_scratch_takes_all_temporary_files_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of this process and of its children; afterwards all is as it was."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    made = "import tempfile; print(tempfile.mkdtemp())"
    with scratch() as folder:
        assert folder.parent == tmp_path
        assert Path(tempfile.mkdtemp()).parent == folder
        assert Path(_run(made).stdout.strip()).parent == folder
    assert list(tmp_path.iterdir()) == []
    assert (os.environ["TMPDIR"], tempfile.gettempdir()) == (str(tmp_path), str(tmp_path))
