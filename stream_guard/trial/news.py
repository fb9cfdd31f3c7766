"""What a trial tells, in the order in which it happens: stages, the sample, what becomes of each record, the end."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from stream_guard.verdicts.model import Rationale, Ruling, Verdict


class Stage(Struct, frozen=True):
    """What is waited for now."""

    what: str


class Sampled(Struct, frozen=True):
    """The records were read. `unread` says for each partition that could not be read to its end, why."""

    topic: str
    asked: int
    records: int
    partitions: int
    last_offset: int = 0
    unread: tuple[tuple[int, str], ...] = ()
    full: bool = False
    """Whether fewer came than were asked for, because they take too much memory."""
    oldest_ms: int | None = None
    newest_ms: int | None = None
    read_at_ms: int = 0

    @property
    def per_second(self) -> float | None:
        """Records a second between the oldest and the newest of the sample; None where they are of one moment."""
        if self.oldest_ms is None or self.newest_ms is None or self.newest_ms <= self.oldest_ms:
            return None
        return (self.records - 1) * 1000 / (self.newest_ms - self.oldest_ms)


class Judging(Struct, frozen=True):
    """The engine is ready, `seconds` after the trial began; records go in now. `notes` say what is not as in the service."""

    engine: str
    model: str
    policies: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()


class Fate(StrEnum):
    """What became of a record."""

    JUDGED = "judged"
    DEAD_LETTERED = "dead_lettered"
    IGNORED = "ignored"


class Heard(Struct, frozen=True, kw_only=True):
    """A record, and all that would have been published for it. `at_s` are seconds since the judging began.

    `excerpt` is the beginning of what was judged, or of the record's value where nothing was; None unless the trial reveals.
    """

    partition: int
    offset: int
    timestamp_ms: int | None
    fate: Fate
    reason: str = ""
    detail: str = ""
    """More of the reason, never content."""
    route: str = ""
    kind: str | None = None
    ruling: Ruling | None = None
    verdicts: tuple[Verdict, ...] = ()
    rationales: tuple[Rationale, ...] = ()
    letters: int = 0
    """Dead letters that would have been written."""
    chars: int | None = None
    """Characters of what was judged; None where nothing was."""
    bytes: int = 0
    excerpt: str | None = None
    at_s: float = 0.0

    def __repr__(self) -> str:
        return f"Heard([{self.partition}]@{self.offset}, {self.fate}, {len(self.verdicts)} verdicts)"


class Finished(Struct, frozen=True):
    """Every record has been heard."""


News: TypeAlias = Stage | Sampled | Judging | Heard | Finished
