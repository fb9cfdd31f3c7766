"""What one service told lately."""

from __future__ import annotations

from collections import deque

from stream_guard.telemetry.scraping import Answer, Heard, Silence
from stream_guard.watching.growth import Growth, same_process


class History:
    """The answers of one service within a window; none of them counts while it is silent, or once another process answers."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._answers: deque[Answer] = deque()
        self._silence: Silence | None = None
        self._silent_since = 0.0

    def told(self, heard: Heard) -> None:
        """The service was asked once more."""
        if isinstance(heard, Silence):
            if self._silence is None:
                self._silent_since = heard.at
            self._silence = heard
            return
        self._silence = None
        if self._answers and not same_process(self._answers[-1].page, heard.page):
            self._answers.clear()
        self._answers.append(heard)
        while len(self._answers) > 2 and self._answers[1].at <= heard.at - self._window_s:  # noqa: PLR2004 - a pair is kept
            self._answers.popleft()

    @property
    def answer(self) -> Answer | None:
        """The last one; None while the service is silent."""
        return self._answers[-1] if self._answers and self._silence is None else None

    @property
    def silence(self) -> tuple[float, str] | None:
        """Since when it is silent, in seconds of the answers' clock, and why; None while it answers."""
        return None if self._silence is None else (self._silent_since, self._silence.why)

    @property
    def growth(self) -> Growth | None:
        """Over the window, or what of it there is; None before the second answer."""
        return self._since(0)

    @property
    def step(self) -> Growth | None:
        """Since the answer before; None before the second."""
        return self._since(-2)

    def _since(self, index: int) -> Growth | None:
        if self.answer is None or len(self._answers) < 2:  # noqa: PLR2004 - a pair
            return None
        before, after = self._answers[index], self._answers[-1]
        seconds = after.at - before.at
        return Growth(before.page, after.page, seconds) if seconds > 0 else None
