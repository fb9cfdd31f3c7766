"""What is seen of `policy pack-test`: what packing changes under each policy, what it saves, and whether it is recommended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from stream_guard.cli.asking_screen import AskingScreen
from stream_guard.cli.console import READABLE, console_on
from stream_guard.qualification.packing import TOLERABLE, Comparison, Cost, PackResult


class PackScreen(AskingScreen[PackResult]):
    """Whatever is measured, the command ends well."""


class JsonPackScreen(PackScreen):
    """One JSON object on stdout."""

    def _result(self, result: PackResult) -> None:
        self.qualified = True
        value = {
            "model": result.model,
            "recommended": result.recommended,
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
        console.print(_policies(result))
        console.print()
        console.print(_costs(result))
        console.print(*_notes(result), sep="\n")


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _policies(result: PackResult) -> Table:
    table = _table("policy", "differ", "95 % interval", "right", "packed", "lost", "gained", "none", "packed")
    for each in result.comparisons:
        low, high = each.error
        by_labels = (f"{each.right}/{each.labelled}", str(each.right_packed), str(each.lost), str(each.gained))
        table.add_row(
            each.policy.id, f"{each.differing}/{each.asked}", f"{low:.1%} to {high:.1%}",
            *(by_labels if each.labelled else "----"), str(each.abstained), str(each.abstained_packed),
            style="" if each.tolerable else "yellow",
        )  # fmt: skip
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
        "differ: another decision than apart, or none. right: by the labels, asked apart, then packed; lost and gained: what only "
        "one of them gets right. none: no judgement, asked apart, then packed.",
        "dim",
    )
    if result.recommended:
        ids = ", ".join(each.policy.id for each in result.comparisons)
        yield Text(f"Recommended: packed: [{ids}]", "green")
        return
    if not result.saves:
        yield Text("Not recommended: packing saves nothing here.", "yellow")
    if doubtful := [each for each in result.comparisons if not each.tolerable]:
        yield Text(f"Not recommended: {_doubts(doubtful)} Leave out what differs, or ask more contents.", "yellow")
    yield Text(f"model {result.model}", "dim")


def _doubts(comparisons: list[Comparison]) -> str:
    told = ", ".join(f"{each.policy.id} (up to {each.error.high:.0%})" for each in comparisons)
    return f"more than {TOLERABLE:.0%} of the decisions may change under {told}."


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.0%}" if other else "-"


def _value(each: Comparison) -> dict[str, Any]:
    counts = {name: value for name, value in msgspec.structs.asdict(each).items() if name != "policy"}
    return {"policy": each.policy.id, "version": each.policy.version, **counts, "interval": list(each.error)}


def _cost_value(cost: Cost) -> dict[str, Any]:
    return msgspec.structs.asdict(cost) | {"computed_tokens": cost.computed_tokens}
