"""Figures as a screen has them: short, and as wide however large they are."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf

from stream_guard.checkup.words import span

UNKNOWN = "-"
"""What is not known yet, or by nobody."""
_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BLOCKS = " ▁▂▃▄▅▆▇█"


def amount(number: float | None) -> str:
    """`0`, `0.12`, `4.1`, `41.0`, `412`, `12.4k`: three digits, so that it hardly changes its width."""
    if number is None:
        return UNKNOWN
    for size, unit in _LARGE:
        if number >= 0.9995 * size:
            return f"{_three(number / size)}{unit}"
    return _three(number)


def _three(number: float) -> str:
    if number == 0:
        return "0"
    if number < 0.01:  # noqa: PLR2004 - two decimals
        return "<0.01"
    decimals = 0 if number >= 99.95 else 1 if number >= 0.995 else 2  # noqa: PLR2004 - three digits
    return f"{number:.{decimals}f}"


def count(number: float | None) -> str:
    """`1,204`; short from a million on."""
    if number is None:
        return UNKNOWN
    return f"{number:,.0f}" if number < 999_999.5 else amount(number)  # noqa: PLR2004 - a million


def share(part: float | None, whole: float | None) -> str:
    """`71%`; what is hardly there is not called nothing."""
    if part is None or not whole:
        return UNKNOWN
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<1%"
    return f"{int(percent)}%" if 99 < percent < 100 else f"{percent:.0f}%"  # noqa: PLR2004 - nor is what is hardly all


def duration(seconds: float | None) -> str:
    """`0.4 ms`, `410 ms`, `2.0 s`, `12 min`, `2 h 3 min`."""
    if seconds is None:
        return UNKNOWN
    if isinf(seconds):
        return "> 1 h"  # the last bucket of a latency
    if seconds == 0:
        return "0 s"
    milliseconds = seconds * 1000
    if milliseconds < 999.5:  # noqa: PLR2004 - a second
        return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"  # noqa: PLR2004 - two digits
    return f"{seconds:.1f} s" if seconds < 9.95 else span(seconds)  # noqa: PLR2004 - the same


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The last values as a line of bars, the greatest one highest; a blank is not known."""
    shown = list(values)[-width:] if width > 0 else []
    highest = max((value for value in shown if value is not None), default=0.0)
    top = len(_BLOCKS) - 1
    heights = [None if value is None else round(top * value / highest) if highest > 0 else 0 for value in shown]
    return "".join(_BLOCKS[0 if height is None else max(1, height)] for height in heights)


def printable(text: str) -> str:
    """A text of somebody else's on one line: a control character could move the cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)
