"""Which leases were read to the end of what there was. It is told with the records before it, or soon. One thread's own; no I/O."""

from __future__ import annotations

from stream_guard.records import Lease

_ALONE_EVERY_S = 1.0
"""Without records it is told no more often: each time wakes the event loop."""


class Ended:
    """What was not told yet."""

    def __init__(self) -> None:
        self._offsets: dict[Lease, int] = {}
        self._alone_at = 0.0

    def note(self, lease: Lease | None, offset: int | None) -> None:
        """It was read so far, and there is no more. What is under no lease is nobody's business."""
        if lease is not None and offset is not None:
            self._offsets[lease] = offset

    def take(self, now: float, *, beside_records: bool) -> dict[Lease, int]:
        """What is to be told now. `now` is monotonic, in seconds."""
        if not self._offsets or not (beside_records or now >= self._alone_at):
            return {}
        self._alone_at = now + _ALONE_EVERY_S
        offsets, self._offsets = self._offsets, {}
        return offsets
