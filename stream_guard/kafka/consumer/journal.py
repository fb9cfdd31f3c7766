"""What was in flight when the process ended: a small file that outlives it, however it ends.

The file is mapped into memory. What is written there survives SIGKILL, since the pages are the kernel's; what a failing
machine leaves of it is told by a checksum. Each partition has a place with two copies, written in turn: one that is torn
leaves the other. Nothing of a record but its offset is kept.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from asyncio import CancelledError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct as Layout
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.errors import ConfigError, StartRefused
from stream_guard.identity import digest
from stream_guard.kafka.settings import Log
from stream_guard.records import TopicPartition

NOWHERE = -1
PROVEN_AFTER = 2
"""Unclean ends in a row with one record alone in flight: a node that fails in just that moment must not condemn it."""
PLACES = 1024
"""Partitions that are kept track of at most. The file has one KiB for each, and takes up what was written."""
_NAME = "in-flight"
_COPY = 512
_HEAD = _COPY * 2
_LAYOUT = Layout("<IQ??iqqqqIqIH")
"""Checksum, sequence, held, alone, partition, low, high, first, last, ends, suspect, deaths, length of the topic's name."""
_HEADER = Layout("<I16s32s")
"""Checksum, magic, owner."""
_MAGIC = b"stream-guard j1\n"
_EMPTY = bytes(_COPY)


class Entry(Struct, frozen=True):
    """One partition. Offsets are inclusive; a range whose end is before its beginning is empty."""

    held: bool = False
    """Whether this process holds the partition."""
    low: int = NOWHERE
    """The lowest offset that was handed on and is not settled; where none is, the next that is to be read."""
    high: int = NOWHERE
    """The highest offset that was handed on, NOWHERE where none was."""
    alone: bool = False
    """Whether `low` was the only record in flight in the whole process."""
    first: int = NOWHERE
    """The records that were in flight at every unclean end in a row: from here."""
    last: int = NOWHERE - 1
    """To here."""
    ends: int = 0
    """Unclean ends in a row during which this partition made no headway."""
    suspect: int = NOWHERE
    """The record that was alone in flight at the last unclean end where any was."""
    deaths: int = 0
    """How many unclean ends in a row it was alone in flight at."""

    @property
    def proven(self) -> bool:
        """Whether `suspect` brings the process down. That stays known: what was settled may be read again, if it was not committed."""
        return self.deaths >= PROVEN_AFTER


class Journal:
    """The file. One thread's own, but for `close`. Made by `opened`, or None where it can't be had."""

    def __init__(self, file: int, owner: bytes, log: Log) -> None:
        """Maps the file, which it closes in the end. What it holds counts only where `owner` wrote it."""
        self._file, self._log = file, log
        os.ftruncate(file, _HEAD + PLACES * 2 * _COPY)
        self._memory = mmap.mmap(file, 0)
        self._places: dict[TopicPartition, int] = {}
        self._free = list(range(PLACES - 1, -1, -1))
        self._sequence: dict[int, int] = {}
        self._entries: dict[TopicPartition, Entry] = {}
        self._closed = self._ended = self._full = False
        if self._is_of(owner):
            self._load()
        else:
            self._begin(owner)

    @property
    def entries(self) -> Mapping[TopicPartition, Entry]:
        """What it holds."""
        return self._entries

    def put(self, where: TopicPartition, entry: Entry) -> None:
        """Writes a partition's entry. A memory write: nothing waits for a disk."""
        if self._closed or self._ended or self._entries.get(where) == entry:
            return
        place = self._place(where)
        if place is None:
            return
        self._entries[where] = entry
        sequence = self._sequence[place] = self._sequence.get(place, 0) + 1
        at = _HEAD + (2 * place + sequence % 2) * _COPY
        written = _packed(sequence, where, entry)
        self._memory[at : at + len(written)] = written

    def clear(self) -> None:
        """The process ends in order: nothing is suspected any more, and what is put from now on is not kept."""
        for where in list(self._entries):
            self.put(where, Entry())
        self._ended = True

    def close(self) -> None:
        """Lets go of the file; what is put from now on is not kept."""
        if not self._closed:
            self._closed = True
            self._memory.close()
            os.close(self._file)

    def _place(self, where: TopicPartition) -> int | None:
        """A partition's own place, else one that holds nothing worth keeping."""
        place = self._places.get(where)
        if place is None and self._free:
            place = self._free.pop()
        elif place is None:
            old = next((other for other, entry in self._entries.items() if entry == Entry()), None)
            if old is None:
                self._tell_full()
                return None
            place = self._places.pop(old)
            del self._entries[old]
        self._places[where] = place
        return place

    def _tell_full(self) -> None:
        if not self._full:
            self._full = True
            self._log("journal.full", partitions=PLACES, meaning="what brings the process down is not found in others")

    def _is_of(self, owner: bytes) -> bool:
        checksum, magic, found = _HEADER.unpack_from(self._memory)
        return bool(checksum == crc32(self._memory[4 : _HEADER.size]) and magic == _MAGIC and found == owner)

    def _begin(self, owner: bytes) -> None:
        if any(self._memory[: _HEADER.size]):
            self._log("journal.begun_anew", reason="the file was another group's, or is none of ours")
        self._memory[:] = bytes(len(self._memory))
        header = _HEADER.pack(0, _MAGIC, owner)
        self._memory[: _HEADER.size] = crc32(header[4:]).to_bytes(4, "little") + header[4:]

    def _load(self) -> None:
        for place in range(PLACES):
            copies = [self._copy(place, turn) for turn in range(2)]
            found = max((copy for copy in copies if copy is not None), key=lambda copy: copy[0], default=None)
            if found is not None:
                self._sequence[place], where, entry = found
                self._places[where], self._entries[where] = place, entry
                self._free.remove(place)
            elif any(self._raw(place, turn) != _EMPTY for turn in range(2)):
                self._log(
                    "journal.place_lost", reason="it is damaged: what was in flight of one partition is not known"
                )

    def _raw(self, place: int, turn: int) -> bytes:
        at = _HEAD + (2 * place + turn) * _COPY
        return self._memory[at : at + _COPY]

    def _copy(self, place: int, turn: int) -> tuple[int, TopicPartition, Entry] | None:
        return _unpacked(self._raw(place, turn))


@contextmanager
def journaled(folder: Path | None, cluster: str, group: str, log: Log) -> Iterator[Journal | None]:
    """The journal while the service runs; see `opened`.

    It is cleared where the block ends in order, or for a reason that no record can have. A bug, an engine that died and
    lack of memory are none of these.
    """
    journal = opened(folder, cluster, group, log)
    in_order = True
    try:
        yield journal
    except (StartRefused, ConfigError, CancelledError):
        raise
    except BaseException:
        in_order = False
        raise
    finally:
        if journal is not None:
            if in_order:
                journal.clear()
            journal.close()


def opened(folder: Path | None, cluster: str, group: str, log: Log) -> Journal | None:
    """The journal of a group's member, None (and a line that says why) where it can't be kept. Never raises."""
    if folder is None:
        log("journal.off", reason="state_dir is not set: a record that brings the process down is not found")
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log("journal.off", reason=f"{folder}: {error.strerror}")
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Journal(file, digest("journal", cluster, group).encode()[:32], log)
    except (OSError, ValueError) as error:
        with suppress(OSError):
            os.close(file)
        why = "another process uses it" if isinstance(error, BlockingIOError) else str(error)
        log("journal.off", reason=f"{folder}: {why}")
        return None


def ended(entry: Entry) -> Entry:
    """What an entry means to the next run: the process ended uncleanly while it stood so.

    A record that brings the process down was in flight at every end, and what stands before it can't be committed: so
    only what was in flight at all of them is suspected. Headway clears; a run that handed nothing on says nothing new.
    """
    if not entry.held:
        return entry
    suspect, deaths = entry.suspect, entry.deaths
    if entry.alone and entry.low == entry.high:
        suspect, deaths = entry.low, deaths + 1 if suspect == entry.low else 1
    first, last, ends = _suspected(entry)
    if ends == 1 and deaths < PROVEN_AFTER:
        suspect, deaths = NOWHERE, 0
    return Entry(low=entry.low, first=first, last=last, ends=ends, suspect=suspect, deaths=deaths)


def _suspected(entry: Entry) -> tuple[int, int, int]:
    """First, last, ends. While records are taken alone, those behind the one in flight are still to be tried."""
    if entry.high == NOWHERE:
        return entry.first, entry.last, entry.ends + 1
    first, last = entry.low, entry.high
    if entry.ends and entry.low <= entry.last:
        # A record before those may be the one all the same: it was settled, and read again since that was not committed.
        first = first if entry.alone else max(first, entry.first)
        last = entry.last if entry.alone or last < entry.low else min(last, entry.last)
        if first <= last:
            return first, last, entry.ends + 1
    return entry.low, max(entry.high, entry.low - 1), 1


def left(entry: Entry) -> Entry:
    """The same, once the partition is another's: what is suspected stays so, should it come back."""
    if not entry.ends and not entry.proven:
        return Entry()
    return replace(entry, held=False, alone=False, low=NOWHERE, high=NOWHERE)


def _packed(sequence: int, where: TopicPartition, entry: Entry) -> bytes:
    topic = where.topic.encode()[:249]
    body = _LAYOUT.pack(
        0, sequence, entry.held, entry.alone, where.partition, entry.low, entry.high, entry.first, entry.last, entry.ends,
        entry.suspect, entry.deaths, len(topic),
    )[4:] + topic  # fmt: skip
    return crc32(body).to_bytes(4, "little") + body


def _unpacked(copy: bytes) -> tuple[int, TopicPartition, Entry] | None:
    """None where the copy was never written, or not to its end."""
    checksum, sequence, held, alone, partition, *offsets, length = _LAYOUT.unpack_from(copy)
    end = _LAYOUT.size + length
    if not sequence or end > len(copy) or crc32(copy[4:end]) != checksum:
        return None
    low, high, first, last, ends, suspect, deaths = offsets
    topic = TopicPartition(copy[_LAYOUT.size : end].decode("utf-8", "replace"), partition)
    return sequence, topic, Entry(held, low, high, alone, first, last, ends, suspect, deaths)
