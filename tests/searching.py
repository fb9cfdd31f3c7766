"""Looks for what must not be there: a text in every form in which it could have got out, in files while they are written, in anything.

It is told apart from what merely looks like it by its length: a needle has many letters, and many tokens.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

import msgspec
from tokenizers import Tokenizer

MOST = 256_000_000
"""Bytes of a file that are looked at: a larger one is told of."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the system has it
_AROUND = (" and before that ", ", as everybody knows.")
"""What stands beside the needle while its tokens are counted: those at its ends depend on that, and are left out."""
_LOOK_S = 0.3
_LOOKS_A_PROCESS = 3
"""Every so many looks, the processes are looked at: to find them takes a walk through all of the machine's."""


class Needle:
    """A text that must not be found, in all its forms. `tokenizers` are those of the models that it was shown to, by name."""

    def __init__(self, text: str, tokenizers: Mapping[str, Tokenizer]) -> None:
        self.text = text
        self._forms: dict[str, bytes] = {}
        for name, form in (*_written(text), *_encoded(text.encode()), *_tokens(text, tokenizers)):
            if form not in self._forms.values():
                self._forms[name] = form

    @property
    def forms(self) -> Mapping[str, bytes]:
        """What is looked for, by the name of the form."""
        return self._forms

    def found(self, data: bytes) -> list[str]:
        """The forms in which it is there."""
        return [name for name, form in self._forms.items() if form in data]


def _written(text: str) -> Iterator[tuple[str, bytes]]:
    """As text, and as it stands within other text."""
    plain, ascii_only = json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]
    yield "plain", text.encode()
    yield "UTF-16", text.encode("utf-16-le")
    yield "JSON", plain.encode()
    yield "JSON, ASCII only", ascii_only.encode()
    yield "JSON in JSON", json.dumps(plain, ensure_ascii=False)[1:-1].encode()
    yield "JSON in JSON, ASCII only", json.dumps(ascii_only)[1:-1].encode()
    yield "repr", repr(text)[1:-1].encode()
    yield "ascii", ascii(text)[1:-1].encode()
    yield "repr of bytes", repr(text.encode())[2:-1].encode()
    yield "URL", quote(text).encode()
    yield "HTML", html.escape(text).encode()


def _encoded(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "hexadecimal", data.hex().encode()
    yield "hexadecimal, upper case", data.hex().upper().encode()
    for shift in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64 for URLs", base64.urlsafe_b64encode)):
            yield f"{name}, shifted by {shift}", _inner(encode(bytes(shift) + data), shift, len(data))


def _inner(encoded: bytes, shift: int, length: int) -> bytes:
    """What of its Base64 does not depend on the neighbours."""
    return encoded[-(-8 * shift // 6) : 8 * (shift + length) // 6]


def _tokens(text: str, tokenizers: Mapping[str, Tokenizer]) -> Iterator[tuple[str, bytes]]:
    for name, tokenizer in tokenizers.items():
        for form, data in _numbers(inner_tokens(text, tokenizer)):
            yield f"{name} tokens, {form}", data
    for form, data in _numbers(list(text.encode())):  # the scripted engine's tokens
        yield f"byte tokens, {form}", data


def inner_tokens(text: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens that a text has wherever it stands."""
    before, after = _AROUND
    found = tokenizer.encode(f"{before}{text}{after}", add_special_tokens=False)
    spans = zip(found.ids, found.offsets, strict=True)
    return [i for i, (begin, end) in spans if begin >= len(before) and end <= len(before) + len(text)][1:-1]


def _numbers(ids: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    for name, between in (("a JSON list", ", "), ("commas", ","), ("blanks", " "), ("lines", "\n")):
        yield name, between.join(map(str, ids)).encode()
    for size in (2, 4, 8):
        if max(ids) < 1 << 8 * size:
            yield f"{8 * size} bits", b"".join(i.to_bytes(size, "little") for i in ids)
    yield "msgpack", b"".join(map(msgspec.msgpack.encode, ids))
    yield "pickle", b"".join(map(_pickled, ids))


def _pickled(number: int) -> bytes:
    for opcode, size in ((b"K", 1), (b"M", 2)):
        if number < 1 << 8 * size:
            return opcode + number.to_bytes(size, "little")
    return b"J" + number.to_bytes(4, "little")


class Search:
    """What of some needles was found so far, and where."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._needles = tuple(needles)
        self.finds: set[tuple[str, str, str]] = set()
        """The place, the needle, the form."""
        self.searched: dict[str, int] = {}
        """How many bytes were looked at, by place."""

    @property
    def longest(self) -> int:
        """Bytes of the longest form of any needle."""
        return max(len(form) for needle in self._needles for form in needle.forms.values())

    def look(self, place: str, data: bytes | str) -> None:
        """Looks through something."""
        raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
        self.searched[place] = self.searched.get(place, 0) + len(raw)
        self.finds.update((place, needle.text, form) for needle in self._needles for form in needle.found(raw))


class Seen(NamedTuple):
    """What is known of a file: which it was, how far it was looked through, and the digest of that."""

    sign: tuple[int, int, int]
    end: int
    digest: bytes


class Watch:
    """Looks through the files of folders, again and again while they change, as some live for a moment only.

    `processes` are those that are watched as well: a file that one of them has open to write to must lie in those folders.
    """

    def __init__(self, search: Search, folders: Sequence[Path], processes: Callable[[], Iterable[int]]) -> None:
        self._search, self._folders, self._processes = search, tuple(folders), processes
        self._seen: dict[Path, Seen] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.elsewhere: set[str] = set()
        """Files that were written to where nobody looks."""
        self.too_large: set[Path] = set()
        """Files that were not looked through to their end."""
        self.shared: set[Path] = set()
        """Shared memory that the processes had: it outlives a kill."""

    def __enter__(self) -> Self:
        """Begins."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Looks once more."""
        self._stop.set()
        self._thread.join()
        self.look()

    def end(self, file: Path) -> int:
        """How far a file was looked through, in bytes, when it was looked at last."""
        return self._seen[file].end if file in self._seen else 0

    def look(self) -> None:
        """Looks at what changed since the last time, and at the processes."""
        self._look_at_files()
        self._look_at_processes()

    def _look_at_files(self) -> None:
        for file in (file for folder in self._folders for file in _files(folder)):
            try:
                status = file.stat()
                sign = status.st_ino, status.st_size, status.st_mtime_ns
                if stat.S_ISREG(status.st_mode) and (file not in self._seen or self._seen[file].sign != sign):
                    self._look_through(file, sign)
            except OSError:  # it is gone, or nobody may read it
                continue

    def _look_through(self, file: Path, sign: tuple[int, int, int]) -> None:
        """All of it; of one that only grew, what is new, and before that as much as a form that began there may be long."""
        data, before = _begin(file), self._seen.get(file)
        if before is None:
            self._search.look("names of files", str(file))
        grew = before is not None and hashlib.sha256(data[: before.end]).digest() == before.digest
        begin = max(0, before.end - self._search.longest) if before is not None and grew else 0
        self._search.look(f"file {file}", data[begin:])
        if len(data) >= MOST:
            self.too_large.add(file)
        self._seen[file] = Seen(sign, len(data), hashlib.sha256(data).digest())

    def _look_at_processes(self) -> None:
        for process in self._processes():
            self.elsewhere.update(path for path in _written_by(process) if not self._within(path))
            self.shared.update(shared_by(process))

    def _within(self, path: str) -> bool:
        return any(Path(path).is_relative_to(folder) for folder in self._folders)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(_LOOK_S):
            self._look_at_files()
            if number % _LOOKS_A_PROCESS == 0:
                self._look_at_processes()
            number += 1


def _begin(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST)


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def _written_by(process: int) -> Iterator[str]:
    """The regular files that a process has open to write to."""
    try:
        links = list(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return
    for link in links:
        try:
            target, info = str(link.readlink()), Path(f"/proc/{process}/fdinfo/{link.name}").read_text("ascii")
        except OSError:
            continue
        flags = next(line.split()[1] for line in info.splitlines() if line.startswith("flags:"))
        writable = int(flags, 8) & os.O_ACCMODE != os.O_RDONLY
        if writable and target.startswith("/") and not target.startswith(("/dev/", "/proc/", "/memfd:", "/sys/")):
            yield target.removesuffix(" (deleted)")


def shared_by(process: int) -> Iterator[Path]:
    """The shared memory with a name that a process has mapped."""
    try:
        maps = Path(f"/proc/{process}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in maps.splitlines():
        _, _, name = line.partition(str(SHARED_MEMORY))
        if name and not name.endswith(" (deleted)"):
            yield Path(f"{SHARED_MEMORY}{name}")
