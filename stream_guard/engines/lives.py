"""The lives of an engine that is restarted: which of them were worth living, and when another one is no use. Pure.

A poison content may end an engine a few times until it is found out, alone, and dead-lettered. A broken device ends every
life, or lets none begin: then only a new process can help, on another device perhaps, and liveness says so.
"""

from __future__ import annotations

from msgspec import Struct


class LifeBounds(Struct, frozen=True):
    """When an engine is beyond repair. Seconds.

    Five lives: the one that a poison content ends first has answered much, and three more at most are short until it was found
    out (judging/suspicion.py). Ten answers: a trial or two after each restart is not work. Half an hour: five loads of a large
    model, with their pauses, fit into it.
    """

    failed_lives: int = 5
    within_s: float = 1800.0
    answers: int = 10
    """A life that gave fewer failed."""
    loading_s: float = 600.0
    loading_times: float = 5.0
    """Loading again hangs where it takes longer than that, and so many times as long as the first load."""
    pause_s: float = 5.0
    max_pause_s: float = 60.0
    """A load that failed is tried again after a pause that doubles: the dead process's memory may not be free yet."""


class Lives:
    """Is told what becomes of the engine, and when."""

    def __init__(self, bounds: LifeBounds | None = None) -> None:
        self._bounds = bounds or LifeBounds()
        self._answers = 0
        self._failed: list[float] = []
        self._loading_since: float | None = None
        self._first_load_s: float | None = None

    def loading(self, now: float) -> None:
        """It is being loaded."""
        self._loading_since = now

    def loaded(self, now: float) -> None:
        """A life begins."""
        if self._first_load_s is None and self._loading_since is not None:
            self._first_load_s = now - self._loading_since
        self._loading_since = None
        self._answers = 0

    def answered(self, asks: int) -> None:
        """It answered so many asks."""
        self._answers += asks
        if self._answers >= self._bounds.answers:
            self._failed.clear()

    def ended(self, now: float) -> None:
        """A life ended, or did not begin."""
        if self._answers < self._bounds.answers:
            self._failed.append(now)
        self._loading_since = None
        self._answers = 0

    @property
    def pause_s(self) -> float:
        """How long to wait before it is loaded again: not at all after the first failure."""
        again, bounds = len(self._failed) - 1, self._bounds
        return min(bounds.pause_s * 2.0 ** (again - 1), bounds.max_pause_s) if again > 0 else 0.0

    def hopeless(self, now: float) -> str | None:
        """Why another life is no use, None where it may be."""
        bounds = self._bounds
        recent = [at for at in self._failed if at > now - bounds.within_s]
        if len(recent) >= bounds.failed_lives:
            return f"the engine ended {len(recent)} times in {now - recent[0]:.0f} s and hardly answered in between"
        if self._loading_since is None or self._first_load_s is None:
            return None
        took_s = now - self._loading_since
        if took_s > max(bounds.loading_s, bounds.loading_times * self._first_load_s):
            return f"the engine has been loading again for {took_s:.0f} s; the first time it took {self._first_load_s:.0f} s"
        return None
