"""Secrets and certificates that stand in files, and who has to hear of it when those change.

A client is told a new user name and password while it lives; its connections stay, new ones use them. Everything else of a
file (certificates, keys, the secret of a token endpoint) librdkafka reads when a client is made: there the owner of the
client makes another one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from enum import Enum, auto
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from stream_guard.errors import StartRefused

Log: TypeAlias = Callable[..., None]
LOGIN = ("sasl.username", "sasl.password")
"""The options that a living client can be told anew."""
_LOOK_S = 2.0


class Change(Enum):
    """What a client has to do about files that changed."""

    LOGIN = auto()
    """Take the new user name and password."""
    RENEWAL = auto()
    """Give way to a new client."""


class Contents(Struct, frozen=True):
    """What the files held at one reading. Its repr shows names alone."""

    options: Mapping[str, str]
    """The values of the options that stand in files."""
    digests: Mapping[Path, bytes]
    """Of the files that librdkafka reads by itself."""

    def __repr__(self) -> str:
        return f"Contents(of {sorted(self.options)}, {len(self.digests)} files)"

    def less_login(self) -> tuple[dict[str, str], Mapping[Path, bytes]]:
        """What needs a new client when it changes."""
        return {name: value for name, value in self.options.items() if name not in LOGIN}, self.digests


class Credentials:
    """The files, as they were last read whole. Read from any thread; `look` is for one at a time.

    `options` are librdkafka options whose value is the stripped content of a file, `watched` are files and directories
    that librdkafka reads. Raises StartRefused where an option's file can't be read or is empty.
    """

    def __init__(self, options: Mapping[str, Path], watched: Iterable[Path] = ()) -> None:
        self._options = dict(options)
        self._watched = tuple(watched)
        try:
            self.current = self._read()
        except OSError as error:
            raise StartRefused(str(error)) from error
        self._candidate = self.current

    def __repr__(self) -> str:
        return f"Credentials(of {sorted(self._options)}, {len(self._watched)} files)"

    @property
    def watches(self) -> bool:
        """Whether there is any file that can change."""
        return bool(self._options or self._watched)

    def look(self) -> tuple[str, ...]:
        """Reads the files again. Returns the names of the options and files that changed.

        A change counts once two readings agree: a certificate and its key may be written one after the other. Raises
        OSError where a file can't be read or is empty just now; what was read before stays in force.
        """
        found, before = self._read(), self._candidate
        self._candidate = found
        if found != before or found == self.current:
            return ()
        changed = _changed(self.current, found)
        self.current = found
        return changed

    def _read(self) -> Contents:
        return Contents(
            {name: _secret(name, path) for name, path in self._options.items()},
            {path: _digest(path) for path in self._watched},
        )


class Follower:
    """What one client was made with or told. One thread's own."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._known = None if credentials is None else credentials.current

    def change(self) -> Change | None:
        """What is to be done since the last call."""
        if self._credentials is None or self._known is None or self._credentials.current is self._known:
            return None
        before, self._known = self._known, self._credentials.current
        return Change.LOGIN if before.less_login() == self._known.less_login() else Change.RENEWAL


def login(config: Mapping[str, object]) -> tuple[str, str]:
    """User name and password of a client's configuration."""
    name, password = (str(config.get(option, "")) for option in LOGIN)
    return name, password


@contextlib.asynccontextmanager
async def watching(credentials: Credentials | None, log: Log) -> AsyncIterator[None]:
    """Looks at the files every 2 seconds while the block lasts. One line is logged a change; never what stands in them."""
    if credentials is None or not credentials.watches:
        yield
        return
    task = asyncio.create_task(_watch(credentials, log))
    try:
        yield
    finally:
        task.cancel()


async def _watch(credentials: Credentials, log: Log) -> None:
    wrong = ""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            changed = await asyncio.to_thread(credentials.look)
        except OSError as error:
            if str(error) != wrong:
                wrong = str(error)
                log("kafka.credentials_unreadable", reason=wrong)
            continue
        wrong = ""
        if changed:
            log("kafka.credentials_changed", changed=changed)


def _changed(before: Contents, after: Contents) -> tuple[str, ...]:
    options = [name for name, value in after.options.items() if value != before.options[name]]
    files = [str(path) for path, digest in after.digests.items() if digest != before.digests[path]]
    return (*options, *files)


def _secret(name: str, path: Path) -> str:
    """Raises OSError; a text that is none, too: the message never holds the content."""
    try:
        value = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise OSError(f"{name}: {path} is not UTF-8") from None
    except OSError as error:
        raise OSError(f"{name}: {path} can't be read: {error.strerror}") from None
    if not value:
        raise OSError(f"{name}: {path} is empty")
    return value


def _digest(path: Path) -> bytes:
    """Of a file's content, or of all files of a directory. The path is followed anew each time: links are swapped."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = sha256()
    for file in files:
        if file == path or file.is_file():
            found.update(file.name.encode() + sha256(file.read_bytes()).digest())
    return found.digest()
