"""What services told, taken together: sums over series and over services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from stream_guard.telemetry.exposition import Page
from stream_guard.watching.growth import Growth
from stream_guard.watching.quantiles import Buckets
from stream_guard.watching.view import Tallies, Tally, together


class Sight(NamedTuple):
    """A service that answers: what it tells, and how it grew."""

    page: Page
    growth: Growth | None


def counted(sights: Iterable[Sight], name: str, *by: str, **only: str) -> Mapping[tuple[str, ...], Tally]:
    """A counter by the values of these labels, of the series that have those others."""
    found: dict[tuple[str, ...], Tally] = defaultdict(Tally)
    for sight in sights:
        grown = {} if sight.growth is None else sight.growth.of(name)
        for labels, total in sight.page.of(name).items():
            told = dict(labels)
            if only.items() <= told.items():
                rate = None if sight.growth is None else grown[labels] / sight.growth.seconds
                found[tuple(told.get(label, "") for label in by)] += Tally(rate, total)
    return found


def counted_by(sights: Iterable[Sight], name: str, by: str, **only: str) -> Tallies:
    """A counter by the values of one label."""
    return {value: tally for (value,), tally in counted(sights, name, by, **only).items()}


def counted_all(sights: Iterable[Sight], name: str, **only: str) -> Tally:
    """A counter, whatever its labels."""
    return together(counted_by(sights, name, "", **only))


def gauges(sights: Iterable[Sight], name: str) -> list[tuple[Mapping[str, str], float]]:
    """All series of a gauge."""
    return [(dict(labels), value) for sight in sights for labels, value in sight.page.of(name).items()]


def summed(sights: Iterable[Sight], name: str) -> float:
    """A gauge over all series; 0 where nobody tells it."""
    return sum(value for _, value in gauges(sights, name))


def greatest(sights: Iterable[Sight], name: str) -> float | None:
    """A gauge's greatest value; None where nobody tells it."""
    return max((value for _, value in gauges(sights, name)), default=None)


def told(sights: Sequence[Sight], name: str, label: str) -> tuple[str, ...]:
    """The values that a label has where the gauge is 1."""
    values = {labels.get(label, "") for labels, value in gauges(sights, name) if value == 1}
    return tuple(sorted(values - {""}))


def grown_buckets(growth: Growth, histogram: str, **only: str) -> Buckets:
    """What a histogram counted meanwhile, of the series with these labels."""
    found: dict[float, float] = defaultdict(float)
    for labels, count in growth.of(f"{histogram}_bucket").items():
        named = dict(labels)
        bound = _bound(named.get("le", ""))
        if bound is not None and only.items() <= named.items():
            found[bound] += count
    return found


def _bound(text: str) -> float | None:
    try:
        return inf if text == "+Inf" else float(text)
    except ValueError:
        return None
