"""The lower half of the view of `top`: each service, what is decided, what is furthest behind, what is dead-lettered."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Column, Table
from rich.text import Text

from stream_guard.cli.console import STYLES
from stream_guard.cli.figures import amount, count, duration, printable, share
from stream_guard.cli.top_cells import QUIET, cut, each, grid, heading, rate, say_cut, shared
from stream_guard.cli.top_flow import STATES
from stream_guard.policy.document import Decision
from stream_guard.watching.addresses import short
from stream_guard.watching.view import NEVER, Policy, Service, State, Tallies, Tally, View, together

_NONE = Tally(0.0)
_BAR = "█"
_SHORTEST_BAR, _LONGEST_BAR = 8, 40
_CUT = "and 99 more"
_LONGEST_NAME = 18
_LONGEST_NAME_WIDE = 34


def services(view: View, lines: int) -> Table:
    """Each service, where there are several."""
    columns = ("up", "records/s", "in flight", "held", "lag")
    table = grid(
        Column(max_width=40), Column(), *(Column(justify="right", min_width=max(6, len(name))) for name in columns)
    )
    table.add_row(*heading("services", "state", *columns))
    troubled_first = sorted(view.services, key=lambda service: service.state is State.READY)
    shown = cut(view.services if len(view.services) <= lines else troubled_first, lines)
    for service in shown:
        table.add_row(
            printable(short(service.url)), _state(service), duration(service.up_s), amount(service.records_per_s),
            count(service.in_flight_records), count(service.partitions), duration(service.lag_s),
        )  # fmt: skip
    say_cut(table, view.services, shown, lines)
    return table


def _state(service: Service) -> Text:
    state, style = STATES[service.state]
    since = "" if service.silent_s is None else " ".join(["", *duration(service.silent_s).split()[:2]])
    return Text(state + since, style)


def decisions(view: View, lines: int, width: int, *, wide: bool) -> Table:
    """What is decided: by rulings, and under each policy."""
    columns = ["/s", *Decision, "abstain", *(("cached", "tokens/s") if wide else ())]
    widths = [max(len(name), 5) for name in columns]
    shown = cut(view.policies, lines)
    names = [printable(policy.policy) for policy in shown]
    first = min(max(map(len, ("decisions", _CUT, *names))), _LONGEST_NAME_WIDE if wide else _LONGEST_NAME)
    bar = min(_LONGEST_BAR, width - first - sum(widths) - 2 * len(columns) - 2)
    table = grid(Column(max_width=first), *(Column(justify="right", min_width=each) for each in widths), Column())
    looks = {str(decision): style for decision, style in STYLES.items()}
    table.add_row(*heading("decisions"), *(Text(name, looks.get(name, QUIET)) for name in columns))
    blank = [Text()] * (len(columns) - 1 - len(Decision))
    table.add_row(Text("rulings", "bold"), *_decided(view.rulings), *blank, _bar(view.rulings, bar))
    for name, policy in zip(names, shown, strict=True):
        table.add_row(name, *_decided(policy.decisions), *_more(policy)[: len(blank)], _bar(policy.decisions, bar))
    say_cut(table, view.policies, shown, lines)
    return table


def _more(policy: Policy) -> list[Text]:
    abstained = share(together(policy.abstained).per_s or 0.0, together(policy.decisions).per_s)
    cached = share(policy.cached_tokens.per_s or 0.0, policy.input_tokens.per_s)
    return [
        shared(abstained, "yellow"),
        shared(cached, ""),
        Text(amount((policy.input_tokens + policy.output_tokens).per_s)),
    ]


def _decided(by_decision: Tallies) -> list[Text]:
    whole = together(by_decision).per_s
    shares = [(share(by_decision.get(decision, _NONE).per_s, whole), STYLES[decision]) for decision in Decision]
    return [Text(amount(whole), "bold"), *(shared(text, style) for text, style in shares)]


def _bar(by_decision: Tallies, width: int) -> Text:
    """The decisions as one line of colours, where there is room. Without colours the columns say it all."""
    whole, text, drawn, so_far = together(by_decision).per_s, Text(), 0, 0.0
    if not whole or width < _SHORTEST_BAR:
        return text
    for decision in Decision:
        so_far += by_decision.get(decision, _NONE).per_s or 0.0
        until = round(width * so_far / whole)
        text.append(_BAR * (until - drawn), STYLES[decision].removeprefix("bold "))
        drawn = until
    return text


def notes(view: View) -> list[Text]:
    """What only some services have: quick looks and escalations."""
    kinds: Mapping[str, list[Tallies]] = {
        "quick looks": [policy.looks for policy in view.policies],
        "escalated": [policy.escalated for policy in view.policies],
    }
    summed = ((name, _summed(tallies)) for name, tallies in kinds.items())
    return [
        Text.assemble((f"{name}  ", QUIET), rate(together(by)), "  ", each(by), no_wrap=True, overflow="ellipsis")
        for name, by in summed
        if by
    ]


def _summed(tallies: list[Tallies]) -> Tallies:
    by: dict[str, Tally] = {}
    for one in tallies:
        for name, tally in one.items():
            by[name] = by.get(name, NEVER) + tally
    return by


def behind(view: View, lines: int) -> Table:
    """The partitions that are furthest behind."""
    figures = ("lag",) if view.lag.backlog is None else ("lag", "backlog")
    table = grid(Column(ratio=1), *[Column(justify="right", min_width=8)] * len(figures))
    table.add_row(*heading("furthest behind", *figures))
    halted = {(halt.topic, halt.partition) for halt in view.halted}
    for at in view.lag.partitions[:lines]:
        style = "red" if (at.topic, at.partition) in halted else ""
        cells = (duration(at.lag_s), count(at.backlog))
        table.add_row(Text(printable(f"{at.topic}[{at.partition}]"), style), *cells[: len(figures)])
    return table


def dead_letters(view: View, lines: int) -> Table:
    """What is dead-lettered, and why."""
    table = grid(Column(ratio=1), *[Column(justify="right", min_width=5)] * 2)
    table.add_row(*heading("dead letters", "/s", "total"))
    letters = view.dead_letters
    shown = letters.reasons[: max(0, lines - bool(letters.oldest_s))]
    for letter in shown:
        reason = printable(letter.reason.replace("_", " ")) + (" (case)" if letter.scope == "case" else "")
        per_s = letter.letters.per_s
        table.add_row(reason, Text(amount(per_s), "yellow" if per_s else QUIET), count(letter.letters.total))
    if not letters.reasons:
        table.add_row(Text("none", QUIET))
    if letters.oldest_s:
        table.add_row(Text(f"oldest {duration(letters.oldest_s)}", QUIET))
    return table
