"""What becomes of the records of an intake before anything is made of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stream_guard.records import Lease, Record


class Admission(NamedTuple):
    """An intake, sorted; each part in the order in which it was read."""

    live: Sequence[Record]
    """To be heard."""
    past: Sequence[Record]
    """Read again for their context alone: to be remembered, never to be opened, so that nothing of them can be committed."""
    away: Sequence[Record]
    """Left alone, because they will be read again anyway: their lease is leaving, gone or stopped for good, or the service stops."""


def admission(records: Sequence[Record], admits: Callable[[Lease], bool]) -> Admission:
    """Sorts an intake by what its leases admit."""
    admitted = {lease for lease in {record.lease for record in records} if admits(lease)}
    live, past, away = [], [], []
    for record in records:
        if record.lease not in admitted:
            away.append(record)
        elif record.past:
            past.append(record)
        else:
            live.append(record)
    return Admission(live, past, away)
