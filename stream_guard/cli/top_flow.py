"""The upper half of the view of `top`: who answers, what is wrong, how much flows and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Column, Table
from rich.text import Text

from stream_guard.cli.figures import UNKNOWN, amount, count, duration, printable, share, sparkline
from stream_guard.cli.top_cells import QUIET, beside, cut, grid, heading, rate
from stream_guard.watching.view import NEVER, State, Tallies, View, together

STATES: Mapping[State, tuple[str, str]] = {
    State.READY: ("ready", "green"),
    State.NOT_READY: ("not ready", "bold yellow"),
    State.UNKNOWN: ("answers", "yellow"),
    State.SILENT: ("silent", "bold red"),
}
"""How a service's state is called, and how it looks."""
_LONGEST_LINE = 40
_BESIDE_LINE = 22
_SHORT_ID = 12


class Trend(NamedTuple):
    """What is drawn as a line: a value for each look, oldest first; None where it was not known."""

    records: Sequence[float | None] = ()
    lag: Sequence[float | None] = ()


def header(view: View, every: str) -> Table:
    """One line: what this is, how many are ready, what runs there."""
    ready, asked = sum(service.state is State.READY for service in view.services), len(view.services)
    style = "bold green" if ready == asked else "bold yellow" if ready else "bold red"
    state = STATES[view.services[0].state][0] if asked == 1 else f"{ready} of {asked} ready"
    line = Text.assemble(("stream-guard top", "bold"), "  ", (f"● {state}", style))
    running = view.running
    engine = " on ".join(dict.fromkeys(", ".join(names) for names in (running.models, running.engines) if names))
    edition = ", ".join(each[:_SHORT_ID] for each in running.editions)
    for name, shown in (("", engine), ("edition ", edition), ("version ", ", ".join(running.versions))):
        if shown:
            line.append(f"  {name}{printable(shown)}", QUIET)
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(no_wrap=True, justify="right")
    table.add_row(line, Text(f"{view.at[11:19]} UTC{every}", QUIET))
    return table


def troubles(view: View, lines: int) -> list[Text]:
    """A line each; the last one says how many are left out."""
    shown = cut(view.troubles, lines)
    found = []
    for trouble in shown:
        mark, mark_style, style = (" ✗ ", "bold red", "red") if trouble.grave else (" ! ", "bold yellow", "yellow")
        what = (printable(trouble.what), style)
        found.append(Text.assemble((mark, mark_style), what, no_wrap=True, overflow="ellipsis"))
    if lines and len(shown) < len(view.troubles):
        found.append(Text(f"   and {len(view.troubles) - len(shown)} more", "yellow"))
    return found


def flow(view: View, trend: Trend, width: int) -> Table:
    """How much passes, how far behind it is, and what is under way."""
    table = grid(Column(style=QUIET, min_width=9), Column(), gap=1)
    drawn = min(_LONGEST_LINE, width - _BESIDE_LINE)
    outcomes = view.records.by_outcome
    verdicts = sum((together(policy.decisions) for policy in view.policies), NEVER)
    retries = sum((together(policy.retries) for policy in view.policies), NEVER)
    table.add_row("records", beside(rate(together(outcomes)), Text(sparkline(trend.records, drawn), "cyan")))
    table.add_row("", _outcomes(outcomes))
    table.add_row("verdicts", beside(rate(verdicts), Text.assemble(("retries ", QUIET), rate(retries, ""))))
    table.add_row("tokens", _tokens(view))
    lag = Text(duration(view.lag.seconds), "bold")
    table.add_row("lag", beside(lag, Text(sparkline(trend.lag, drawn), "blue")))
    if view.lag.backlog is not None:
        table.add_row("backlog", beside(Text(count(view.lag.backlog), "bold"), Text("records not settled", QUIET)))
    table.add_row("in flight", _in_flight(view))
    table.add_row("engine", _engine(view))
    return table


def latency(view: View) -> Table:
    """How long each stage takes."""
    table = grid(Column(), *[Column(justify="right", min_width=6)] * 3)
    table.add_row(*heading("latency", "p50", "p95", "p99"))
    for each in view.latency:
        style = "bold" if each.stage == "total" else ""
        figures = (Text(duration(seconds), style) for seconds in (each.p50, each.p95, each.p99))
        table.add_row(Text(each.stage, QUIET), *figures)
    if not view.latency:
        table.add_row(Text("none", QUIET))
    return table


def _outcomes(by_outcome: Tallies) -> Text:
    """What is not judged."""
    dead = by_outcome.get("dead_lettered", NEVER).per_s
    return Text.assemble(
        amount(by_outcome.get("ignored", NEVER).per_s), (" ignored  ", QUIET),
        (amount(dead), "yellow" if dead else ""), (" dead-lettered", QUIET),
    )  # fmt: skip


def _tokens(view: View) -> Text:
    read = sum((policy.input_tokens for policy in view.policies), NEVER)
    written = sum((policy.output_tokens for policy in view.policies), NEVER)
    return beside(rate(read), Text.assemble(("read  ", QUIET), rate(written, ""), (" written", QUIET)))


def _in_flight(view: View) -> Text:
    flight = view.in_flight
    records = Text.assemble((count(flight.records), "bold"), (" records", QUIET))
    asks = Text.assemble(count(flight.asks), (" asks", QUIET))
    return Text("  ").join([records, asks, Text.assemble(amount(flight.tokens), (" tokens", QUIET))])


def _engine(view: View) -> Text:
    engines, restarts = view.engines, together(view.engines.restarts).total
    if not engines.of:
        return Text(UNKNOWN)
    up = "up" if engines.up == engines.of else "down" if not engines.up else f"{engines.up} of {engines.of}"
    read = sum((policy.input_tokens for policy in view.policies), NEVER)
    cached = sum((policy.cached_tokens for policy in view.policies), NEVER)
    more = Text.assemble(
        (count(restarts), "bold yellow" if restarts else ""), (" restarts  ", QUIET),
        share(cached.per_s, read.per_s), (" cached", QUIET),
    )  # fmt: skip
    return beside(Text(up, "bold green" if engines.up == engines.of else "bold red"), more)
