from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

import pytest

from stream_guard.errors import StartRefused
from stream_guard.telemetry.tracebacks import told

SAID = "see you at noon"


_Error = TypeVar("_Error", bound=BaseException)


def raised(error: _Error, cause: BaseException | None = None) -> _Error:
    """The same with a traceback."""
    with suppress(type(error)):
        raise error from cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SAID),
        KeyError(SAID),
        UnicodeDecodeError("utf-8", SAID.encode(), 1, 2, SAID),
        ExceptionGroup(SAID, [TypeError(SAID), ExceptionGroup(SAID, [ValueError(SAID)])]),
        type("Other", (Exception,), {"__str__": lambda _: SAID, "__repr__": lambda _: SAID})(),
        SyntaxError(SAID, ("file", 1, 1, SAID)),
        OSError(SAID),
        OSError(None, SAID),
    ],
)
def test_what_an_exception_says_is_left_out(error: BaseException) -> None:
    """Its message, its notes, its cause's, those of a group: anything may quote. Its kind and its place are told."""
    error.add_note(SAID)
    text = told(raised(error, raised(ValueError(SAID))))
    assert SAID not in text
    assert type(error).__name__ in text
    assert text.count("raise error from cause") == 2


def test_every_exception_of_a_group_is_told() -> None:
    """Each with its own stack; a ring of causes ends."""
    first, second = raised(ValueError(SAID)), raised(KeyError(SAID))
    first.__cause__ = second
    second.__cause__ = first
    lines = told(raised(BaseExceptionGroup("two", [first, second]))).splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "Traceback (most recent call last):", "ExceptionGroup",
        "Traceback (most recent call last):", "KeyError", "Traceback (most recent call last):", "ValueError",
    ]  # fmt: skip


def test_what_quotes_nothing_is_told() -> None:
    """Our own errors, and what the system says of a call that failed; the name of a file is not part of it."""
    assert told(StartRefused("there is no topic a")) == "stream_guard.errors.StartRefused: there is no topic a"
    assert told(FileNotFoundError(2, "whatever", SAID)) == "FileNotFoundError: No such file or directory"


def test_messages_of_others_are_told_on_demand() -> None:
    """Of an engine that can't be loaded, say: it was not asked anything yet."""
    assert told(ValueError("no memory for the cache"), messages=True) == "ValueError: no memory for the cache"


def test_a_long_story_is_cut() -> None:
    """Recursion without end, and causes without end, come to some lines."""

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        raise ValueError(SAID)

    error: BaseException = ValueError()
    try:
        deeper(300)
    except ValueError as caught:
        error = caught
    for _ in range(20):
        error = raised(ValueError(SAID), error)
    text = told(error)
    assert len(text.splitlines()) < 150
    assert text.endswith("(13 more)")
