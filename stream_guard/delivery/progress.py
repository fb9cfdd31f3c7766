"""Since when nothing moves though something should. A state machine without I/O: it is told the time.

It is the last net, for what nobody foresaw: an ask that is lost, a report that never comes. All that is foreseen ends by its own
timeout, which moves things on, or it is a pause, during which nothing need move. So whoever asks has to be patient, far beyond any
timeout; else a slow day would become a loop of restarts, each of which loads the model again.
"""

from __future__ import annotations


class Progress:
    """`now` is in seconds, of any clock that does not go back."""

    def __init__(self, now: float) -> None:
        self._moved_at = now

    def moved(self, now: float) -> None:
        """An ask ended, or it was heard what became of an output."""
        self._moved_at = now

    def look(self, now: float, *, rests: bool) -> None:
        """To be called now and then. `rests` says that nothing need move: nothing is in flight, or what is waits for good reason."""
        if rests:
            self._moved_at = now

    def still_s(self, now: float) -> float:
        """For how long nothing has moved that should."""
        return now - self._moved_at
