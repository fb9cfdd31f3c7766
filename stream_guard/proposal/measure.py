"""What a reader makes of the sample: the proof of a proposal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from stream_guard.config.reading import ReadSettings, build_reader
from stream_guard.events.outcome import Ignored, Rejection
from stream_guard.events.reader import Reader
from stream_guard.proposal.sight import Form, Sight
from stream_guard.routing import Limits

LIMITS = Limits()


class Tally(Struct, frozen=True):
    """What became of the records: events by kind, ignored ones, and rejections by reason and detail (never content)."""

    events: Mapping[str, int] = {}
    ignored: int = 0
    rejected: Mapping[tuple[str, str], int] = {}

    @property
    def read(self) -> int:
        """Records that became an event."""
        return sum(self.events.values())

    @property
    def lost(self) -> int:
        """Records that would be dead letters."""
        return sum(self.rejected.values())


def reader_of(read: Mapping[str, Any]) -> Reader:
    """The reader that a `read:` section makes, as the service builds it."""
    return build_reader(ReadSettings.model_validate(read))


def measure(read: Mapping[str, Any], sample: Sequence[Sight]) -> Tally:
    """Reads the sample as the service would, tombstones left out."""
    reader = reader_of(read)
    events: Counter[str] = Counter()
    rejected: Counter[tuple[str, str]] = Counter()
    ignored = 0
    for seen in sample:
        if seen.form is Form.TOMBSTONE:
            continue
        outcome = reader.read(seen.value, seen.record, max_bytes=LIMITS.record_bytes, max_depth=LIMITS.depth)
        if isinstance(outcome, Rejection):
            rejected[str(outcome.reason), outcome.detail] += 1
        elif isinstance(outcome, Ignored):
            ignored += 1
        else:
            events[type(outcome).__name__.lower()] += 1
    return Tally(dict(events), ignored, dict(rejected))
