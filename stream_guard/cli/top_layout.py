"""Where the parts of the view of `top` stand, on a screen of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from stream_guard.cli import top_flow, top_tables
from stream_guard.cli.top_flow import Trend
from stream_guard.watching.view import View

_WIDE = 110
"""Columns from which on there is room for more figures."""
_PAIRED = 76
"""Columns from which on two parts stand side by side."""
_MOST = 140
"""Columns: the eye loses its line beyond."""
_WIDEST = 50
"""Columns of a list: the same."""
_GAP = 3
_TROUBLES = 5
_EVERYTHING = 10_000
_ASCII = str.maketrans("▁▂▃▄▅▆▇█●✗·…", ".:-=+*#@*x-~")


class Dashboard:
    """A view as it is seen. On a screen (there is a `footer`) as much as has room, the longest lists cut first; else all."""

    def __init__(self, view: View, trend: Trend = Trend(), *, every: str = "", footer: str = "") -> None:  # noqa: B008 - a value
        self._view, self._trend, self._every, self._footer = view, trend, every, footer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lays it out anew for every size."""
        width = min(options.max_width, _MOST)
        height = console.size.height if self._footer else _EVERYTHING
        segments = console.render(Group(*self._rows(width, height)), options.update(width=width))
        yield from segments if "utf" in console.encoding.lower() else _known(segments, console.encoding)

    def _rows(self, width: int, height: int) -> list[RenderableType]:
        view, paired = self._view, width >= _PAIRED
        left = (width - _GAP) * 4 // 7 if paired else width
        middle = _Pair(top_flow.flow(view, self._trend, left), top_flow.latency(view), left, width)
        notes = top_tables.notes(view)
        room = self._room(height, middle.height, len(notes), paired=paired)
        rows: list[RenderableType] = [
            top_flow.header(view, self._every),
            *top_flow.troubles(view, room.troubles),
            "",
            middle,
            "",
        ]
        if room.services:
            rows += [top_tables.services(view, room.services), ""]
        rows += [top_tables.decisions(view, room.policies, width, wide=width >= _WIDE), *notes, ""]
        lists = room.lists if paired else max(1, room.lists // 2)
        rows.append(_Pair(top_tables.behind(view, lists), top_tables.dead_letters(view, lists), left, width, even=True))
        if self._footer:
            rows += [*[""] * room.spare, Text(self._footer, "dim", no_wrap=True, overflow="ellipsis")]
        return rows

    def _room(self, height: int, middle: int, notes: int, *, paired: bool) -> _Room:
        """The lines for the lists: what stands around them is as high as it is."""
        view = self._view
        services = len(view.services) if len(view.services) > 1 else 0
        partitions = len(view.lag.partitions)
        letters = max(1, len(view.dead_letters.reasons)) + bool(view.dead_letters.oldest_s)
        lists = max(partitions, letters) if paired else 2 * max(partitions, letters)
        header, blank, headings = 1, 3, 3 if paired else 5
        around = header + blank + headings + middle + notes + 2 * bool(services) + bool(self._footer)
        wants = (min(len(view.troubles), _TROUBLES), services, len(view.policies), lists)
        return _Room(*fit(height - around, wants))


class _Room(NamedTuple):
    """How many lines each has."""

    troubles: int
    services: int
    policies: int
    lists: int
    spare: int


class _Pair:
    """Two parts side by side where there is room, else one below the other. `even` widens both alike."""

    def __init__(self, first: Table, second: Table, left: int, width: int, *, even: bool = False) -> None:
        self._first, self._second, self._left, self._right = first, second, left, width - left - _GAP
        self._paired = width >= _PAIRED
        if even:
            first.width, second.width = min(left, _WIDEST), min(self._right if self._paired else left, _WIDEST)
        self.height = max(first.row_count, second.row_count) if self._paired else first.row_count + second.row_count + 1

    def __rich__(self) -> RenderableType:
        """The two."""
        if not self._paired:
            return Group(self._first, "", self._second)
        table = Table.grid(padding=(0, _GAP), pad_edge=False)
        table.add_column(width=self._left)
        table.add_column(width=self._right)
        table.add_row(self._first, self._second)
        return table


def fit(room: int, wants: Sequence[int]) -> list[int]:
    """How many lines each list gets of those that it would like, and how many are left over.

    Each gets one, who comes first first; the others are dealt out in turn.
    """
    room, given = max(0, room), [0] * len(wants)
    while room and given != list(wants):
        for index, wanted in enumerate(wants):
            if room and given[index] < wanted:
                given[index], room = given[index] + 1, room - 1
    return [*given, room]


def _known(segments: Iterator[Segment] | RenderResult, encoding: str) -> Iterator[Segment]:
    """What a terminal that does not know all characters can show of them."""
    for segment in segments:
        if isinstance(segment, Segment):
            text = segment.text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
            yield Segment(text, segment.style, segment.control)
