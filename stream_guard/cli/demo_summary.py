"""The summary of the demo, as a person reads it: a word, and the figures behind it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from stream_guard.cli.console import STYLES
from stream_guard.demo.summary import Score, Spread, Summary
from stream_guard.policy.document import Decision

_MILLISECONDS_UP_TO = 1000
_OUTRO = (
    "Balanced, 50% is chance; so few texts measure little. On harassment the model has no signal: it answers alike "
    "whatever is said. For real use: stream-guard run, with gpt-oss-safeguard on a GPU."
)


def summary_lines(summary: Summary, *, scripted: bool) -> list[Text | Table]:
    """The summary: a word, and the figures behind it."""
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    letters, ignored = sum(summary.dead_letters.values()), sum(summary.ignored.values())
    table.add_row(
        "events", f"{summary.events}: {summary.judged} judged, {summary.rejected} rejected, {ignored} ignored"
    )
    table.add_row("verdicts", _verdicts(summary))
    table.add_row("rulings", _rulings(summary))
    table.add_row("dead letters", f"{letters}: {_counts(summary.dead_letters)}" if letters else "none")
    table.add_row(
        "latency", f"{_spread(summary.waiting)} from read to verdict; at the engine {_spread(summary.engine)}"
    )
    tokens = summary.tokens
    table.add_row("tokens", f"{tokens.prompt:,} read, {tokens.cached_share:.0%} of them from the prefix cache")
    times = summary.times
    first = f"{times.first_verdict:.0f} s" if times.first_verdict is not None else "never"
    table.add_row("time", f"ready after {times.ready:.0f} s, first verdict after {first}, all after {times.last:.0f} s")
    if scripted:
        return [Text(), table, Text()]
    table.add_row("model", summary.model)
    table.add_row("spam", f"in messages {_score(summary.messages)}")
    table.add_row("", f"in chats and completions {_score(summary.conversations)}")
    if summary.examples is not None:
        table.add_row("", f"in the policy's examples that the prompt does not show {_score(summary.examples)}")
    return [Text(), table, Text(), Text(_OUTRO, "dim"), Text()]


def _verdicts(summary: Summary) -> str:
    total, abstained = sum(summary.verdicts.values()), sum(summary.abstentions.values())
    abstentions = f"; {abstained} abstained: {_counts(summary.abstentions)}" if abstained else ""
    return f"{total}: {_counts(summary.verdicts)}{abstentions}"


def _rulings(summary: Summary) -> Text:
    total = Text(f"{sum(summary.rulings.values())}: ")
    counted = [
        Text(f"{summary.rulings[decision]} {decision}", STYLES[decision])
        for decision in Decision
        if decision in summary.rulings
    ]
    return total + Text(", ").join(counted)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _spread(spread: Spread) -> str:
    return f"p50 {_duration(spread.p50)}, p95 {_duration(spread.p95)}"


def _duration(milliseconds: float) -> str:
    if milliseconds < _MILLISECONDS_UP_TO:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"


def _score(score: Score) -> str:
    if not score.total:
        return "nothing was judged"
    balanced = f" (balanced {score.balanced:.0%})" if score.balanced is not None else ""
    found = f"found {score.found} of {score.violating}, let {score.passed} of {score.permitted} others pass"
    return f"{score.right} of {score.total} right{balanced}: {found}"
