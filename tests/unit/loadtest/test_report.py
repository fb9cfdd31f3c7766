"""The load run's table."""

from __future__ import annotations

from datetime import date

from loadtest.arms import Pair, Scripted
from loadtest.job import Cost
from loadtest.report import Machine, Run, markdown, spread
from loadtest.saturated import Round, Window

MACHINE = Machine("a processor", 2, "3.11.7")


def make_run(scripted: Scripted | None = None, saturated: list[Round] | None = None) -> Run:
    """A run with these halves."""
    return Run("python -m loadtest.pipeline", MACHINE, date(2026, 1, 31), scripted, saturated)


def make_window(wall_s: float, front_s: float = 0.5, concurrency: int = 0) -> Window:
    """A window of a hundred cases."""
    return Window(Cost(records=100, wall_s=wall_s, cpu_s=1.0, thread_s=0.5), front_s, concurrency)


def test_a_spread_is_median_and_range() -> None:
    """The median comes first, in brackets the least and the most."""
    assert spread([3.0, 1.0, 2.5], 1) == "2.5 (1.0-3.0)"


def test_ratios_are_taken_within_pairs() -> None:
    """A machine that slowed down between two pairs changes no ratio."""
    fast, slow = Cost(1_000, 1.0, 0.05, 0.04), Cost(1_000, 2.0, 0.10, 0.08)
    table = markdown(make_run(Scripted((Pair(fast, fast), Pair(slow, slow)), equal=7)))
    assert "| CPU per record, us | 75.0 (50.0-100.0) | 75.0 (50.0-100.0) | 1.00 (1.00-1.00) |" in table
    assert "7 outputs compared and equal" in table


def test_the_baseline_is_the_best_of_each_round() -> None:
    """Whatever concurrency the bare engine did best at is what the pipeline is held against."""
    bare = make_window(20.0, concurrency=32), make_window(10.0, concurrency=64)
    table = markdown(make_run(saturated=[Round(make_window(12.5, front_s=1.0), bare)]))
    assert "| cases/s | 8.0 (8.0-8.0) | 10.0 (10.0-10.0) | 0.80 (0.80-0.80) |" in table
    assert "| front-end CPU per case, ms | 10.00 (10.00-10.00) | 5.00 (5.00-5.00) | 2.00 (2.00-2.00) |" in table
    assert "32: 5.0 (5.0-5.0), 64: 10.0 (10.0-10.0)." in table


def test_machine_and_day_stand_above_the_tables() -> None:
    """Command, day and machine come with the numbers."""
    text = markdown(make_run())
    assert text.startswith("`python -m loadtest.pipeline`, 2026-01-31, 2 cores of a processor, CPython 3.11.7.")
