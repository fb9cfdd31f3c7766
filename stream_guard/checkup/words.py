"""Numbers, names and times as sentences have them."""

from __future__ import annotations

from collections.abc import Collection

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
_BRIEF_S = 10.0


def counted(number: int, what: str) -> str:
    """`1 policy`, `2,000 policies`."""
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"


def listed(names: Collection[str], most: int = 3) -> str:
    """`a, b, c and 4 more`, in order of the alphabet."""
    shown = sorted(names)
    if len(shown) <= most + 1:
        return ", ".join(shown)
    return f"{', '.join(shown[:most])} and {len(shown) - most} more"


def span(seconds: float) -> str:
    """`3 d 4 h`, `12 min`, `4.2 s`: two units at most."""
    if seconds < _BRIEF_S:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    left = round(seconds)
    parts = []
    for size, unit in _UNITS:
        count, left = divmod(left, int(size))
        parts.append((count, unit))
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
