"""What of an event was looked at, as verdicts and escalation records say it."""

from __future__ import annotations

from stream_guard.events.content import Coverage
from stream_guard.verdicts.model import CoverageNote

MAX_NAMED_PARTS = 64
"""Parts that are named: of a record that is nothing but parts, all names would be larger than any topic takes."""


def coverage_note(seen: Coverage) -> CoverageNote:
    """The same, bounded."""
    return CoverageNote(seen.text_parts, seen.unsupported_parts[:MAX_NAMED_PARTS], seen.context_turns, seen.complete)
