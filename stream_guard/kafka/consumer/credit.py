"""How many records the source may take, and when holding back is worth a pause. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Credit:
    """The room that the pipeline granted and that is not used up. It grows by grants and shrinks by what is taken."""

    available: int = 0
    """Records that may still be taken."""

    def grant(self, records: int) -> None:
        """The pipeline has room for so many more."""
        self.available += records

    def reserve(self, limit: int) -> int:
        """Takes up to `limit` of what is available."""
        taken = min(limit, self.available)
        self.available -= taken
        return taken

    def refund(self, records: int) -> None:
        """So many reserved ones were not there."""
        self.available += records


@dataclass(slots=True)
class Brake:
    """Decides when all partitions are paused.

    A pause throws away what was fetched ahead, and frequent pauses leak memory in librdkafka (its #5343 and #5218), so
    a short time without credit is simply waited out. But prefetched records stand before a rebalance in the consumer's
    queue, so a long one is not. Resuming waits for `resume_at` records of credit, or for `patience_s` with any.
    """

    pause_after_s: float = 2.0
    resume_at: int = 64
    patience_s: float = 1.0
    paused: bool = False
    _since: float | None = None

    def step(self, now: float, available: int) -> bool:
        """Returns whether to be paused from now on. `now` is monotonic, in seconds."""
        if self.paused == (available == 0):
            self._since = None
        elif self._since is None:
            self._since = now
        if self._due(now, available):
            self.paused, self._since = not self.paused, None
        return self.paused

    def _due(self, now: float, available: int) -> bool:
        if self.paused and available >= self.resume_at:
            return True
        limit = self.patience_s if self.paused else self.pause_after_s
        return self._since is not None and now - self._since >= limit
