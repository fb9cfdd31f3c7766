"""What is seen of `top`: a screen that moves, a line a look where nothing can move, one plain view, or JSON."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Self, TypeAlias

import msgspec
from rich.live import Live

from stream_guard.cli.console import console_on
from stream_guard.cli.figures import amount, count, duration, printable
from stream_guard.cli.interruptible import Inbox
from stream_guard.cli.keys import quiet_keys
from stream_guard.cli.streams import Streams
from stream_guard.cli.top_flow import Trend
from stream_guard.cli.top_layout import Dashboard
from stream_guard.watching.view import NEVER, View, together

_DRAWN = 120
"""Looks: more than any line is wide."""
_TOTAL = "total"


class Resized(msgspec.Struct, frozen=True):
    """The terminal has another size."""


News: TypeAlias = View | Resized


class Trends:
    """What is drawn as a line, look by look."""

    def __init__(self) -> None:
        self._records: deque[float | None] = deque(maxlen=_DRAWN)
        self._lag: deque[float | None] = deque(maxlen=_DRAWN)

    def add(self, view: View) -> Trend:
        """One more look."""
        if self._records or view.records.step_per_s is not None:  # the first look has no rate
            self._records.append(view.records.step_per_s)
            self._lag.append(view.lag.seconds)
        return Trend(tuple(self._records), tuple(self._lag))


class LiveScreen:
    """The alternate screen, entered with the first view: what goes wrong before is told where the command was typed."""

    def __init__(self, streams: Streams, inbox: Inbox[News], every: str, footer: str) -> None:
        self._live = Live(
            console=console_on(streams.out),
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._inbox, self._every, self._footer = inbox, every, footer
        self._trends = Trends()
        self._entered = ExitStack()

    def show(self, news: News) -> None:
        """Draws the view, or draws it again for another size."""
        if isinstance(news, View):
            dashboard = Dashboard(news, self._trends.add(news), every=self._every, footer=self._footer)
            self._live.update(dashboard)
        if not self._live.is_started:
            self._entered.enter_context(quiet_keys())
            self._entered.enter_context(self._live)
            self._entered.enter_context(_resizes_to(self._inbox))
        self._live.refresh()

    def __enter__(self) -> Self:
        """Nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the terminal as it was."""
        self._entered.close()


class LineScreen:
    """One line a look, and what is wrong whenever that changes: for a pipe, a log, a terminal that can't move its cursor."""

    def __init__(self, streams: Streams) -> None:
        self._out = streams.out
        self._troubles: tuple[str, ...] = ()

    def show(self, news: News) -> None:
        """Writes a line."""
        if not isinstance(news, View):
            return
        self._write(f"{news.at}  {_line(news)}")
        troubles = tuple(printable(trouble.what) for trouble in news.troubles)
        if troubles != self._troubles:
            for trouble in troubles or ("all is well again",):
                self._write(f"{news.at}  ! {trouble}")
        self._troubles = troubles
        self._out.flush()

    def _write(self, line: str) -> None:
        encoding = self._out.encoding or "utf-8"
        self._out.write(line.encode(encoding, "replace").decode(encoding) + "\n")

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""


class JsonScreen(LineScreen):
    """One JSON object a look."""

    def show(self, news: News) -> None:
        """Writes it."""
        if isinstance(news, View):
            self._write(msgspec.json.encode(news).decode())
            self._out.flush()


class TableScreen(LineScreen):
    """The whole view, once, however high it is."""

    def show(self, news: News) -> None:
        """Writes it."""
        if not isinstance(news, View):
            return
        console = console_on(self._out)
        with console.capture() as written:
            console.print(Dashboard(news))
        self._write("\n".join(line.rstrip() for line in written.get().rstrip().splitlines()))
        self._out.flush()


def _line(view: View) -> str:
    """The few figures that tell most."""
    stage = next((each for each in view.latency if each.stage == _TOTAL), None)
    verdicts = sum((together(policy.decisions) for policy in view.policies), NEVER)
    ready = sum(service.state == "ready" for service in view.services)
    figures = (
        f"ready {ready}/{len(view.services)}",
        f"records {amount(together(view.records.by_outcome).per_s)}/s",
        f"verdicts {amount(verdicts.per_s)}/s",
        f"lag {duration(view.lag.seconds)}",
        f"backlog {count(view.lag.backlog)}",
        f"in flight {count(view.in_flight.records)}",
        f"p95 {duration(stage.p95 if stage else None)}",
        f"engine {view.engines.up}/{view.engines.of}",
        f"dead letters {amount(view.dead_letters.all.per_s)}/s",
        f"halted {len(view.halted)}",
    )
    return "  ".join(figures)


@contextmanager
def _resizes_to(inbox: Inbox[News]) -> Iterator[None]:
    def put(number: int, frame: FrameType | None) -> None:
        del number, frame
        inbox.put(Resized())

    before = signal.signal(signal.SIGWINCH, put)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
