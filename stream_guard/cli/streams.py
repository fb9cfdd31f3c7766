"""stdout and stderr for one writer alone: libraries and child processes write elsewhere, whatever they try."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO, cast


class Streams(NamedTuple):
    """The streams that the command was started with."""

    out: TextIO
    err: TextIO


@contextmanager
def own_streams(log: Path) -> Iterator[Streams]:
    """Sends file descriptors 1 and 2, and with them all that others write, to `log`; yields what they were.

    What is yielded is not inherited by child processes, so that a reader of a pipe sees its end once we have ended. Where
    `sys.stdout` is no file descriptor of this process (a test's buffer), it is yielded as it is.
    """
    with ExitStack() as stack:
        yielded = Streams(*(stack.enter_context(_kept(stream)) for stream in (sys.stdout, sys.stderr)))
        with log.open("wb") as file:
            for number in (1, 2):
                stack.callback(_restore, os.dup(number), number)
                os.dup2(file.fileno(), number)
        yield yielded


@contextmanager
def _kept(stream: TextIO) -> Iterator[TextIO]:
    stream.flush()
    try:
        number = stream.fileno()
    except OSError:
        yield stream
        return
    copy = os.fdopen(os.dup(number), "w", encoding="utf-8", errors="replace", buffering=1)
    try:
        yield cast("TextIO", copy)
    finally:
        with contextlib.suppress(BrokenPipeError):  # nobody reads on, and what was left is lost
            copy.close()


def _restore(saved: int, number: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os.dup2(saved, number)
    os.close(saved)
