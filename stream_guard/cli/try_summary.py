"""The summary of a trial, as a person reads it: a word, and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from rich.table import Table
from rich.text import Text

from stream_guard.cli.console import STYLES
from stream_guard.policy.document import Decision
from stream_guard.records import moment
from stream_guard.trial.news import Sampled
from stream_guard.trial.tally import Summary

_DETAILS = 6
"""Kinds of failure that are listed; the rest is counted."""
_SIGNALS = {
    "split": "judged in segments, for their length",
    "context_cut": "with the oldest turns of the context left out",
    "context_partial": "where earlier messages may be missing",
    "obfuscation": "on contents that hide what they say",
    "obfuscation:zero_width": "with invisible characters within words",
    "obfuscation:tag_characters": "with text in invisible tags",
    "obfuscation:variation_selectors": "with selectors that select nothing",
    "obfuscation:bidi": "with letters turned around",
    "obfuscation:homoglyphs": "with look-alikes of letters",
    "obfuscation:leetspeak": "with digits for letters",
    "obfuscation:encoded": "with encoded text",
}
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_OWN_PACE = 1.0
_ROUND_FROM = 10


def summary_lines(summary: Summary) -> list[Text | Table]:
    """The summary, and what was left undone."""
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in _rows(summary):
        table.add_row(name, value)
    broken_off = f"Broken off: {summary.heard} of {summary.sample.records} records have an outcome, the rest has none."
    closing = [] if summary.complete else [Text(broken_off, "yellow")]
    return [Text(), table, Text(), *closing, Text("Nothing was published, and no offset was committed.", "bold")]


def _rows(summary: Summary) -> Iterator[tuple[str, str | Text]]:
    sample = summary.sample
    yield "records", _sample(sample)
    yield from (("", Text(line, "yellow")) for line in _shortfalls(sample))
    yield "outcomes", _outcomes(summary)
    yield from _failures(summary)
    for number, (policy, counts) in enumerate(summary.decisions.items()):
        yield ("policies" if not number else ""), _policy(policy, counts, summary.abstentions.get(policy, {}))
    for number, (signal, count) in enumerate(summary.signals.items()):
        what = _SIGNALS.get(signal, "of this signal")
        yield ("signals" if not number else ""), f"{signal}: {_of(count, 'verdict')} {what}"
    if summary.verdicts:
        yield "tokens", _tokens(summary)
    yield "time", _time(summary)
    yield (
        "engine",
        "no model judged: a script drew the decisions" if summary.scripted else f"{summary.model} on {summary.engine}",
    )
    if (load := _load(summary)) is not None:
        yield "load", load
    for number, note in enumerate(summary.notes):
        yield ("not as live" if not number else ""), note


def _sample(sample: Sampled) -> str:
    among = f"of {sample.topic} ({_of(sample.partitions, 'partition')})"
    if sample.oldest_ms is None or sample.newest_ms is None:
        return f"the last {sample.records:,} {among}, without timestamps"
    span, ago = (sample.newest_ms - sample.oldest_ms) / 1000, (sample.read_at_ms - sample.newest_ms) / 1000
    begin = moment(sample.oldest_ms)
    rate = f", {_rate(sample.per_second)} records/s" if sample.per_second else ""
    when = f"{begin:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"the last {sample.records:,} {among}: {f'{_duration(span)} from {when} on' if span >= 1 else f'of {when}'}, "
        f"the newest {_duration(max(ago, 0))} old{rate}"
    )


def _shortfalls(sample: Sampled) -> Iterator[str]:
    if sample.full:
        yield f"{sample.asked:,} were asked for: these are as many as may be held in memory"
    elif sample.records < sample.asked:
        yield f"{sample.asked:,} were asked for: there are no more"
    for partition, why in sample.unread:
        yield f"partition {partition} could not be read to its end: {why}"


def _outcomes(summary: Summary) -> str:
    rejected, ignored = sum(n for *_, n in summary.dead_lettered), sum(summary.ignored.values())
    return f"{summary.judged:,} judged, {rejected:,} dead-lettered, {ignored:,} ignored{_counted(summary.ignored)}"


def _failures(summary: Summary) -> Iterator[tuple[str, str]]:
    for number, (reason, detail, count) in enumerate(summary.dead_lettered[:_DETAILS]):
        yield ("dead letters" if not number else ""), f"{count:,}x {reason}{': ' if detail else ''}{detail}"
    if rest := summary.dead_lettered[_DETAILS:]:
        yield "", f"{sum(n for *_, n in rest):,}x in {len(rest)} other ways"


def _policy(policy: str, counts: Mapping[str, int], abstained: Mapping[str, int]) -> Text:
    """The decisions of the judgements with their shares, and what was not judged."""
    total = sum(counts.values()) + sum(abstained.values())
    parts = [
        Text(f"{counts[decision]:,} {decision} ({counts[decision] / total:.0%})", STYLES[decision])
        for decision in Decision
        if counts.get(decision)
    ]
    if abstained:
        lost = sum(abstained.values())
        parts.append(Text(f"{lost:,} abstained ({lost / total:.0%}){_counted(abstained)}", "yellow"))
    return Text(f"{policy}: ") + (Text(", ").join(parts) if parts else Text("no verdict", "dim"))


def _tokens(summary: Summary) -> str:
    tokens = summary.tokens
    cached = f", {tokens.cached / tokens.prompt:.0%} of them from the prefix cache" if tokens.cached else ""
    each = f"{(tokens.prompt + tokens.completion) / max(summary.judged, 1):,.0f} a judged record"
    return f"{tokens.prompt:,} read{cached}; {tokens.completion:,} written; {each}"


def _time(summary: Summary) -> str:
    speed = f", {_rate(summary.verdicts_per_second)} verdicts/s" if summary.verdicts_per_second else ""
    return f"{_of(summary.verdicts, 'verdict')} in {_duration(summary.seconds)}{speed}; ready after {_duration(summary.ready_s)}"


def _load(summary: Summary) -> str | None:
    """What the engine's speed means against what the topic gets."""
    rate, speed, headroom = summary.sample.per_second, summary.verdicts_per_second, summary.headroom
    if rate is None or speed is None or headroom is None or summary.scripted:
        return None
    got = f"the topic got {_rate(rate)} records/s over the sample; this engine judged {_rate(speed)} cases/s here: "
    if headroom >= _OWN_PACE:
        return f"{got}{_rate(headroom)} times what comes in"
    return f"{got}it would take {ceil(1 / headroom)} engines like this one"


def _counted(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{count:,} {name}' for name, count in counts.items())})" if counts else ""


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _rate(value: float | None) -> str:
    value = value or 0.0
    return f"{value:,.0f}" if value >= _ROUND_FROM else f"{value:.2g}"


def _duration(seconds: float) -> str:
    """In the two largest units that say something."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _ROUND_FROM:
        return f"{seconds:.1f} s"
    parts = []
    left = round(seconds)
    for unit, length in _UNITS:
        if left >= length:
            parts.append(f"{left // length} {unit}")
            left %= length
    return " ".join(parts[:2])
