"""What is seen of a trial: a row a verdict that is not allow, one line that moves, and a summary; or JSON lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

import msgspec

from stream_guard.cli.console import console_on
from stream_guard.cli.progress import OnProgress, Progress
from stream_guard.cli.streams import Streams
from stream_guard.cli.try_json import heard_value, summary_value
from stream_guard.cli.try_rows import Rows
from stream_guard.cli.try_summary import summary_lines
from stream_guard.trial.news import Finished, Heard, Judging, News, Sampled, Stage
from stream_guard.trial.tally import Summary, Tally

_WIDTH = 120
"""Columns: a row holds more than a sentence."""


class _Screen(OnProgress, ABC):
    """Counts what is told. The summary is written at the end, whatever the end: broken off, it says so."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tally = Tally()
        self._written = False
        self._records = 0

    def show(self, news: News) -> None:
        """Shows what happened."""
        self._tally.count(news)
        if isinstance(news, Sampled):
            self._records = news.records
        self._follow(news)
        if isinstance(news, Finished):
            self._end()
        else:
            self._write(news)

    def _follow(self, news: News) -> None:
        match news:
            case Stage(what):
                self._progress.enter(what)
            case Judging():
                self._progress.enter("judging", f"{self._records} records")
            case Heard():
                self._progress.advance()
            case Finished() if self._progress.moves:
                self._progress.enter("ending the engine")

    @abstractmethod
    def _write(self, news: News) -> None:
        """Writes what is worth a line."""

    @abstractmethod
    def _sum_up(self, summary: Summary) -> None:
        """Writes the summary."""

    def _end(self) -> None:
        summary = self._tally.summary()
        if summary is not None and not self._written:
            self._written = True
            self._sum_up(summary)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the moving line away, and shows what there is of a trial that did not come to its end."""
        super().__exit__(kind, error, trace)
        if kind is None:
            self._end()


class JsonScreen(_Screen):
    """One JSON object a record on stdout, in the order in which they were settled; the summary is the last line."""

    def __init__(self, streams: Streams) -> None:
        console = console_on(streams.err)
        super().__init__(Progress(console, moves=console.is_terminal and not streams.out.isatty()))
        self._out = streams.out

    def _write(self, news: News) -> None:
        if isinstance(news, Heard):
            self._line(heard_value(news))

    def _sum_up(self, summary: Summary) -> None:
        self._line({"summary": summary_value(summary)})

    def _line(self, value: object) -> None:
        self._out.write(msgspec.json.encode(value).decode() + "\n")
        self._out.flush()


class TableScreen(_Screen):
    """For a person. Colours and the moving line only where there is a terminal; NO_COLOR is respected."""

    def __init__(self, streams: Streams, *, show_all: bool) -> None:
        self._console = console_on(streams.out, _WIDTH)
        if self._console.is_terminal:
            progress = Progress(self._console, moves=True)
        else:  # what is waited for is no result
            console = console_on(streams.err)
            progress = Progress(console, moves=console.is_terminal)
        super().__init__(progress)
        self._all = show_all
        self._rows: Rows | None = None

    def _write(self, news: News) -> None:
        if isinstance(news, Sampled):
            self._rows = Rows(self._console.width, news, show_all=self._all)
        if isinstance(news, Heard) and self._rows is not None:
            for line in self._rows.of(news):
                self._console.print(line)

    def _sum_up(self, summary: Summary) -> None:
        self._console.print(*summary_lines(summary), sep="\n")
