"""What lines of other libraries may say: some of theirs quote what they were given."""

from __future__ import annotations

import logging
import re
import sys
from typing import Final

from structlog.typing import EventDict, ExcInfo, WrappedLogger

from stream_guard.telemetry.tracebacks import told

_OWN_WORDS: Final = re.compile(r"[^(<\[{:\n]*+")
"""asyncio says what happened, then shows tasks and arguments: results, exceptions and lists of asks among them."""
_LOADING: Final = ("EngineCore failed to start.", "WorkerProc failed to start.")
"""What vLLM says before it was asked anything: there is no content yet, and without the reason nobody could mend it."""


def own_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leaves of a line of vLLM its words without their arguments, of one of asyncio its beginning.

    vLLM shows token ids of what it was asked and of what it wrote where a step fails or a grammar does not hold.
    """
    record = event.get("_record")
    if not isinstance(record, logging.LogRecord):
        return event
    match record.name.partition(".")[0]:
        case "vllm":
            event["event"] = str(record.msg)
        case "asyncio":
            beginning = _OWN_WORDS.match(str(event["event"]))
            event["event"] = beginning[0].strip() if beginning else ""
    return event


def stacks(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turns an exception into text: where it was raised, and what it says only where that quotes nothing."""
    error = _exception(event.pop("exc_info", None))
    event.pop("stack_info", None)
    if error is not None:
        event["exception"] = told(error, messages=event.get("event") in _LOADING)
    return event


def _exception(info: ExcInfo | BaseException | bool | None) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1]
    return sys.exception() if info else None
