"""Our image without Docker and without a registry: a Debian of its own packages as the base, built by buildah, run by runc.

    image = slim()                       # built once, kept by the hash of what goes in
    run(image, tmp_path, "--version", uid=2000)

All of it needs root; `why_not()` says what is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from image.pins import pins
from tests.kept import contents, kept

ROOT = Path(__file__).parents[1]
BASE = "localhost/debian:bookworm"
NAME = "localhost/stream-guard:dev"
_INGREDIENTS = tuple(
    ROOT / name
    for name in (
        "Dockerfile",
        "LICENSE",
        "README.md",
        "constraints.txt",
        "image",
        "policies",
        "pyproject.toml",
        "stream_guard",
    )
)
_MMDEBSTRAP = ("mmdebstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates",
               "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "bookworm")  # fmt: skip
_PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "runc": "runc"}
BUILD_S = 15 * 60
"""How long all of it may take from nothing; three minutes on two idle cores."""


class BuildFailed(RuntimeError):
    """The build ended with an error; the message is the end of what it printed."""


def why_not() -> str | None:
    """What keeps this machine from building an image; None where nothing does."""
    if os.geteuid():
        return "an image is built and run by root here, and this is another user"
    missing = sorted(package for program, package in _PROGRAMS.items() if shutil.which(program) is None)
    return f"an image is built here by buildah on mmdebstrap: apt-get install {' '.join(missing)}" if missing else None


@dataclass(frozen=True)
class Image:
    """A built image: for a container runtime as an archive, for tests unpacked."""

    folder: Path

    @property
    def archive(self) -> Path:
        """As `ctr images import` takes it."""
        return self.folder / "image.oci.tar"

    @property
    def files(self) -> Path:
        """Its root file system. It is nobody's to write to."""
        return self.folder / "files"

    @property
    def config(self) -> dict[str, Any]:
        """What the image says of how it is run: User, Entrypoint, Env, Labels and the like."""
        whole = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return dict(whole["OCIv1"]["config"])


def slim() -> Image:
    """The target `slim` of our Dockerfile."""
    return Image(kept("image", contents(base(), *_INGREDIENTS), _build_slim))


def alone(program: Path, name: str) -> Path:
    """The archive of an image that is one program which needs nothing else."""
    return (
        kept("image-alone", [name.encode(), *contents(program)], lambda folder: _wrap(folder, program, name))
        / "image.oci.tar"
    )


def base() -> Path:
    """A Debian with Python, as a tar."""
    return kept("base", ["\0".join(_MMDEBSTRAP).encode()], _make_base) / "base.tar"


def tools() -> Path:
    """The folder of the programs that look at an image or make wheels ready: hadolint, cyclonedx-py, pip."""
    lists = (ROOT / "tests" / "image" / "tools.txt", ROOT / "image" / "sbom.txt")
    return (
        kept("image-tools", [sys.version.encode(), *contents(*lists)], lambda folder: _make_tools(folder, lists))
        / "bin"
    )


def wheels() -> Path:
    """All that the build takes from a package index, by hash, for a Debian that has this Python's version."""
    return kept("image-wheels", [sys.version.encode(), *map(str.encode, _pinned())], _download)


def _make_base(folder: Path) -> None:
    _run([*_MMDEBSTRAP[:1], "--quiet", *_MMDEBSTRAP[1:], str(folder / "base.tar")])


def _make_tools(folder: Path, lists: Sequence[Path]) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    for each in lists:
        _run([str(folder / "bin" / "pip"), "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(each)])


def _pinned() -> list[str]:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    names = {each for each in ("runtime", "build") for each in (ROOT / "image" / f"{each}.txt").read_text().split()}
    return [pins(constraints, sorted(names)), (ROOT / "image" / "sbom.txt").read_text(encoding="utf-8")]


def _download(folder: Path) -> None:
    for number, text in enumerate(_pinned()):
        wanted = folder / f"{number}.txt"
        wanted.write_text(text, encoding="utf-8")
        _run([str(tools() / "pip"), "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:",
              "--dest", str(folder), "-r", str(wanted)])  # fmt: skip


@cache
def _environment() -> Mapping[str, str]:
    return {**os.environ, "BUILDAH_ISOLATION": "chroot"}


class Store:
    """A storage of buildah's own in a folder. It goes with the folder."""

    def __init__(self, folder: Path, run: Path | None = None) -> None:
        """Nothing is in it where the folder is new. `run` is for what does not outlive a start of the machine: mounts."""
        self._root = folder / "store"
        self._run_root = run or folder / "run"

    def import_base(self) -> None:
        """Makes an image of the base's tar."""
        made = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", made, str(base()), "/")
        self.buildah("commit", "--quiet", "--rm", made, BASE)

    def buildah(self, *arguments: str) -> str:
        """What buildah prints. Raises BuildFailed."""
        return _run(["buildah", "--root", str(self._root), "--runroot", str(self._run_root), *arguments])

    def build(self, context: Path, target: str, name: str = NAME, on: str = BASE, *, layers: bool = False) -> None:
        """Builds a target without any network. `layers` takes what an earlier build left, and leaves the like. Raises BuildFailed."""
        self.buildah(
            "build", "--quiet", f"--layers={str(layers).lower()}", "--network=none", "--pull-never", "--target", target, "--tag", name,
            "--build-arg", f"BASE={on}", "--build-arg", "PIP_NO_INDEX=1", str(context),
        )  # fmt: skip

    @property
    def is_thrifty(self) -> bool:
        """Whether a layer holds what changed alone; else it is a copy of all there is, and the fewer layers the better."""
        return bool(json.loads(self.buildah("info"))["store"]["GraphDriverName"] == "overlay")

    def unpack(self, name: str, image: Image) -> None:
        """Writes an image's files and what it says of itself."""
        inspected = self.buildah("inspect", "--type", "image", name)
        (image.folder / "config.json").write_text(inspected, encoding="utf-8")
        made = self.buildah("from", "--pull-never", name).strip()
        _run(["cp", "--archive", self.buildah("mount", made).strip(), str(image.files)])
        self.buildah("rm", made)

    def save(self, name: str, archive: Path) -> None:
        """Writes an image as an archive."""
        self.buildah("push", "--quiet", name, f"oci-archive:{archive}:{name}")


def make_context(folder: Path) -> Path:
    """A context to build in: what the Dockerfile copies, and the wheels that it would get from an index."""
    for path in (*_INGREDIENTS, ROOT / ".dockerignore"):
        copy = shutil.copytree if path.is_dir() else shutil.copy2
        copy(path, folder / path.name)
    shutil.copytree(wheels(), folder / "image" / "wheels", dirs_exist_ok=True)
    return folder


def _build_slim(folder: Path) -> None:
    work, earlier = folder / "work", _earlier_builds()
    (work / "context").mkdir(parents=True)
    store = Store(earlier, work / "run")
    try:
        store.build(make_context(work / "context"), "slim", layers=store.is_thrifty)
        store.unpack(NAME, Image(folder))
        store.save(NAME, folder / "image.oci.tar")
        store.buildah("rmi", NAME)
    except (BuildFailed, subprocess.TimeoutExpired):
        shutil.rmtree(earlier, ignore_errors=True)  # else one that a killed build left broken would never be mended
        raise
    shutil.rmtree(work)


def _earlier_builds() -> Path:
    """The folder of a store with the base, and with what builds of this week left: a change of our own sources installs nothing anew."""
    inputs = contents(base(), ROOT / "constraints.txt", ROOT / "image")
    return kept("image-store", [time.strftime("%G-%V").encode(), *inputs], lambda folder: Store(folder).import_base())


def _wrap(folder: Path, program: Path, name: str) -> None:
    store = Store(folder / "work")
    made = store.buildah("from", "scratch").strip()
    store.buildah("copy", "--quiet", made, str(program), f"/{program.name}")
    store.buildah("config", "--entrypoint", json.dumps([f"/{program.name}"]), made)
    store.buildah("commit", "--quiet", "--rm", made, name)
    store.save(name, folder / "image.oci.tar")
    shutil.rmtree(folder / "work")


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(
        command,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise BuildFailed(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-4000:]}")
    return done.stdout
