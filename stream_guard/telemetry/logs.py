"""Logs: one line an event, to stderr; a dotted name and fields; JSON, or colours where a person looks on.

Secrets and contents are masked by the field's name, and an object is told by its type alone: whatever a caller hands over
by mistake, no line shows a password or what a user wrote. Of an exception there is the stack, without locals, and its
message only where it is ours; of other libraries' lines what they say themselves (`foreign.py`).
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Final, cast

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from stream_guard.telemetry.foreign import own_words, stacks

MASK: Final = "***"
OURS: Final = "stream_guard"
FOREIGN: Final = ("vllm", "aiohttp", "librdkafka", "opentelemetry")
"""Loggers of other libraries that bring a level or an output of their own; all that is not ours tells only warnings."""

_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|api_?key|private|(^|[._-])key$", re.IGNORECASE
)
_CONTENT = frozenset({
    "body", "completion", "content", "contents", "prompt", "rationale", "raw", "reasoning", "reply", "text", "turns", "value",
})  # fmt: skip
_KEPT = frozenset(
    {"event", "level", "logger", "timestamp", "exc_info", "exception", "stack", "_record", "_from_structlog"}
)


def configure_logging(level: str = "INFO", json: bool | None = None) -> None:
    """Sends our logs from `level` up, and other libraries' warnings, to stderr. May be called again.

    `json`: None means JSON unless stderr is a terminal. `NO_COLOR` is respected. Sets `VLLM_CONFIGURE_LOGGING=0` where it
    is not set, so that vLLM, imported later, leaves its lines to us. Raises ValueError for a level that there isn't.
    """
    os.environ.setdefault("VLLM_CONFIGURE_LOGGING", "0")
    shared = _shared()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[own_words, *shared], processors=_rendering(json))
    )
    _route(level.upper(), output)


def logger(name: str = OURS) -> structlog.stdlib.BoundLogger:
    """A logger of ours. Events are dotted names, facts are fields: `log.info("partition.halted", partition=3)`."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def librdkafka_logger() -> logging.Logger:
    """What confluent-kafka takes as `logger=`."""
    return logging.getLogger("librdkafka")


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Masks secrets and contents by their names, at any depth."""
    return {name: value if name in _KEPT else _masked(name, value) for name, value in event.items()}


def trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Adds `trace_id` and `span_id` where there is a current span."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask,
        trace_ids,
    ]


def _rendering(json: bool | None) -> list[Processor]:
    terminal = sys.stderr.isatty()
    if json or (json is None and not terminal):
        ending: Processor = structlog.processors.JSONRenderer()
    else:
        ending = structlog.dev.ConsoleRenderer(colors=terminal and not os.environ.get("NO_COLOR"))
    return [stacks, structlog.stdlib.ProcessorFormatter.remove_processors_meta, ending]


def _route(level: str, output: logging.Handler) -> None:
    logging.getLogger(OURS).setLevel(level)
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(logging.WARNING)
    for name in FOREIGN:
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
        foreign.setLevel(logging.WARNING)


def _masked(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(name, inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value  # a number is a count: `tokens=12` tells no token
    if name.lower() in _CONTENT or _SECRET.search(name):
        return MASK
    return _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, (str, PurePath)):
        return str(value)
    if isinstance(value, Enum):
        return str(value.value)
    return f"<{type(value).__name__}>"
