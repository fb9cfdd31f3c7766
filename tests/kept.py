"""What is made once and kept for later runs, in a folder that is named after all that goes in."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

CACHE = Path.home() / ".cache" / "stream-guard"
_DONE = "whole"
"""The file that says so; its time tells when the folder was last of use."""
_UNUSED_S = 7 * 24 * 3600


def kept(stem: str, inputs: Iterable[bytes], make: Callable[[Path], None]) -> Path:
    """The folder `stem-HASH`; `make` fills it where it is not there. Whoever comes second waits for the first."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in inputs)).hexdigest()[:16]
    folder = CACHE / f"{stem}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
        (folder / _DONE).touch()
        _forget(stem)
    return folder


def _forget(stem: str) -> None:
    """Those of other inputs that nobody used for a week, and what a making that was killed left: the lock says that none is under way."""
    for old in CACHE.glob(f"{stem}-{'[0-9a-f]' * 16}"):
        done = old / _DONE
        if not done.exists() or time.time() - done.stat().st_mtime > _UNUSED_S:
            shutil.rmtree(old, ignore_errors=True)


def contents(*paths: Path) -> Iterable[bytes]:
    """Names, rights and contents of files and of folders' files, compiled ones left out."""
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{file.relative_to(path.parent)} {os.access(file, os.X_OK)}".encode()
                yield file.read_bytes()
