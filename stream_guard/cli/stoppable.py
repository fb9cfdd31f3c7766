"""Work that may be stopped halfway and then says how far it came."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")
_LOOK_S = 0.1


class Stoppable(Generic[T]):
    """Runs on a thread, so that no blocking question holds up Ctrl-C. The first one asks it to stop; a second ends the process."""

    def __init__(self, work: Callable[[Callable[[], bool]], T]) -> None:
        """`work` gets a function that says whether it is to stop: it looks at it a few times a second."""
        self._stop = threading.Event()
        self._answer: Future[T] = Future()
        self._work = work

    def run(self, meanwhile: Callable[[], None] = lambda: None) -> T:
        """What the work gives, or raises. `meanwhile` is called ten times a second, and at the end."""
        thread = threading.Thread(target=self._run, name="work", daemon=True)
        with self._signals():
            thread.start()
            while thread.is_alive():
                thread.join(_LOOK_S)
                meanwhile()
        meanwhile()
        return self._answer.result()

    def _run(self) -> None:
        try:
            self._answer.set_result(self._work(self._stop.is_set))
        except Exception as raised:  # noqa: BLE001 - raised again by whoever waits
            self._answer.set_exception(raised)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            del frame
            self._stop.set()
            signal.signal(number, signal.SIG_DFL)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
