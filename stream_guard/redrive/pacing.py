"""So many a second, and no more. Pure: it is told the time, in seconds of one clock."""

from __future__ import annotations

_AHEAD_S = 0.1
"""What was left undone for so long is not made up for: a pause is followed by the same pace, not by a burst."""


class Pacer:
    """Says when the next one may go."""

    def __init__(self, per_second: float, now: float) -> None:
        self._gap_s = 1 / per_second
        self._next_at = now

    def wait_s(self, now: float) -> float:
        """How long until the next one may go; 0 where it may go now."""
        return max(self._next_at - now, 0.0)

    def went(self, now: float) -> None:
        """One went."""
        self._next_at = max(self._next_at, now - _AHEAD_S) + self._gap_s
