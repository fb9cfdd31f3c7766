"""What is seen of `policy pack-test`: what packing changes under each policy, what it saves, and whether it is recommended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from stream_guard.cli.asking_screen import AskingScreen
from stream_guard.cli.console import READABLE, console_on
from stream_guard.qualification.packing import TOLERABLE, TOLERABLE_OF_FOUND, Comparison, Cost, PackResult
from stream_guard.qualification.scores import Interval


class PackScreen(AskingScreen[PackResult]):
    """Whatever is measured, the command ends well."""


class JsonPackScreen(PackScreen):
    """One JSON object on stdout."""

    def _result(self, result: PackResult) -> None:
        self.qualified = True
        value = {
            "model": result.model,
            "recommended": result.recommended,
            "unlabelled": result.unlabelled,
            "policies": [_value(each) for each in result.comparisons],
            "apart": _cost_value(result.apart),
            "packed": _cost_value(result.together),
        }
        self._out.write(msgspec.json.encode(value).decode() + "\n")
        self._out.flush()


class TablePackScreen(PackScreen):
    """For a person. NO_COLOR is respected."""

    def _result(self, result: PackResult) -> None:
        self.qualified = True
        console = console_on(self._out, READABLE)
        console.print(_changes(result))
        console.print()
        if labelled := [each for each in result.comparisons if each.labelled]:
            console.print(_rights(labelled))
            console.print()
        console.print(_costs(result))
        console.print(*_notes(result), sep="\n")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(columns[0], no_wrap=True, overflow="ellipsis", ratio=1 if columns[0] else None)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    return table


def _changes(result: PackResult) -> Table:
    """What decisions change, of all and of what was found to violate, with the intervals."""
    table = _table("policy", "differ", "95 % interval", "of found", "95 % interval", "none", "packed")
    for each in result.comparisons:
        table.add_row(
            each.policy.id, f"{each.differing}/{each.judged}", _interval(each.error), f"{each.changed}/{each.found}",
            _interval(each.error_of_found), str(each.abstained), str(each.abstained_packed),
            style="" if each.tolerable else "yellow",
        )  # fmt: skip
    return table


def _interval(interval: Interval) -> str:
    return f"{interval.low:.1%} to {interval.high:.1%}"


def _rights(comparisons: list[Comparison]) -> Table:
    """What is right by the labels."""
    table = _table("by the labels", "right apart", "right packed", "of", "lost", "gained")
    for each in comparisons:
        counts = (each.right, each.right_packed, each.labelled, each.lost, each.gained)
        table.add_row(each.policy.id, *map(str, counts))
    return table


def _costs(result: PackResult) -> Table:
    table = _table("", "asks", "tokens read", "of them cached", "written", "seconds")
    for name, cost in (("apart", result.apart), ("packed", result.together)):
        table.add_row(
            name, f"{cost.asks:,}", f"{cost.prompt_tokens:,}", f"{cost.cached_tokens:,}",
            f"{cost.completion_tokens:,}", f"{cost.seconds:,.1f}",
        )  # fmt: skip
    return table


def _notes(result: PackResult) -> Iterator[Text]:
    apart, together = result.apart, result.together
    yield Text(
        f"\nPacked, the engine computed {_ratio(together.computed_tokens, apart.computed_tokens)} of the tokens (read and not "
        f"cached, or written), in {_ratio(together.seconds, apart.seconds)} of the time."
    )
    yield Text(
        "differ: of what asking apart judged, another decision, or none; of found: of what it found to violate. none: no judgement, "
        "apart and packed. lost, gained: what only asking apart, or only packing, gets right.",
        "dim",
    )
    if result.unlabelled:
        yield Text(
            f"Without a label, or with two that differ, and neither right nor wrong: {result.unlabelled}.", "dim"
        )
    if any(each.abstained or each.abstained_packed for each in result.comparisons):
        yield Text("Tokens are those of replies: what was asked and never answered is not among them.", "dim")
    yield Text(f"model {result.model}", "dim")
    if result.recommended:
        ids = ", ".join(each.policy.id for each in result.comparisons)
        yield Text(f"Recommended: packed: [{ids}]", "green")
        return
    if not result.saves:
        yield Text("Not recommended: packing saves nothing here.", "yellow")
    if doubtful := [each for each in result.comparisons if not each.tolerable]:
        yield Text(f"Not recommended: {_doubts(doubtful)} Leave out what differs, or ask more contents.", "yellow")


def _doubts(comparisons: list[Comparison]) -> str:
    ids = ", ".join(each.policy.id for each in comparisons)
    return f"more than {TOLERABLE:.0%} of the decisions, or {TOLERABLE_OF_FOUND:.0%} of what is found, may change under {ids}."


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.0%}" if other else "-"


def _value(each: Comparison) -> dict[str, Any]:
    counts = {name: value for name, value in msgspec.structs.asdict(each).items() if name != "policy"}
    return {
        "policy": each.policy.id,
        "version": each.policy.version,
        **counts,
        "interval": list(each.error),
        "interval_of_found": list(each.error_of_found),
    }


def _cost_value(cost: Cost) -> dict[str, Any]:
    return msgspec.structs.asdict(cost) | {"computed_tokens": cost.computed_tokens}
