"""The dead letters of a topic, as they stand: the last of each id, without those that were purged. Nothing of their records."""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern
from typing import NamedTuple

from msgspec import Struct

from stream_guard.errors import MessageError
from stream_guard.records import Record
from stream_guard.verdicts.dead_letter import DeadLetter, Scope, decode

SHORTEST_ID = 6
"""So many characters of an id are enough to name it."""


class Place(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


class Letter(Struct, frozen=True, gc=False):
    """What is remembered of a dead letter, to choose by and to list. Times are Unix times in milliseconds."""

    id: str
    at: Place
    """Where the dead letter stands."""
    origin: Place
    """Where its record stood."""
    scope: Scope
    reason: str
    route: str
    namespace: str
    lane: str
    policy_id: str | None
    replays: int
    failed_at_ms: int
    size: int
    """Bytes of the record's key, value and headers."""

    def is_named(self, name: str) -> bool:
        """Whether a text names it: its id or the beginning of it, or where it or its record stands."""
        return (len(name) >= SHORTEST_ID and self.id.startswith(name)) or name in (str(self.at), str(self.origin))


class Letters:
    """Takes in the records of dead-letter topics in the order of their offsets, and keeps what still stands."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, str], Letter] = {}
        self.read = 0
        """Records that were taken in."""
        self.replaced = 0
        """Dead letters in whose place a later one of the same id stands: the record was read again, or failed again."""
        self.purged = 0
        self.unreadable = 0
        """Records that are no dead letters of the contract."""

    def add(self, record: Record) -> None:
        """A record of a dead-letter topic."""
        self.read += 1
        if record.value is None:
            self._purge(record)
            return
        try:
            letter = letter_of(record)
        except MessageError:
            self.unreadable += 1
            return
        place = letter.at.topic, letter.id
        self.replaced += place in self._standing
        self._standing[place] = letter

    def __iter__(self) -> Iterator[Letter]:
        return iter(self._standing.values())

    def __len__(self) -> int:
        return len(self._standing)

    def _purge(self, record: Record) -> None:
        key = (record.key or b"").decode("utf-8", "replace")
        self.purged += self._standing.pop((record.topic, key), None) is not None


def letter_of(record: Record) -> Letter:
    """What is remembered of a dead letter. Raises MessageError where it is none."""
    said, original = opened(record)
    return Letter(
        id=said.id,
        at=Place(intern(record.topic), record.partition, record.offset),
        origin=Place(intern(original.topic), original.partition, original.offset),
        scope=said.scope,
        reason=intern(said.reason),
        route=intern(said.route),
        namespace=intern(said.namespace),
        lane=said.lane,
        policy_id=None if said.policy_id is None else intern(said.policy_id),
        replays=said.replays,
        failed_at_ms=said.last_failed_at_ms,
        size=original.size,
    )


def opened(record: Record) -> tuple[DeadLetter, Record]:
    """What became of a record, and the record itself. Raises MessageError where this is no dead letter."""
    return decode(record.key, record.value, record.headers)
