"""Times as people give them on a command line: a moment, or how long ago it was."""

from __future__ import annotations

from datetime import datetime

import typer


def moment_ms(text: str | None, option: str, now: float) -> int | None:
    """Unix time in milliseconds of `2026-01-31T08:00:00Z` or of `2h` (ago). `now` is Unix time in seconds.

    Raises typer.BadParameter for what is neither.
    """
    if text is None:
        return None
    from stream_guard.config.quantities import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError:
        return _moment_ms(text, option)
    return int((now - float(str(seconds))) * 1000)


def _moment_ms(text: str, option: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            "must be a time with its offset, as 2026-01-31T08:00:00Z, or how long ago, as 30m, 2h or 7d",
            param_hint=option,
        )
    return int(moment.timestamp() * 1000)
