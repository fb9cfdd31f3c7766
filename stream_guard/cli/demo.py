"""`stream-guard demo`: the whole service on this machine, without a configuration, a broker or a GPU."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import typer

from stream_guard.demo.descendants import end_descendants
from stream_guard.demo.scratch import scratch
from stream_guard.demo.streams import own_streams

if TYPE_CHECKING:
    from stream_guard.cli.demo_screen import Screen
    from stream_guard.demo.session import News, Plan

_POLITE_S = 2.0
"""How long an interrupted run may end by itself. A model that is loading can't be talked to."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EngineChoice(StrEnum):
    """Who judges in the demo."""

    VLLM = "vllm"
    SCRIPTED = "scripted"


class _Ended(NamedTuple):
    """The run has ended, by an error or not."""

    error: BaseException | None


class _Interrupted(NamedTuple):
    """Somebody wants the run to end."""

    by: int


_Inbox: TypeAlias = "SimpleQueue[News | _Ended | _Interrupted]"


def demo(
    *,
    events: Annotated[
        int | None,
        typer.Option(
            "--events", "-n", min=1, help="How many events; beyond the last one they come again.", metavar="N"
        ),
    ] = None,
    engine: Annotated[
        EngineChoice, typer.Option("--engine", help="vllm: a small model on the CPU; scripted: no model.")
    ] = EngineChoice.VLLM,
    json: Annotated[bool, typer.Option("--json", help="Write the verdicts alone, one JSON object a line.")] = False,
) -> None:
    """Judge made-up messages, chats and completions on this machine: no configuration, no broker, no GPU.

    Loading the model takes a minute or two. The model is tiny and does not moderate: the demo shows the machinery.

    Exit codes: 0 done, 1 unexpected, 2 wrong command line, 3 vLLM or the model is missing, 130 interrupted.
    """
    began = time.monotonic()
    with scratch() as folder:
        code = _demo(events, engine, as_json=json, began=began, folder=folder)
    raise typer.Exit(code)


def _demo(events: int | None, engine: EngineChoice, *, as_json: bool, began: float, folder: Path) -> int:
    inbox: _Inbox = SimpleQueue()
    with _signals_to(inbox):
        from stream_guard.cli.demo_screen import JsonScreen, TableScreen
        from stream_guard.demo.session import Plan

        with own_streams(folder / "log") as streams:
            screen = JsonScreen(streams) if as_json else TableScreen(streams, scripted=engine is EngineChoice.SCRIPTED)
            asks_examples = engine is EngineChoice.VLLM and not as_json
            return _show(Plan(engine.value, events, asks_examples, began), screen, inbox, folder)


@contextmanager
def _signals_to(inbox: _Inbox) -> Iterator[None]:
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


def _show(plan: Plan, screen: Screen, inbox: _Inbox, folder: Path) -> int:
    """Shows what the run tells until it has ended. Returns the exit code."""
    worker = _Worker(plan, inbox, folder)
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


class _Worker:
    """Runs the demo on a thread, so that neither a blocked loop nor an import holds up the screen or Ctrl-C."""

    def __init__(self, plan: Plan, inbox: _Inbox, folder: Path) -> None:
        self._plan, self._inbox, self._folder = plan, inbox, folder
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._work, name="demo", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def end(self, code: int) -> int:
        """Ends the run and all its processes. Where it can't end by itself, ends this process too, with that code."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(_POLITE_S)
        end_descendants()
        if not self._thread.is_alive():
            return code
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(code)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._run())
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - raised again by whoever waits
            error = raised
        self._inbox.put(_Ended(error))

    async def _run(self) -> None:
        from stream_guard.demo.session import run
        from stream_guard.telemetry.logs import configure_logging

        self._task = asyncio.current_task()
        configure_logging()
        await run(self._plan, self._inbox.put)
