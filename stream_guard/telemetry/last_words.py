"""What Python says where nobody catches an exception: told as a log line like any, without what the exception quotes."""

from __future__ import annotations

import sys
import threading
import warnings
from types import TracebackType
from typing import Any, TextIO

from stream_guard.telemetry.logs import logger

_log = logger("stream_guard.telemetry.last_words")


def tell_last_words() -> None:
    """From now on all threads' last words, warnings, and what can't be raised anywhere, are log lines. For a process of ours alone."""
    sys.excepthook = _uncaught
    threading.excepthook = _thread_ended
    sys.unraisablehook = _unraisable
    warnings.showwarning = _warned


def _uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    _log.critical("process.uncaught", exc_info=error)


def _thread_ended(args: threading.ExceptHookArgs, /) -> None:
    if args.exc_type is not SystemExit:
        name = args.thread.name if args.thread is not None else ""
        _log.error("thread.uncaught", thread=name, exc_info=args.exc_value)


def _unraisable(args: Any, /) -> None:
    _log.error("process.unraisable", exc_info=args.exc_value)  # `args.object` would show itself


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Where, and of what kind: its text is another library's."""
    del message, file, line
    _log.warning("python.warning", kind=category.__name__, place=f"{filename}:{lineno}")
