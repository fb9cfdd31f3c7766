"""What all parts of the view of `top` are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.table import Column, Table
from rich.text import Text

from stream_guard.cli.figures import UNKNOWN, amount, printable, share
from stream_guard.watching.view import Tallies, Tally, together

T = TypeVar("T")
HEADING = "bold cyan"
QUIET = "dim"


def grid(*columns: Column, gap: int = 2) -> Table:
    """A table without lines, whose cells are cut rather than wrapped."""
    table = Table.grid(padding=(0, gap), pad_edge=False)
    for column in columns:
        table.add_column(
            style=column.style, justify=column.justify, min_width=column.min_width, max_width=column.max_width,
            ratio=column.ratio, no_wrap=True, overflow="ellipsis",
        )  # fmt: skip
    return table


def heading(name: str, *columns: str) -> list[Text]:
    """The first row of a part."""
    return [Text(name, HEADING), *(Text(column, QUIET) for column in columns)]


def beside(figure: Text, more: Text) -> Text:
    """A figure, in as much room as any needs, and what stands behind it."""
    figure.truncate(10, pad=True)
    return Text.assemble(figure, " ", more)


def rate(tally: Tally, style: str = "bold") -> Text:
    """`41.2/s`."""
    return Text.assemble((amount(tally.per_s), style), ("/s" if tally.per_s is not None else "", QUIET))


def shared(text: str, style: str) -> Text:
    """A share; what there is nothing of steps back."""
    return Text(text, QUIET if text in {"0%", UNKNOWN} else style)


def each(tallies: Tallies) -> Text:
    """`80% settled  20% uncertain`, what there is most of first."""
    whole = together(tallies).per_s
    ordered = sorted(tallies.items(), key=lambda item: (-(item[1].per_s or 0.0), -item[1].total, item[0]))
    return Text("  ").join(
        Text.assemble(share(tally.per_s, whole), (f" {printable(name.replace('_', ' '))}", QUIET))
        for name, tally in ordered
    )


def cut(whole: Sequence[T], lines: int) -> Sequence[T]:
    """What of a list is shown on so many lines: where it is longer, the last of them says how many more there are."""
    return whole if len(whole) <= lines else whole[: max(0, lines - 1)]


def say_cut(table: Table, whole: Sequence[object], shown: Sequence[object], lines: int) -> None:
    """Says it, where there is a line for it."""
    if lines and len(shown) < len(whole):
        table.add_row(Text(f"and {len(whole) - len(shown)} more", QUIET))
