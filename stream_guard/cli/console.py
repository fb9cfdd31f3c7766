"""What all screens share: a console whose reader may leave, lines that are not too long to read, and how decisions look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, TextIO

from rich.console import Console

from stream_guard.policy.document import Decision

STYLES: Mapping[Decision, str] = {
    Decision.ALLOW: "green",
    Decision.FLAG: "yellow",
    Decision.REVIEW: "magenta",
    Decision.BLOCK: "bold red",
}
"""How a decision looks."""
READABLE = 110
"""Columns: a longer line is harder to read."""
ROOMY = 100
"""From so many columns on there is room for wider gaps."""


class PipedConsole(Console):
    """A console whose reader may leave."""

    def on_broken_pipe(self) -> NoReturn:
        """Tells the caller; the library would end the process."""
        raise BrokenPipeError


def console_on(file: TextIO | None = None, width: int | None = None) -> PipedConsole:
    """A console that writes to a stream (stdout where none is given), at most so wide. NO_COLOR is respected."""
    console = PipedConsole(file=file, highlight=False, markup=False)
    if width is not None:
        console.width = min(console.width, width)
    return console


_PLAIN = {"✓": "ok", "✗": "x", "→": "->", "·": "-"}


def known(mark: str, encoding: str) -> str:
    """A mark, or what a terminal that knows ASCII alone can show of it."""
    try:
        mark.encode(encoding)
    except UnicodeEncodeError:
        return _PLAIN[mark]
    return mark
