"""An exception for a log: of what kind it is and where it was raised. Its message stands there only where it is known to quote nothing."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from stream_guard.errors import StreamGuardError

_CHAIN: Final = 8
"""Exceptions that are told of one: causes, and those of a group."""
_FRAMES: Final = 40
"""The innermost frames that are told of one exception."""


def told(error: BaseException, *, messages: bool = False) -> str:
    """The stacks of an exception and of what led to it, as Python writes them: without locals, notes, or messages of others.

    What others say may quote: `int("see you at noon")` does. `messages` keeps theirs too.
    """
    links = list(_links(error, set()))
    return "\n".join(
        [text for link in links[:_CHAIN] for text in _stack(link, messages=messages)]
        + ([f"({len(links) - _CHAIN} more)"] if len(links) > _CHAIN else [])
    )


def kind_of(error: BaseException) -> str:
    """The name of an exception's class, with its module where that is none of Python's own."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str | None:
    """What an exception says, where nothing of that was written by a user: our own, and what the system says of a failed call."""
    if isinstance(error, StreamGuardError):
        return str(error)
    if isinstance(error, OSError) and isinstance(error.errno, int) and error.errno > 0:
        return os.strerror(error.errno)
    return None


def _links(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """What led to an exception, then itself: Python's own order."""
    if id(error) in seen:
        return
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _links(before, seen)
    yield error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _links(inner, seen)


def _stack(error: BaseException, *, messages: bool) -> Iterator[str]:
    yield from _frames(error.__traceback__)
    message = str(error) if messages else message_of(error)
    yield kind_of(error) if not message else f"{kind_of(error)}: {message}"


def _frames(trace: TracebackType | None) -> Iterator[str]:
    frames = traceback.extract_tb(trace)
    if frames:
        yield "Traceback (most recent call last):"
    for entry in traceback.format_list(frames[-_FRAMES:]):
        yield entry.rstrip("\n")
