"""What is seen of a run that asks a model about policies, until its result is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from stream_guard.cli.console import console_on
from stream_guard.cli.progress import OnProgress, Progress
from stream_guard.cli.streams import Streams
from stream_guard.qualification.session import Answered, Asking, Stage

R = TypeVar("R")


class AskingScreen(OnProgress, ABC, Generic[R]):
    """Shows how far the run is on stderr, and its result on stdout."""

    def __init__(self, streams: Streams) -> None:
        self._out = streams.out
        self.qualified = False
        """Whether the command ends well; a run that was cut short has told no result."""
        console = console_on(streams.err)
        self._progress = Progress(console, moves=console.is_terminal)

    def show(self, news: Stage | Asking | Answered | R) -> None:
        """Shows what happened."""
        match news:
            case Stage(what):
                self._progress.enter(what)
            case Asking(model, questions):
                self._progress.enter(f"asking {model}", f"{questions} examples")
            case Answered():
                self._progress.advance()
            case result:
                self._progress.stop()
                self._result(result)

    @abstractmethod
    def _result(self, result: R) -> None:
        """Takes the result."""
