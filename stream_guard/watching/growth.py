"""How counters grew between two looks at one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stream_guard.telemetry.exposition import Labels, Page

STARTED = "process_start_time_seconds"
"""Unix time at which a process began; two that began at the same moment are one."""
_GROWING = ("_total", "_bucket")


class Growth(NamedTuple):
    """Two looks at the same process, `seconds` apart."""

    before: Page
    after: Page
    seconds: float

    def of(self, name: str) -> Mapping[Labels, float]:
        """By how much each series of a counter grew. One that was not there before began at 0."""
        before = self.before.of(name)
        return {labels: max(0.0, value - before.get(labels, 0.0)) for labels, value in self.after.of(name).items()}


def same_process(before: Page, after: Page) -> bool:
    """Whether one process told both.

    Another one may have answered: the old one's successor, or, through a port-forward, any other. Nothing can be known then of what
    was counted between the two.
    """
    began, begins = before.of(STARTED).get(()), after.of(STARTED).get(())
    if began is not None and begins is not None:
        return began == begins
    return not any(
        value < before.of(name).get(labels, 0.0)
        for name in after.series
        if name.endswith(_GROWING)
        for labels, value in after.of(name).items()
    )
