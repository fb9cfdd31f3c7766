"""Long work behind a screen: it runs on a thread of its own, so that nothing it loads or waits for holds up Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from stream_guard.cli.descendants import end_descendants

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
Work: TypeAlias = Callable[[Callable[[T], None]], Coroutine[Any, Any, None]]
"""Tells what happens by the function that it is given. What is heavy to import, it imports itself: then on the thread."""

_POLITE_S = 2.0
"""How long interrupted work may end by itself. A model that is loading can't be talked to."""
_LOOK_S = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen(Protocol[T_contra]):
    """Shows the news of a run. Raises BrokenPipeError where nobody reads on; leaves the terminal as it was."""

    def show(self, news: T_contra) -> None:
        """Shows what happened."""

    def __enter__(self) -> object:
        """Begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends."""


class _Ended(NamedTuple):
    """The work has ended, by an error or not."""

    error: BaseException | None


class _Interrupted(NamedTuple):
    """Somebody wants the work to end."""

    by: int


class Inbox(Generic[T]):
    """What the work tells, and signals, in the order in which they come."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[T | _Ended | _Interrupted] = SimpleQueue()
        self.put = self._queue.put
        self.get = self._queue.get


@contextmanager
def signals_to(inbox: Inbox[Any]) -> Iterator[None]:
    """Turns signals into news, so that none interrupts anything halfway."""

    def put(number: int, frame: FrameType | None) -> None:
        del frame
        inbox.put(_Interrupted(number))

    before = {number: signal.signal(number, put) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def watch(work: Work[T], screen: Screen[T], inbox: Inbox[T], folder: Path | None = None) -> int:
    """Shows what the work tells until it has ended.

    Returns 0, or 128 + the signal that ended it (SIGPIPE where nobody reads on). Raises what the work raised. `folder`, where
    there is one, is removed where this process has to be ended by force.
    """
    worker = _Worker(work, inbox, folder)
    worker.start()
    try:
        with screen:
            while not isinstance(news := inbox.get(), _Ended | _Interrupted):
                screen.show(news)
    except BrokenPipeError:  # nobody reads on
        news = _Interrupted(signal.SIGPIPE)
    if isinstance(news, _Interrupted):
        return worker.end(128 + news.by)
    end_descendants()
    if news.error is not None:
        raise news.error
    return 0


def interruptibly(ask: Callable[[], T], meanwhile: AbstractContextManager[object]) -> T:
    """What a blocking question to others gives, or raises; asked on a thread, since it would hold up Ctrl-C for seconds.

    Ctrl-C ends this process: nothing is left to be undone.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except Exception as raised:  # noqa: BLE001 - raised again by whoever waits
            answer.set_exception(raised)

    def end(number: int, frame: FrameType | None) -> None:
        """Not by an exception: raised in the wrong moment, one would be lost, and the question waited for."""
        del frame
        with contextlib.suppress(Exception):
            meanwhile.__exit__(None, None, None)  # leaves the terminal as it was
        os._exit(128 + number)

    before = signal.signal(signal.SIGINT, end)
    try:
        threading.Thread(target=work, name="asking", daemon=True).start()
        with meanwhile:
            while not wait([answer], _LOOK_S).done:
                pass  # a signal that the kernel gave to another thread is heard only once this one wakes
            return answer.result()
    finally:
        signal.signal(signal.SIGINT, before)


class _Worker(Generic[T]):
    """Runs the work on a thread, so that neither a blocked loop nor an import holds up the screen or Ctrl-C."""

    def __init__(self, work: Work[T], inbox: Inbox[T], folder: Path | None) -> None:
        self._work, self._inbox, self._folder = work, inbox, folder
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="work", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def end(self, code: int) -> int:
        """Ends the work and all its processes. Where it can't end by itself, ends this process too, with that code."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(_POLITE_S)
        end_descendants()
        if not self._thread.is_alive():
            return code
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(code)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._told())
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - raised again by whoever waits
            error = raised
        self._inbox.put(_Ended(error))

    async def _told(self) -> None:
        self._task = asyncio.current_task()
        await self._work(self._inbox.put)
