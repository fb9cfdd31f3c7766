"""What is seen of a check: its findings, subject by subject, each with a mark, its place and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stream_guard.checkup.finding import Finding, Report, Section, Severity
from stream_guard.checkup.words import counted
from stream_guard.cli.console import READABLE, console_on, known
from stream_guard.cli.output import print_json

_MARKS: Mapping[Severity, tuple[str, str]] = {
    Severity.OK: ("✓", "green"),
    Severity.WARNING: ("!", "bold yellow"),
    Severity.ERROR: ("✗", "bold red"),
}


def show(report: Report, *, skipped: bool, as_json: bool) -> None:
    """Writes a report to stdout. `skipped` says that live checks were asked for and not made."""
    if as_json:
        print_json(_json(report, skipped=skipped))
        return
    console = console_on(width=READABLE)
    with console.capture() as written:
        console.print(*_lines(report, console.encoding, skipped=skipped), sep="\n")
    typer.echo("\n".join(line.rstrip() for line in written.get().rstrip().splitlines()))  # rich fills its columns up


def _lines(report: Report, encoding: str, *, skipped: bool) -> Iterator[Group | Text]:
    for section in report.sections:
        yield Group(Text(section.subject, "bold"), Padding(_table(section, encoding), (0, 0, 1, 1)))
    if skipped:
        yield Text("live checks were not made: the configuration is wrong", "bold red")
    yield _summary(report)


def _table(section: Section, encoding: str) -> Table:
    table = Table.grid(padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for found in section.findings:
        mark, style = _MARKS[found.severity]
        table.add_row(Text(known(mark, encoding), style), _finding(found, encoding))
    return table


def _finding(found: Finding, encoding: str) -> Text:
    text = Text()
    if found.place is not None:
        text.append(f"{found.place}\n", "cyan")
    text.append(found.sentence)
    if found.advice:
        text.append(f"\n{known('→', encoding)} {found.advice}", "dim")
    return text


def _summary(report: Report) -> Text:
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    if not errors and not warnings:
        return Text("nothing to fix", "green")
    style = _MARKS[Severity.ERROR if errors else Severity.WARNING][1]
    return Text(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}", style)


def _json(report: Report, *, skipped: bool) -> dict[str, Any]:
    return {
        "errors": report.count(Severity.ERROR),
        "warnings": report.count(Severity.WARNING),
        "live_skipped": skipped,
        "sections": [
            {"subject": section.subject, "findings": [_entry(found) for found in section.findings]}
            for section in report.sections
        ],
    }


def _entry(found: Finding) -> dict[str, Any]:
    place = found.place
    entry: dict[str, Any] = {
        "severity": found.severity.value,
        "message": found.sentence,
        "advice": found.advice or None,
    }
    return entry | ({} if place is None else {"file": place.file, "line": place.line, "column": place.column})
