"""The files that an edition is written in, looked at again and again.

Looked at, rather than waited for: a mounted ConfigMap changes by the swap of one link, which the kernel tells of neither
at every kind of mount nor at the names that were opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Final, TypeAlias

from stream_guard.policy.files import policy_files

Contents: TypeAlias = Mapping[str, str]
"""What files held at one reading: a hash, or why it could not be read, by the file's name."""

_LOOKS: Final = 8
"""So many looks after a sign of change contents are read too: a second write may leave all that `stat` says as it was."""


class Files:
    """Some files and folders, and what of them was taken in. Blocks; for one caller at a time."""

    def __init__(self, *paths: Path) -> None:
        self.paths: tuple[Path, ...] = paths
        """What is looked at: files, and folders of policies."""
        self._signs: object = None
        self._looks = 0
        self._seen: Contents | None = None
        self._taken: Contents | None = None

    def look(self) -> Contents | None:
        """What the files hold, where that is new and holds still: two looks agree. Else None.

        A file that is just being written, or a folder half-way through a swap, is so not taken for what is meant. A file
        that was touched, or put back, holds nothing new.
        """
        if (signs := self._see()) != self._signs:
            self._signs, self._looks = signs, _LOOKS
        if not self._looks:
            return None
        self._looks -= 1
        found, before = self.read(), self._seen
        self._seen = found
        if found != before:
            self._looks = _LOOKS
            return None
        return None if found == self._taken else found

    def read(self) -> Contents:
        """What the files hold now. Never raises: what can't be read is an answer too."""
        try:
            return {str(file): _digest(file) for file in self._all()}
        except (OSError, RuntimeError) as error:  # a folder that may not be looked into; a link to itself
            return {"": repr(error)}

    @property
    def settles(self) -> bool:
        """Whether something new was seen that may not hold still yet: it is worth looking again soon."""
        return self._seen != self._taken

    def take(self, contents: Contents) -> None:
        """These are known now: they are told no more."""
        self._taken = contents

    def __repr__(self) -> str:
        return f"Files({', '.join(map(str, self.paths))})"

    def _all(self) -> Sequence[Path]:
        return list(policy_files(self.paths, []))

    def _see(self) -> object:
        """All that can be seen of them without reading."""
        try:
            return [(file, _stat(file)) for file in self._all()]
        except (OSError, RuntimeError) as error:
            return repr(error)


def _stat(file: Path) -> object:
    try:
        seen = file.stat()
    except OSError as error:
        return error.errno
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_mode


def _digest(file: Path) -> str:
    try:
        if not file.is_file():
            return "no file"
        with file.open("rb") as opened:
            return file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        return f"can't be read: {error.strerror}"
