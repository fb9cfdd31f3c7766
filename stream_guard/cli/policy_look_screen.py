"""What is seen of `policy look-test`: for each bound what a quick look settles, how often it differs, and what it saves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from stream_guard.cli.console import READABLE, console_on
from stream_guard.cli.policy_screen import Screen
from stream_guard.qualification.looks import TOLERABLE, LookScore, look_scores, recommended
from stream_guard.qualification.scores import Score
from stream_guard.qualification.session import Result


class JsonLookScreen(Screen):
    """One JSON object on stdout."""

    def _write(self, result: Result) -> None:
        self.qualified = True
        policies = [_value(score, look_scores(score)) for score in result.scores]
        value = {"model": result.model, "unlabelled": result.unlabelled, "policies": policies}
        self._out.write(msgspec.json.encode(value).decode() + "\n")
        self._out.flush()


class TableLookScreen(Screen):
    """For a person. NO_COLOR is respected."""

    def _write(self, result: Result) -> None:
        self.qualified = True
        console = console_on(self._out, READABLE)
        for score in result.scores:
            console.print(Text(score.policy.id, "bold"))
            scores = look_scores(score)
            if scores:
                console.print(_table(scores))
            console.print(*_notes(score, scores), sep="\n")
        console.print(Text(f"model {result.model}", "dim"))


_COLUMNS = ("below", "settled", "differs", "95 % interval", "wrong: look", "in full", "tokens saved")


def _table(scores: list[LookScore]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    chosen = recommended(scores)
    for each in scores:
        low, high = each.error
        interval = f"{low:.1%} to {high:.1%}" if each.settled else "-"
        table.add_row(
            f"{each.bound:g}", f"{each.settled / each.asked:.1%}", f"{each.differing} of {each.settled}", interval,
            str(each.mislabelled), str(each.mislabelled_in_full), f"{each.saved / max(each.tokens, 1):.1%}",
            style="bold green" if each is chosen else "",
        )  # fmt: skip
    return table


def _notes(score: Score, scores: list[LookScore]) -> Iterator[Text]:
    if not scores:
        yield Text("No answer was looked at: this model answers in one word, and a look would save nothing.\n", "dim")
        return
    chosen, violations = recommended(scores), sum(category.severity > 0 for category in score.policy.categories)
    yield Text(
        "Of what a look settles: what differs from the full answer, and what each of them gets wrong by the labels. "
        + (
            "It permits below the bound, and finds a violation above 1 minus the bound."
            if violations == 1
            else "It permits below the bound; as more than one category violates, it settles nothing else."
        ),
        "dim",
    )
    if chosen is None:
        told = f"No bound is recommended: of none can one say that at most {TOLERABLE:.0%} of what it settles differ."
        yield Text(f"{told} Leave quick_look out, or ask more contents.\n", "yellow")
    else:
        above = f", violates_above: {1 - chosen.bound:g}" if violations == 1 else ""
        yield Text(f"quick_look: {{permits_below: {chosen.bound:g}{above}, audit: 0.05}}\n", "green")


def _value(score: Score, scores: list[LookScore]) -> dict[str, Any]:
    chosen = recommended(scores)
    return {
        "policy": score.policy.id,
        "version": score.policy.version,
        "asked": len(score.answers),
        "recommended": None if chosen is None else chosen.bound,
        "bounds": [msgspec.to_builtins(each) | {"interval": list(each.error)} for each in scores],
    }
