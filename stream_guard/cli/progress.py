"""What a command waits for, and for how long: one line that moves, or a plain line a stage where nothing can move."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from stream_guard.cli.console import console_on


def waiting(what: str) -> AbstractContextManager[object]:
    """A line that moves on stderr while something is waited for; nothing where nobody looks."""
    console = console_on(sys.stderr)
    return console.status(Text(f"{what}…", "dim")) if console.is_terminal else nullcontext()


class OnProgress:
    """A screen with a moving line while it is entered."""

    _progress: Progress

    def __enter__(self) -> Self:
        """Begins."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the moving line away."""
        self._progress.stop()


class Progress:
    """The stage that a command is at. `of` is what is counted in a stage, once that is known."""

    def __init__(self, console: Console, *, moves: bool) -> None:
        self._console = console
        self._live = Live(
            self, console=console, transient=True, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False
        )
        self.moves = moves
        self._spinner = Spinner("dots", style="cyan")
        self._stage, self._since = "starting", time.monotonic()
        self._done, self._of = 0, ""

    def start(self) -> None:
        """Begins."""
        if self.moves:
            self._live.start()

    def stop(self) -> None:
        """Takes the line away."""
        self._live.stop()

    def enter(self, stage: str, of: str = "") -> None:
        """Goes on to the next stage, in which so much is counted: `40 records`."""
        if stage == self._stage:
            return
        took, was = time.monotonic() - self._since, self._stage
        self._stage, self._since = stage, time.monotonic()
        self._done, self._of = 0, of
        if not self.moves:
            after = f" ({was} took {took:.0f} s)" if took >= 1 else ""
            self._console.print(Text(f"{stage}…{after}", "dim"))

    def advance(self) -> None:
        """One more is done."""
        self._done += 1

    def __rich__(self) -> Spinner:
        """The line as it is now."""
        counted = f" {self._done} of {self._of}" if self._of else "…"
        self._spinner.update(text=Text(f"{self._stage}{counted}  {time.monotonic() - self._since:.0f} s", "dim"))
        return self._spinner
