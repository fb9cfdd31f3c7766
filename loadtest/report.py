"""What was measured, as Markdown: medians, and in brackets the range over the pairs."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from os import sched_getaffinity
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from loadtest.arms import Scripted
from loadtest.saturated import Round, Window

_T = TypeVar("_T")


class Machine(Struct, frozen=True):
    """Where it was measured."""

    cpu: str
    cores: int
    python: str

    @classmethod
    def here(cls) -> Machine:
        """This one. `cores` are those that this process may use."""
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        return cls(names[0] if names else platform.machine(), len(sched_getaffinity(0)), platform.python_version())


class Run(Struct, frozen=True):
    """One run of the script. `cpu_us` and the like are worked out from the seconds that stand here."""

    command: str
    machine: Machine
    day: date
    scripted: Scripted | None
    saturated: list[Round] | None

    @classmethod
    def now(cls, command: str, scripted: Scripted | None, saturated: list[Round] | None) -> Run:
        """A run that ended just now, here."""
        return cls(command, Machine.here(), datetime.now(UTC).date(), scripted, saturated)


def markdown(run: Run) -> str:
    """The tables."""
    where = f"{run.machine.cores} cores of {run.machine.cpu}, CPython {run.machine.python}"
    parts = [f"`{run.command}`, {run.day}, {where}. Median (range)."]
    if run.scripted is not None:
        parts.append(_scripted(run.scripted))
    if run.saturated is not None:
        parts.append(_saturated(run.saturated))
    return "\n\n".join(parts)


def spread(values: Iterable[float], digits: int) -> str:
    """Median and range."""
    found = sorted(values)
    return f"{statistics.median(found):.{digits}f} ({found[0]:.{digits}f}-{found[-1]:.{digits}f})"


def _scripted(found: Scripted) -> str:
    service, loop = [pair.service for pair in found.pairs], [pair.handwritten for pair in found.pairs]
    rows = [
        _row("CPU per record, us", service, loop, lambda cost: cost.cpu_us, 1),
        _row("records/s", service, loop, lambda cost: cost.rate, 0),
        _row(
            "CPU per record of the thread that decides, us",
            service,
            loop,
            lambda cost: cost.thread_s / cost.records * 1e6,
            1,
        ),
        _row("how busy that thread is", service, loop, lambda cost: cost.busy, 2),
    ]
    title = f"{service[0].records} messages, scripted engine, {len(service)} pairs; {found.equal} outputs compared and equal"
    return table((title, "service", "hand-written loop", "ratio"), rows)


def _saturated(rounds: Sequence[Round]) -> str:
    piped, bare = [each.pipeline for each in rounds], [each.best for each in rounds]
    rows = [
        _row("cases/s", piped, bare, lambda window: window.cost.rate, 1),
        _row("front-end CPU per case, ms", piped, bare, lambda window: window.front_ms, 2),
        _row("how busy the front-end thread is", piped, bare, lambda window: window.front_busy, 3),
        _row("CPU per case without the engine core, ms", piped, bare, _process_ms, 2),
        ("how busy the event loop's thread is", spread((window.cost.busy for window in piped), 3), "", ""),
    ]
    title = f"{piped[0].cost.records} cases a window, small model, {len(rounds)} rounds"
    shown = table((title, "pipeline", "bare engine, best of each round", "ratio"), rows)
    return f"{shown}\n\nThe bare engine by concurrency, cases/s: {_by_concurrency(rounds)}."


def _by_concurrency(rounds: Sequence[Round]) -> str:
    alike = zip(*(each.bare for each in rounds), strict=True)
    return ", ".join(f"{same[0].concurrency}: {spread((each.cost.rate for each in same), 1)}" for same in alike)


def _process_ms(window: Window) -> float:
    return window.cost.cpu_us / 1000


def _row(
    name: str, ours: Sequence[_T], baseline: Sequence[_T], value: Callable[[_T], float], digits: int
) -> tuple[str, str, str, str]:
    ratios = [value(one) / value(other) for one, other in zip(ours, baseline, strict=True)]
    return name, spread(map(value, ours), digits), spread(map(value, baseline), digits), spread(ratios, 2)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""

    def lines() -> Iterator[str]:
        yield _line(head)
        yield _line(["---"] * len(head))
        yield from map(_line, rows)

    return "\n".join(lines())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
