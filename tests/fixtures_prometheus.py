"""The fixture `prometheus_tools`: prometheus and promtool, unpacked from the distribution's package without installing it."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path.home() / ".cache" / "stream-guard"
_PACKAGE = "prometheus"


class PrometheusMissing(RuntimeError):
    """Prometheus can't be had here; the message says why."""


def unpacked() -> Path:
    """The folder with both programs, unpacked on first use. Raises PrometheusMissing."""
    if both := _on_the_path():
        return both
    for program in ("apt-get", "apt-cache", "dpkg"):
        if shutil.which(program) is None:
            raise PrometheusMissing(
                f"the tests of alerts need prometheus and promtool on the PATH, or {program} to unpack them"
            )
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "prometheus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := _cached():
            return found
        return _fetched(_candidate())


def _on_the_path() -> Path | None:
    prometheus, promtool = shutil.which("prometheus"), shutil.which("promtool")
    both = prometheus and promtool and Path(prometheus).parent == Path(promtool).parent
    return Path(prometheus).parent if both and prometheus else None


def _cached() -> Path | None:
    folders = sorted(CACHE.glob("prometheus-*/usr/bin"))
    return next((folder for folder in reversed(folders) if (folder / "promtool").exists()), None)


def _candidate() -> str:
    """The version that the package lists have; where they are empty, they are fetched first."""
    for attempt in ("as it is", "updated"):
        if attempt == "updated":
            _run("apt-get", "update", "-qq")
        found = re.search(r"Candidate: (\d\S*)", _run("apt-cache", "policy", _PACKAGE))
        if found:
            return found[1]
    raise PrometheusMissing("the tests of alerts need prometheus: the package lists of this machine have none")


def _fetched(version: str) -> Path:
    folder = CACHE / f"prometheus-{re.sub('[^0-9A-Za-z.]+', '-', version)}"
    half = folder.with_suffix(".part")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    _run("apt-get", "-o", "APT::Sandbox::User=root", "download", f"{_PACKAGE}={version}", cwd=half)
    (package,) = half.glob("*.deb")
    _run("dpkg", "-x", str(package), str(half))
    package.unlink()
    # Renamed when whole: what has its name can be run, also after an end in between.
    half.rename(folder)
    return folder / "usr" / "bin"


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise PrometheusMissing(f"{' '.join(command)} failed: {done.stderr[-500:]}")
    return done.stdout


@pytest.fixture(scope="session")
def prometheus_tools() -> Path:
    """The folder with prometheus and promtool."""
    try:
        return unpacked()
    except PrometheusMissing as missing:
        pytest.skip(str(missing))
