"""What is seen of dead letters: a row each, and a summary by reason. Nothing of their records but where they stood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import typer
from msgspec import Struct
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stream_guard.checkup.words import counted
from stream_guard.cli.console import console_on
from stream_guard.dlq.reading import Standing
from stream_guard.records import moment
from stream_guard.redrive.choice import Filter
from stream_guard.redrive.letters import Letter

WIDTH = 120
"""Columns: a row holds more than a sentence."""
_THOUSAND = 1000


class Sum(Struct, frozen=True):
    """The dead letters of one reason."""

    reason: str
    letters: int
    bytes: int
    first_failed_at_ms: int
    last_failed_at_ms: int


def show_list(standing: Standing, meant: Filter, last: int, *, as_json: bool) -> None:
    """Writes the newest of those that are meant, the newest last, and sums all of them up."""
    letters = sorted(filter(meant.takes, standing.letters), key=lambda letter: (letter.failed_at_ms, letter.at))
    shown = letters[len(letters) - min(last, len(letters)) :]
    if as_json:
        for letter in shown:
            write_line(as_value(letter))
        write_line({"summary": _summary_value(standing, letters, shown)})
        return
    show_parts(_parts(standing, letters, shown))


def show_parts(parts: Iterator[RenderableType]) -> None:
    """Writes them to stdout, without the blanks that fill columns up."""
    console = console_on(width=WIDTH)
    with console.capture() as written:
        console.print(*parts, sep="\n")
    typer.echo("\n".join(line.rstrip() for line in written.get().rstrip().splitlines()))


def write_line(value: object) -> None:
    """Writes one JSON object on a line of its own."""
    typer.echo(msgspec.json.encode(value).decode())


def as_value(letter: Letter) -> dict[str, Any]:
    """A dead letter, for machines."""
    return {
        "id": letter.id,
        "reason": letter.reason,
        "scope": letter.scope,
        "policy_id": letter.policy_id,
        "route": letter.route,
        "namespace": letter.namespace,
        "lane": letter.lane,
        "replays": letter.replays,
        "last_failed_at_ms": letter.failed_at_ms,
        "bytes": letter.size,
        "origin": letter.origin._asdict(),
        "dead_letter": letter.at._asdict(),
    }


def sums(letters: Sequence[Letter]) -> list[Sum]:
    """By reason, the most frequent first."""
    found: dict[str, list[Letter]] = {}
    for letter in letters:
        found.setdefault(letter.reason, []).append(letter)
    summed = [
        Sum(
            reason,
            len(group),
            sum(letter.size for letter in group),
            min(letter.failed_at_ms for letter in group),
            max(letter.failed_at_ms for letter in group),
        )
        for reason, group in found.items()
    ]
    return sorted(summed, key=lambda each: (-each.letters, each.reason))


def reading_notes(standing: Standing) -> Iterator[Text]:
    """What is to be said of the reading itself, where there is anything."""
    letters = standing.letters
    aside = [
        (letters.replaced, "was replaced by a later one of the same id", "were replaced by later ones of the same ids"),
        (letters.purged, "was purged by a tombstone", "were purged by tombstones"),
    ]
    for number, one, many in aside:
        if number:
            yield Text(f"{number:,} {one if number == 1 else many}", "dim")
    if letters.unreadable:
        yield Text(f"{counted(letters.unreadable, 'record')} there: not dead letters of this contract", "yellow")
    for where, why in standing.unread.items():
        yield Text(f"{where.topic}[{where.partition}] could not be read to its end: {why}", "bold red")


def size(number: int) -> str:
    """Bytes, in three figures."""
    value, units = float(number), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while value >= _THOUSAND and unit != "GB":
        value, unit = value / _THOUSAND, next(units)
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


def plain_table(*columns: tuple[str, str]) -> Table:
    """A table without lines; each column has a name and is `left`, `right` or `fold` (left, and may take several lines)."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name, kind in columns:
        table.add_column(name, justify="right" if kind == "right" else "left", no_wrap=kind != "fold", overflow="fold")
    return table


def _parts(standing: Standing, letters: Sequence[Letter], shown: Sequence[Letter]) -> Iterator[RenderableType]:
    topics = ", ".join(scan.topic for scan in standing.scans)
    if shown:
        yield _rows(shown)
        yield Text()
    if len(shown) < len(letters):
        yield Text(f"the newest {len(shown):,} of {len(letters):,}; --last shows more", "dim")
    if letters:
        yield _summary(letters)
        yield Text()
    yield Text(f"{counted(len(letters), 'dead letter')} in {topics}", "bold")
    if len(letters) < len(standing.letters):
        yield Text(f"{len(standing.letters) - len(letters):,} more stand there, which were not asked for", "dim")
    yield from reading_notes(standing)


def _rows(letters: Sequence[Letter]) -> Table:
    table = plain_table(
        ("when (UTC)", "left"),
        ("reason", "left"),
        ("scope", "left"),
        ("record", "fold"),
        ("hops", "right"),
        ("size", "right"),
    )
    for letter in letters:
        table.add_row(
            Text(f"{moment(letter.failed_at_ms):%Y-%m-%d %H:%M}", "dim"),
            Text(letter.reason, "yellow"),
            f"case {letter.policy_id}" if letter.policy_id else letter.scope.value,
            Text(str(letter.origin)),
            str(letter.replays) if letter.replays else "-",
            size(letter.size),
        )
    return table


def _summary(letters: Sequence[Letter]) -> Table:
    table = plain_table(("reason", "left"), ("dead letters", "right"), ("size", "right"), ("failed (UTC)", "left"))
    for each in sums(letters):
        first, last = (f"{moment(ms):%Y-%m-%d %H:%M}" for ms in (each.first_failed_at_ms, each.last_failed_at_ms))
        spanned = first if first == last else f"{first} to {last}"
        table.add_row(Text(each.reason, "yellow"), f"{each.letters:,}", size(each.bytes), Text(spanned, "dim"))
    return table


def _summary_value(standing: Standing, letters: Sequence[Letter], shown: Sequence[Letter]) -> dict[str, Any]:
    return {
        "dead_letters": len(letters),
        "shown": len(shown),
        "not_asked_for": len(standing.letters) - len(letters),
        "reasons": sums(letters),
        **reading_value(standing),
    }


def reading_value(standing: Standing) -> dict[str, Any]:
    """What is to be said of the reading itself, for machines."""
    return {
        "topics": [scan.topic for scan in standing.scans],
        "replaced": standing.letters.replaced,
        "purged": standing.letters.purged,
        "unreadable": standing.letters.unreadable,
        "unread": [{**where._asdict(), "why": why} for where, why in standing.unread.items()],
    }
