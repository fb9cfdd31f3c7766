"""An instance id that somebody else still holds, and how long that is waited out. Pure.

Under KIP-848 a static member that crashed holds its id until its session is over, and whoever comes back under it is refused
till then (under the classic protocol it is let in at once, and the older one is fenced). Loading the model took longer than a
session, as a rule; where it did not, trying again is cheaper than another start.
"""

from __future__ import annotations

_BREAK_S = 10.0
"""So long after a refusal another one is a new story: attempts follow each other faster."""


class Held:
    """Counts from the first refusal of an unbroken row. Times in seconds of one clock."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since = self._last = float("-inf")

    def waits(self, now: float) -> bool:
        """Takes a refusal; says whether to try again, rather than to believe that the other one lives."""
        if now - self._last > _BREAK_S:
            self._since = now
        self._last = now
        return now - self._since < self._patience_s
