"""What is to be sent, and what is sent again because it was not written. A state machine without I/O or clock."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ports import Output


class Receipt:
    """Whose output this is; goes through the sink and comes back on the report. `sent_at` is the loop's time."""

    __slots__ = ("dead_letter", "failures", "hearing", "sent_at", "tried_s")

    def __init__(self, hearing: Hearing, dead_letter: tuple[str, str] | None = None) -> None:
        self.hearing = hearing
        self.dead_letter = dead_letter
        """Scope and reason, where the output is a dead letter."""
        self.failures = 0
        self.tried_s = 0.0
        """How long the tries that failed took, all together."""
        self.sent_at = 0.0


class Outbox:
    """Outputs to send now, and outputs to send again after a pause that doubles from `resend_s` to `max_resend_s`.

    There is no last attempt: an output that can't be written keeps its record open, and so its offset.
    """

    def __init__(self, *, resend_s: float, max_resend_s: float) -> None:
        self._resend_s = resend_s
        self._max_resend_s = max_resend_s
        self._ready: list[Output] = []
        self._later: list[tuple[float, int, Output]] = []
        self._order = count()

    def add(self, outputs: Iterable[Output]) -> None:
        """Outputs to send at the end of this turn."""
        self._ready.extend(outputs)

    def failed(self, output: Output, receipt: Receipt, now: float) -> None:
        """An output was not written."""
        pause = min(self._resend_s * 2**receipt.failures, self._max_resend_s)
        receipt.failures += 1
        receipt.tried_s += now - receipt.sent_at
        heapq.heappush(self._later, (now + pause, next(self._order), output))

    def take(self, now: float) -> list[Output]:
        """What is to be sent now; its receipts are stamped."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        outputs, self._ready = self._ready, []
        for output in outputs:
            if isinstance(output.receipt, Receipt):
                output.receipt.sent_at = now
        return outputs
