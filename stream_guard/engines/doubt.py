"""Doubt: whether so many asks failed of late that the engine may be to blame for it, rather than the asks. Pure.

An ask that fails for a moment is asked again, for a while; then its case is given up, as its own fault. Where the engine fails
whatever it is asked that would be an injustice. So what failed is counted, over the last asks whatever they asked; and where
doubt arises the breaker asks the engine something harmless, to hear which of the two is to blame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from stream_guard.engines.port import Completion, Failure, FailureKind


class DoubtBounds(Struct, frozen=True):
    """Doubt arises where at least half of the last `window` asks failed, and at least `least` of them have ended.

    A few are enough: a topic with one record a minute must notice before that record's time is over. A wrong doubt costs
    one ask; at 5 % failures chance alone raises one in 10^8 asks.
    """

    window: int = 20
    least: int = 5
    share: float = 0.5
    unanswered: int = 3
    """An ask without an answer counts as so many: it took longer, and is asked again less often. Where an ask is alone, its own
    failures (12) and those of its asks without an answer (4 of 5) raise doubt before it is given up."""


class Doubt:
    """Counts how the last asks ended."""

    def __init__(self, bounds: DoubtBounds | None = None) -> None:
        self._bounds = bounds or DoubtBounds()
        self._last: deque[bool] = deque(maxlen=self._bounds.window)

    @property
    def arises(self) -> bool:
        """Whether too many failed."""
        ended = len(self._last)
        return ended >= self._bounds.least and sum(self._last) >= self._bounds.share * ended

    def count(self, completions: Iterable[Completion]) -> None:
        """Asks ended. One that the engine will never take was answered; those of an outage say nothing new."""
        for completion in completions:
            kind = failure_of(completion)
            if kind is None or kind not in _OUTAGE:
                self._last.append(kind is FailureKind.TRANSIENT)

    def unanswered(self, asks: int) -> None:
        """Asks were given up that nothing was heard of."""
        self._last.extend([True] * min(asks * self._bounds.unanswered, self._bounds.window))

    def dispel(self) -> None:
        """The engine was shown to work, or not to: what was counted is settled."""
        self._last.clear()


def failure_of(completion: Completion) -> FailureKind | None:
    """What an ask failed of, None where it was answered."""
    return completion.reply.kind if isinstance(completion.reply, Failure) else None


def answered(completion: Completion) -> bool:
    """Whether an ask shows that the engine works: also one that it will not take, whose reason is the ask's own."""
    return failure_of(completion) in (None, FailureKind.REJECTED, FailureKind.TOO_LONG)


_OUTAGE = frozenset({FailureKind.UNAVAILABLE, FailureKind.DIED})
