"""The text of a file that an author wrote, bounded before it is read."""

from __future__ import annotations

from pathlib import Path

from stream_guard.errors import Place, PolicyError


def read_text(path: Path, most: int, too_large: str) -> str:
    """The text of a file of at most so many bytes, without a byte order mark.

    Raises PolicyError where it can't be read, is larger (`too_large` says so), or is not UTF-8.
    """
    file = str(path)
    try:
        with path.open("rb") as opened:
            raw = opened.read(most + 1)
    except OSError as error:
        raise PolicyError((Place(file), f"can't be read: {error.strerror}")) from error
    if len(raw) > most:
        raise PolicyError((Place(file), too_large))
    try:
        return raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyError((Place(file, line), "is not UTF-8")) from error
