"""The tables of `loadtest/harmony.py`."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from loadtest.harmony_arms import Verdict
from loadtest.report import spread, table
from stream_guard.engines.port import Usage
from stream_guard.policy.document import Effort

BASE: Final = "A + B"
"""The arm that the others are compared with, window by window."""


class Row(Struct, frozen=True):
    """What one window came to; numbers are for each verdict, `rate` is verdicts per second.

    `cached` has each step's own share: of how many tokens that it was asked, how many the prefix cache had.
    """

    round: int
    retention: str
    effort: Effort
    arm: str
    rate: float
    parses: float
    decides: float
    mass: float | None
    engine_s: float
    cpu_ms: float
    front_ms: float
    prompt: float
    cached: float
    written: float
    steps: tuple[tuple[float, float], ...]

    @classmethod
    def of(
        cls,
        number: int,
        retention: str,
        effort: Effort,
        arm: str,
        seconds: float,
        cpu_s: float,
        verdicts: Sequence[Verdict],
    ) -> Row:
        """A window that took so many seconds, and so many of its engine's CPU."""
        count = len(verdicts)
        usages = [usage for verdict in verdicts for usage in verdict.asks]
        steps = zip(*(verdict.asks for verdict in verdicts), strict=False)
        masses = [verdict.mass for verdict in verdicts if verdict.mass is not None]

        def each(value: Callable[[Usage], float]) -> float:
            return sum(map(value, usages)) / count

        return cls(
            round=number,
            retention=retention,
            effort=effort,
            arm=arm,
            rate=count / seconds,
            parses=sum(verdict.parses for verdict in verdicts) / count,
            decides=sum(verdict.decides for verdict in verdicts) / count,
            mass=statistics.median(masses) if masses else None,
            engine_s=each(lambda usage: usage.engine_s),
            cpu_ms=cpu_s / count * 1e3,
            front_ms=each(lambda usage: usage.front_end_s) * 1e3,
            prompt=each(lambda usage: usage.prompt_tokens),
            cached=each(lambda usage: usage.cached_tokens),
            written=each(lambda usage: usage.completion_tokens),
            steps=tuple(
                (_mean(usage.prompt_tokens for usage in step), _mean(usage.cached_tokens for usage in step))
                for step in steps
            ),
        )


class First(Struct, frozen=True):
    """How long the first of a kind took, and the median of those after it, in seconds."""

    what: str
    first_s: float
    later_s: float


def tables(
    rows: Sequence[Row], firsts: Mapping[str, Sequence[First]], budgets: Mapping[Effort, int], at_once: int
) -> str:
    """All that was found, in Markdown: median and range over the rounds."""
    parts = [_costs(rows, name, budgets, at_once) for name in firsts]
    parts.append(_steps(rows))
    if len(firsts) > 1:
        parts.append(_retention(rows, budgets))
    parts.append(_firsts(firsts))
    return "\n\n".join(parts)


def _costs(rows: Sequence[Row], retention: str, budgets: Mapping[Effort, int], at_once: int) -> str:
    head = (
        f"retention {retention}, {at_once} at once", "reasoning", "parses", "decides", "label mass", "verdicts/s",
        f"rate, {BASE} = 1", "engine s", "engine CPU ms", f"engine CPU, {BASE} = 1", "front-end ms", "prompt", "cached", "written",
    )  # fmt: skip
    lines = []
    for effort, budget in budgets.items():
        of_effort = [row for row in rows if row.retention == retention and row.effort is effort]
        base = _arm(of_effort, BASE)
        for arm in dict.fromkeys(row.arm for row in rows):
            own = _arm(of_effort, arm)
            lines.append(
                (
                    f"{arm}, {effort}",
                    str(budget),
                    f"{_mean(row.parses for row in own):.0%}",
                    f"{_mean(row.decides for row in own):.0%}",
                    _mass(own),
                    spread((row.rate for row in own), 2),
                    _ratio(own, base, lambda row: row.rate),
                    spread((row.engine_s for row in own), 2),
                    spread((row.cpu_ms for row in own), 0),
                    _ratio(own, base, lambda row: row.cpu_ms),
                    spread((row.front_ms for row in own), 1),
                    *(f"{_mean(numbers):.0f}" for numbers in _tokens(own)),
                )
            )
    return table(head, lines)


def _steps(rows: Sequence[Row]) -> str:
    lines = []
    for retention, arm, effort in dict.fromkeys((row.retention, row.arm, row.effort) for row in rows):
        own = [row for row in rows if (row.retention, row.arm, row.effort) == (retention, arm, effort)]
        steps = [
            f"{_mean(cached for _, cached in step):.0f} of {_mean(prompt for prompt, _ in step):.0f}"
            for step in zip(*(row.steps for row in own), strict=True)
        ]
        if len(steps) > 1:
            lines.append((retention, f"{arm}, {effort}", *steps, *("",) * (3 - len(steps))))
    return table(("retention", "prompt tokens from the cache", "A", "B", "C"), lines)


def _retention(rows: Sequence[Row], budgets: Mapping[Effort, int]) -> str:
    sparse, dense = dict.fromkeys(row.retention for row in rows)
    lines = []
    for effort in budgets:
        for arm in dict.fromkeys(row.arm for row in rows):
            of_arm = [row for row in rows if row.arm == arm and row.effort is effort]
            one, other = ([row for row in of_arm if row.retention == name] for name in (dense, sparse))
            lines.append(
                (
                    f"{arm}, {effort}",
                    _ratio(one, other, lambda row: row.rate),
                    _ratio(one, other, lambda row: row.cpu_ms),
                )
            )
    return table((f"retention {dense} against {sparse}", "verdicts/s", "engine CPU"), lines)


def _firsts(firsts: Mapping[str, Sequence[First]]) -> str:
    lines = [
        (first.what, name, f"{first.first_s:.2f}", f"{first.later_s:.2f}", f"{first.first_s - first.later_s:.2f}")
        for name, found in firsts.items()
        for first in found
    ]
    return table(("first use of", "retention", "first, s", "later, s", "more, s"), lines)


def _arm(rows: Iterable[Row], arm: str) -> list[Row]:
    return [row for row in rows if row.arm == arm]


def _tokens(rows: Sequence[Row]) -> tuple[list[float], list[float], list[float]]:
    return [row.prompt for row in rows], [row.cached for row in rows], [row.written for row in rows]


def _mass(rows: Sequence[Row]) -> str:
    masses = [row.mass for row in rows if row.mass is not None]
    return f"{statistics.median(masses):.1e}" if masses else "not seen"


def _ratio(rows: Sequence[Row], base: Sequence[Row], value: Callable[[Row], float]) -> str:
    """Window by window of the same round: other work on the machine moves both."""
    return spread((value(row) / value(other) for row, other in zip(rows, base, strict=True)), 2)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
