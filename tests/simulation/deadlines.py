"""What `respond_by` promises: nothing is asked about too late, and nothing expires too soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stream_guard.judging.judgement import AbstentionReason
from stream_guard.verdicts.model import Verdict
from tests.simulation.corpus import EPOCH_S
from tests.simulation.log import SimRecord

if TYPE_CHECKING:
    from tests.simulation.world import World

_ROUNDING_S: Final = 0.002
"""Times of records and of Unix are whole milliseconds."""
_LONGEST_PAUSE_S: Final = 0.5
"""So much before its time a case may expire: it could only be asked again after it."""


class Deadlines:
    """Knows until when an answer is of use. Where clocks are set in between, nobody does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._skewed = any(happening.what == "skew" for happening in world.schedule.happenings)

    def asked(self, record: SimRecord) -> str | None:
        """What is wrong with asking about a record now."""
        late_s = self._late_s(record)
        if late_s is None or late_s <= _ROUNDING_S:
            return None
        return f"asks about {record!r}, whose deadline passed {late_s:.3f} s ago"

    def said(self, record: SimRecord, verdict: Verdict) -> list[str]:
        """What is wrong with a verdict now."""
        late_s = self._late_s(record)
        if late_s is None or verdict.abstention is None or verdict.abstention.reason is not AbstentionReason.EXPIRED:
            return []
        self._world.coverage.met("expired", "read too late" if verdict.timings.queue_ms < 1.0 else "waited")
        if late_s < -_LONGEST_PAUSE_S - _ROUNDING_S:
            return [f"expired {-late_s:.3f} s before its deadline"]
        return []

    def _late_s(self, record: SimRecord) -> float | None:
        respond_by_s = record.content.respond_by_s
        if respond_by_s is None or self._skewed:
            return None
        return EPOCH_S + self._world.loop.time() - record.timestamp_ms / 1000 - respond_by_s
