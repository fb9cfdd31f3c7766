"""What is seen of a redrive: what would go, a bar while it goes, and how it went."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from stream_guard.checkup.words import counted, span
from stream_guard.cli.console import console_on
from stream_guard.cli.dlq_screen import plain_table, reading_notes, reading_value, show_parts, size, write_line
from stream_guard.cli.output import ExitCode
from stream_guard.cli.stoppable import Stoppable
from stream_guard.config import Settings
from stream_guard.dlq.reading import Standing
from stream_guard.dlq.redriving import Done, execute
from stream_guard.redrive.choice import Fate, Selected, Terms

INTERRUPTED = 130
_WORDS: Mapping[Fate, tuple[str, str]] = {
    Fate.GOES: ("goes", "green"),
    Fate.QUARANTINED: ("quarantined", "bold yellow"),
    Fate.NOT_WHOLE: ("not whole", "yellow"),
    Fate.FOREIGN: ("of another namespace", "dim"),
}


def show_plan(selected: Selected, standing: Standing, terms: Terms, per_second: float, *, as_json: bool) -> None:
    """Writes what would go."""
    if as_json:
        write_line({"executed": False, **_plan_value(selected, standing)})
    else:
        show_parts(_plan(selected, standing, terms, per_second))


def work_off(
    settings: Settings, selected: Selected, standing: Standing, terms: Terms, per_second: float, *, as_json: bool
) -> int:
    """Redrives. Returns the exit code."""
    if not as_json:
        show_parts(_counts(selected, terms))
    done = _redriven(settings, selected, per_second)
    if as_json:
        write_line({"executed": True, **_plan_value(selected, standing), **_done_value(done)})
    else:
        show_parts(_outcome(done, standing))
    if done.stopped:
        return INTERRUPTED
    return ExitCode.OK if done.complete and not standing.unread else ExitCode.START_REFUSED


def _redriven(settings: Settings, selected: Selected, per_second: float) -> Done:
    console = console_on(sys.stderr)
    bar = Progress(
        TextColumn("redriving"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    written = [0]
    task = bar.add_task("", total=len(selected.going))

    def work(stop: Callable[[], bool]) -> Done:
        return execute(settings, selected, per_second, stop=stop, told=lambda number: written.__setitem__(0, number))

    with bar:
        return Stoppable(work).run(lambda: bar.update(task, completed=written[0]))


def _plan(selected: Selected, standing: Standing, terms: Terms, per_second: float) -> Iterator[RenderableType]:
    yield from _counts(selected, terms)
    yield from reading_notes(standing)
    going = len(selected.going)
    if going:
        pace = f"at {per_second:g} a second: {span(going / per_second)}"
        yield Text(
            f"Nothing was sent. With --execute, {counted(going, 'dead letter')} would be redriven, {pace}.", "bold"
        )
    else:
        yield Text("Nothing was sent: there is nothing to redrive.", "bold")


def _counts(selected: Selected, terms: Terms) -> Iterator[RenderableType]:
    if selected.counts:
        table = plain_table(
            ("reason", "left"), ("topic", "fold"), ("what", "left"), ("dead letters", "right"), ("size", "right")
        )
        for count in selected.counts:
            table.add_row(
                Text(count.reason, "yellow"),
                count.topic,
                Text(*_WORDS[count.fate]),
                f"{count.letters:,}",
                size(count.bytes),
            )
        yield table
        yield Text()
    yield from _left(selected, terms)


def _left(selected: Selected, terms: Terms) -> Iterator[Text]:
    fates = selected.fates
    if number := fates.get(Fate.QUARANTINED):
        yield Text(
            f"{counted(number, 'dead letter')} quarantined: redriven {terms.max_hops} times (redrive.max_hops), and failed each "
            "time. Look at one with `stream-guard dlq show`.",
            "yellow",
        )
    if number := fates.get(Fate.NOT_WHOLE):
        yield Text(
            f"{counted(number, 'dead letter')} can't be redriven: they do not hold all of their record.", "yellow"
        )
    if number := fates.get(Fate.FOREIGN):
        yield Text(f"{counted(number, 'dead letter')} left alone: not of namespace {terms.namespace}.", "dim")


def _outcome(done: Done, standing: Standing) -> Iterator[RenderableType]:
    yield Text()
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    table.add_row(
        Text(f"{done.written:,}", "bold green"), "redriven: written, and acknowledged by all in-sync replicas"
    )
    for why, number in done.failed.items():
        table.add_row(Text(f"{number:,}", "bold red"), f"not written: {why}")
    if done.gone:
        table.add_row(f"{done.gone:,}", "gone meanwhile: deleted from their topic")
    yield table
    if done.said and not done.complete:
        yield Text(f"the client says {done.said}", "yellow")
    for where, why in done.unread.items():
        yield Text(f"{where.topic}[{where.partition}] could not be read to its end: {why}", "bold red")
    yield from reading_notes(standing)
    if done.stopped:
        yield Text(f"Interrupted: {done.written:,} of {done.going:,} were redriven.", "bold yellow")
    if done.complete:
        yield Text("They are judged as the service reads them. Dead letters stay until they are purged.", "dim")
    else:
        yield Text("Repeat the command: what is redriven twice has one ruling all the same.", "bold")


def _plan_value(selected: Selected, standing: Standing) -> dict[str, Any]:
    fates = selected.fates
    return {
        "going": len(selected.going),
        **{fate.value: fates.get(fate, 0) for fate in Fate if fate is not Fate.GOES},
        "counts": selected.counts,
        **reading_value(standing),
    }


def _done_value(done: Done) -> dict[str, Any]:
    return {
        "written": done.written,
        "not_written": [{"why": why, "dead_letters": number} for why, number in done.failed.items()],
        "gone": done.gone,
        "interrupted": done.stopped,
        "complete": done.complete,
    }
