"""What is made once and kept for later runs, in a folder that is named after all that goes in."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path.home() / ".cache" / "stream-guard"
_DONE = "whole"
"""The file that says so; its time tells when the folder was last of use."""
_UNUSED_S = 7 * 24 * 3600


def kept(stem: str, inputs: Iterable[bytes], make: Callable[[Path], None], cache: Path | None = None) -> Path:
    """The folder `stem-HASH`; `make` fills it where it is not there. Whoever comes second waits for the first."""
    folder = _folder(stem, inputs, cache)
    with _alone(stem, folder.parent):
        if not (folder / _DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
        _use(stem, folder)
    return folder


def is_kept(stem: str, inputs: Iterable[bytes], cache: Path | None = None) -> bool:
    """Whether nothing would have to be made."""
    return (_folder(stem, inputs, cache) / _DONE).exists()


def used(stem: str, folder: Path) -> None:
    """Says that a folder `stem-HASH` that was made in another way is of use: for a week nobody removes it."""
    with _alone(stem, folder.parent):
        _use(stem, folder)


def _folder(stem: str, inputs: Iterable[bytes], cache: Path | None) -> Path:
    digest = hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in inputs)).hexdigest()[:16]
    return (cache or CACHE) / f"{stem}-{digest}"


@contextmanager
def _alone(stem: str, cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _use(stem: str, folder: Path) -> None:
    """Notes that it is used now, and removes those of other inputs that nobody used for a week, whole or not: no test runs that long."""
    (folder / _DONE).touch()
    for old in folder.parent.glob(f"{stem}-{'[0-9a-f]' * 16}"):
        done = old / _DONE
        last = (done if done.exists() else old).stat().st_mtime
        if time.time() - last > _UNUSED_S:
            shutil.rmtree(old, ignore_errors=True)


def contents(*paths: Path) -> Iterable[bytes]:
    """Names, rights and contents of files and of folders' files, compiled ones left out."""
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{file.relative_to(path.parent)} {os.access(file, os.X_OK)}".encode()
                yield file.read_bytes()
