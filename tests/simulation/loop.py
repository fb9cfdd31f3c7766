"""An event loop whose clock is virtual: where nothing is ready it jumps to what comes next, and it never touches the system."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Deadlock(Exception):
    """Nothing is ready and nothing will ever happen: everybody waits for somebody else."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in their order, deterministically. `time()` starts at 0 and moves only while nothing is ready.

    There is no selector, no socket and no thread, so that making one costs microseconds. What befalls the world has a queue
    of its own (`later`) beside the timers of the code under test: plain tuples cost a fifth of asyncio's handles.
    `on_step` is called after every step, that is once per iteration.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, on_step: Callable[[], None]) -> None:
        super().__init__()
        self._on_step = on_step
        self._now = 0.0
        self._selector = self  # the base class asks its selector to wait: that is where time passes
        self._events: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._count = 0

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._now

    def later(self, seconds: float, what: Callable[..., object], *args: object) -> None:
        """Something happens to the world in a while. What it raises ends `run_forever`."""
        self._count += 1
        heappush(self._events, (self._now + seconds, self._count, what, args))

    def select(self, timeout: float | None) -> tuple[()]:
        """Waits, as a selector would: lets the world move on until something is ready. Raises Deadlock where it can't."""
        self._on_step()
        if timeout == 0:
            return ()
        timer = self._scheduled[0].when() if self._scheduled else None
        events, ready = self._events, self._ready
        while events and not ready and not self._stopping and (timer is None or events[0][0] <= timer):
            self._now, _, what, args = heappop(events)
            what(*args)
            if self._scheduled and (timer is None or self._scheduled[0].when() < timer):
                timer = self._scheduled[0].when()
        if not ready and not self._stopping:
            if timer is None:
                raise Deadlock
            self._now = max(self._now, timer)
        return ()

    def _process_events(self, event_list: Any) -> None:
        """There are none: nothing outside of this loop exists."""

    def _write_to_self(self) -> None:
        """Nobody outside of this loop could wake it."""

    def abandon(self) -> None:
        """Cancels what still runs, lets it end, and closes the loop. What the dying tasks raise is of no interest."""
        self._events.clear()
        self._on_step = _rest
        self.set_exception_handler(_ignore)
        while tasks := asyncio.all_tasks(self):
            for task in tasks:
                task.cancel()
            self.later(0.0, self.stop)
            self.run_forever()
        self.close()


def _rest() -> None:
    """Checks nothing."""


def _ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Says nothing."""
