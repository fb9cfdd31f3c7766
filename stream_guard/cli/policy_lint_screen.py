"""What is seen of `policy lint`: a file after another, each finding with a mark, its place, its rule and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stream_guard.authoring.catalogue import Found, Level
from stream_guard.authoring.lint import Linted
from stream_guard.checkup.words import counted
from stream_guard.cli.console import READABLE, console_on, known
from stream_guard.cli.output import print_json

_MARKS: Mapping[Level, tuple[str, str]] = {
    Level.ERROR: ("✗", "bold red"),
    Level.WARNING: ("!", "bold yellow"),
    Level.ADVICE: ("·", "bold cyan"),
}


def show(linted: Sequence[Linted], *, as_json: bool) -> None:
    """Writes what was found to stdout."""
    if as_json:
        print_json(_json(linted))
        return
    console = console_on(width=READABLE)
    with console.capture() as written:
        console.print(*_lines(linted, console.encoding), sep="\n")
    typer.echo("\n".join(line.rstrip() for line in written.get().rstrip().splitlines()))  # rich fills its columns up


def _lines(linted: Sequence[Linted], encoding: str) -> Iterator[Group | Text]:
    for each in linted:
        title = Text(each.file, "bold")
        if each.tokens is not None:
            title.append(f"  {each.policy}, {each.tokens:,} tokens", "not bold dim")
        found = (
            _table(each, encoding)
            if each.findings
            else Text.assemble((known("✓", encoding), "green"), " nothing to fix")
        )
        yield Group(title, Padding(found, (0, 0, 1, 1)))
    yield _summary(linted)


def _table(linted: Linted, encoding: str) -> Table:
    table = Table.grid(padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    advised = set[str]()
    for found in linted.findings:
        mark, style = _MARKS[found.level]
        table.add_row(Text(known(mark, encoding), style), _finding(found, encoding, advise=found.rule not in advised))
        advised.add(found.rule)
    return table


def _finding(found: Found, encoding: str, *, advise: bool) -> Text:
    """A finding. What to do is said once a rule: it is the same for all that it finds."""
    text = Text(f"{found.place}", "cyan").append(f"  {found.rule}\n", "dim").append(found.sentence, "default")
    if found.advice and advise:
        text.append(f"\n{known('→', encoding)} {found.advice}", "dim default")
    return text


def _summary(linted: Sequence[Linted]) -> Text:
    counts = {level: sum(each.count(level) for each in linted) for level in Level}
    if not any(counts.values()):
        return Text("nothing to fix", "green")
    worst = next(level for level in Level if counts[level])
    advice = f"{counts[Level.ADVICE]} of advice"
    return Text(
        f"{counted(counts[Level.ERROR], 'error')}, {counted(counts[Level.WARNING], 'warning')}, {advice}",
        _MARKS[worst][1],
    )


def _json(linted: Sequence[Linted]) -> dict[str, Any]:
    return {
        "errors": sum(each.count(Level.ERROR) for each in linted),
        "warnings": sum(each.count(Level.WARNING) for each in linted),
        "advice": sum(each.count(Level.ADVICE) for each in linted),
        "files": [
            {
                "file": each.file,
                "policy": each.policy,
                "tokens": each.tokens,
                "findings": [_entry(found) for found in each.findings],
            }
            for each in linted
        ],
    }


def _entry(found: Found) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "level": found.level.value,
        "message": found.sentence,
        "advice": found.advice or None,
        "file": found.place.file,
        "line": found.place.line,
        "column": found.place.column,
    }
