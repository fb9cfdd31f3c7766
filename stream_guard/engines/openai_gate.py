"""What a server asked for by `Retry-After`: to be left alone for a while. Pure.

A wait that is short is waited for by the asks themselves. A long one is an outage: so intake pauses, and no case's time runs.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

SHORT_S = 5.0
"""An ask may wait so long before it is sent: little beside its own time, and more than the usual second of a rate limit."""

_LONGEST_S = 300.0
"""What a server asks for beyond that is not believed: it is asked again after five minutes."""


class Gate:
    """Closed until a moment that the server named. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._until = 0.0

    def close(self, retry_after: str | None, now: float, wall: float) -> None:
        """A refusal came, with this header; `wall` is Unix time. Without a header, or with one that says nothing, all stays as it is."""
        seconds = None if retry_after is None else wanted_s(retry_after, wall)
        if seconds is not None:
            self._until = max(self._until, now + min(seconds, _LONGEST_S))

    def left(self, now: float) -> float:
        """Seconds until it opens, 0 where it is open."""
        return max(0.0, self._until - now)


def wanted_s(retry_after: str, wall: float) -> float | None:
    """The seconds that a `Retry-After` asks for (RFC 9110, section 10.2.3: a number or a date), None where it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():  # whole seconds by the standard; some servers send parts
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - wall)
