"""The rows of a trial: what a person sees of a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.text import Text

from stream_guard.cli.console import ROOMY, STYLES
from stream_guard.policy.document import Decision
from stream_guard.trial.news import Fate, Heard, Sampled
from stream_guard.verdicts.model import Verdict

_FEW = 3
"""Records that are shown of those that fail in the same way; the summary counts them all."""
_REASON_CHARS = 400


class Rows:
    """One line a verdict or dead letter, in columns of fixed widths; the header comes with the first."""

    def __init__(self, width: int, sample: Sampled, *, show_all: bool) -> None:
        place = max(len(f"{sample.partitions - 1}:{sample.last_offset}"), len("record"))
        self._gap = "  " if width >= ROOMY else " "
        self._widths = (place, 11, 14 if width >= ROOMY else 10, 8, 12 if width >= ROOMY else 9, 6)
        self._width = width
        self._all, self._headed = show_all, False
        self._failed: Counter[tuple[str, str]] = Counter()

    def of(self, heard: Heard) -> Iterator[Text]:
        """The rows of a record, if it has any."""
        rows = list(self._of(heard))
        if rows and not self._headed:
            self._headed = True
            yield self._header()
        yield from rows

    def _of(self, heard: Heard) -> Iterator[Text]:
        if heard.fate is not Fate.JUDGED:
            if self._shows_failure(heard):
                yield self._unjudged(heard)
            return
        reasons = {each.verdict_id: each.rationale or each.reasoning or "" for each in heard.rationales}
        for verdict in heard.verdicts:
            if self._all or verdict.decision is not Decision.ALLOW:
                yield self._judged(heard, verdict)
                if reason := reasons.get(verdict.id):
                    yield Text("  " + _on_one_line(reason[:_REASON_CHARS]), "italic dim")

    def _shows_failure(self, heard: Heard) -> bool:
        self._failed[heard.reason, heard.detail] += 1
        few = heard.fate is Fate.DEAD_LETTERED and self._failed[heard.reason, heard.detail] <= _FEW
        return self._all or few

    def _unjudged(self, heard: Heard) -> Text:
        """Has no policy and no category: why it was not judged takes their room."""
        what = "ignored" if heard.fate is Fate.IGNORED else "dead letter"
        why = f"{heard.reason}: {heard.detail}" if heard.detail else heard.reason
        return self._joined([Text(self._at(heard), "dim"), Text(what)], _content(heard, why))

    def _judged(self, heard: Heard, verdict: Verdict) -> Text:
        why = f"abstained, {verdict.abstention.reason}" if verdict.abstention else ""
        return self._joined(
            [
                Text(self._at(heard), "dim"),
                Text(heard.kind or ""),
                Text(verdict.policy.id),
                Text(verdict.decision, STYLES[verdict.decision]),
                Text(verdict.category or "-"),
                Text(_sure(verdict), "dim"),
            ],
            _content(heard, why),
        )

    def _header(self) -> Text:
        names = ("record", "kind", "policy", "decision", "category", "p")
        line = self._joined([Text(name) for name in names], Text("content"))
        line.stylize("dim")
        return line

    def _joined(self, cells: list[Text], content: Text) -> Text:
        """The cells, cut to the widths of their columns; the content takes what is left."""
        for cell, width in zip(cells, self._widths, strict=False):
            cell.truncate(width, overflow="ellipsis", pad=True)
        used = sum(self._widths[: len(cells)]) + len(self._gap) * len(cells)
        content.truncate(max(self._width - used, 10), overflow="ellipsis")
        return Text(self._gap, no_wrap=True).join([*cells, content])

    def _at(self, heard: Heard) -> str:
        return f"{heard.partition}:{heard.offset}".rjust(self._widths[0])


def _sure(verdict: Verdict) -> str:
    """How sure the judge is: a probability where it was measured, else the word that the model says."""
    confidence = verdict.confidence
    if confidence is None:
        return "-"
    return confidence.level or "-" if confidence.value is None else f"{confidence.value:.2f}"


def _content(heard: Heard, why: str) -> Text:
    """Why there is no judgement, and what was written: masked, unless it is to be revealed."""
    size = f"{heard.bytes} bytes" if heard.chars is None else f"{heard.chars} characters"
    shown = f"•••• {size}" if heard.excerpt is None else _on_one_line(heard.excerpt)
    return Text.assemble((f"{why}  " if why else "", "yellow"), (shown, "dim" if heard.excerpt is None else ""))


def _on_one_line(text: str) -> str:
    """A control character could move the cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
