"""Every metric, label, stage and span as Markdown: `docs/telemetry.md` is made of it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from stream_guard.telemetry import names
from stream_guard.telemetry.accumulators import MAX_SERIES
from stream_guard.telemetry.vocabulary import OTHER, Attribute, Metric, Values

_VALUES = {Values.CONFIGURED: "from the configuration or the subscription", Values.WORD: "a word of the code"}


def page() -> str:
    """The whole page. Cells hold one name a line: code does not wrap, and a page is not as wide as five columns of it."""
    attributes = sorted({a for m in names.METRICS for a in m.attributes}, key=lambda a: (a.label, a.name))
    return "\n\n".join(
        (
            "# Metrics and spans",
            "Every name there is, from `stream_guard/telemetry/names.py`; `make docs` writes this page.",
            "## Metrics",
            "By the name in Prometheus (`/metrics`), then by that in OTLP, with kind and unit.",
            _table(("Metric", "Labels", "Meaning"), map(_metric, names.METRICS)),
            "## Labels",
            f"A value outside of its set reads `{OTHER}`. Beyond {MAX_SERIES:,} series of one metric so do all; a gauge has no more than that.",
            _table(("Label", "Attribute in OTLP", "Values"), map(_label, attributes)),
            "## Stages",
            _table(("Stage", "From, to"), ((f"`{stage}`", meaning) for stage, meaning in names.STAGES.items())),
            "## Spans",
            _table(
                ("Span", "Attributes", "Meaning"),
                (
                    (
                        f"`{s.name('{' + s.target + '}')}`<br>{s.kind}",
                        _lines(a.name for a in s.attributes),
                        s.description,
                    )
                    for s in names.SPANS
                ),
            ),
        )
    )


def _metric(metric: Metric) -> tuple[str, str, str]:
    what = f"`{metric.prometheus}`<br>`{metric.name}`<br>{metric.kind}, {metric.unit}"
    return what, _lines(a.label for a in metric.attributes), metric.description


def _label(attribute: Attribute) -> tuple[str, str, str]:
    values = ", ".join(f"`{value}`" for value in sorted(attribute.closed)) or _VALUES[attribute.values]
    return f"`{attribute.label}`", f"`{attribute.name}`", values


def _lines(words: Iterable[str]) -> str:
    return "<br>".join(f"`{word}`" for word in words)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(f"{page()}\n")
