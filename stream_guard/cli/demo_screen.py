"""What a person sees of the demo: a row a verdict, one line that moves, and a summary. Or verdicts as JSON alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text

from stream_guard.demo.session import News, Ready, Stage
from stream_guard.demo.streams import Streams
from stream_guard.demo.summary import Score, Summary
from stream_guard.demo.tally import Heard
from stream_guard.policy.document import Decision
from stream_guard.verdicts.model import Verdict

_STYLES: Mapping[str, str] = {
    Decision.ALLOW: "green",
    Decision.FLAG: "yellow",
    Decision.REVIEW: "magenta",
    Decision.BLOCK: "bold red",
}
_WIDTH = 110
"""Wider lines are harder to read."""
_INDENT = (0, 0, 0, 2)
_PLAIN_WORDS = (
    "This shows the machinery; it does not moderate. The model has 135 million parameters: it has some signal on spam, "
    "and little elsewhere. For real work, use gpt-oss-safeguard on a GPU."
)
_SCRIPTED_WORDS = "No model judged here: the scripted engine answers by a hash of the content."


class Screen(Protocol):
    """Shows what a run tells, while its context is open."""

    def __enter__(self) -> Self:
        """Begins."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the terminal as it was."""

    def show(self, news: News) -> None:
        """Shows one piece of news."""


class JsonScreen:
    """Verdicts alone, one a line, exactly as they stood in Kafka."""

    def __init__(self, streams: Streams) -> None:
        self._out = streams.out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.flush()

    def show(self, news: News) -> None:
        """Writes the verdicts of an event."""
        if isinstance(news, Heard):
            self._out.writelines(f"{raw.decode()}\n" for raw in news.raw)
            self._out.flush()


class TableScreen:
    """A line that says what is waited for, a row a verdict as they come, and the summary."""

    def __init__(self, streams: Streams, *, scripted: bool) -> None:
        self._console = Console(file=streams.out, highlight=False)
        self._console.width = min(self._console.width, _WIDTH)
        self._status: Status | None = None
        self._scripted = scripted
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._console.print(Text("stream-guard demo", "bold"))
        self._console.print(Text(_SCRIPTED_WORDS if self._scripted else _PLAIN_WORDS, "dim"))
        self._console.print()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait_for(None)

    def show(self, news: News) -> None:
        """Prints what is news."""
        if isinstance(news, Stage):
            self._wait_for(news.what)
        elif isinstance(news, Ready):
            self._wait_for(None)
            self._console.print(f"ready after {news.seconds:.1f} s\n", style="dim")
            self._console.print(_line(_head(), self._console.width))
        elif isinstance(news, Heard):
            self._console.print(Group(*(_line(row, self._console.width) for row in _rows(news))))
        else:
            self._console.print(Padding(_summary(news), (1, 0, 0, 0)))

    def _wait_for(self, what: str | None) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
        if what is not None and self._console.is_terminal:
            self._status = self._console.status(f"{what} …")
            self._status.start()
        elif what is not None:
            self._console.print(f"{time.monotonic() - self._began:6.1f} s  {what}", style="dim")


_COLUMNS = (("kind", 10), ("policy", 10), ("decision", 8), ("category", 19), ("p", 4))


def _line(cells: Sequence[Text], width: int) -> Text:
    """Cells under each other; what is too long is cut, so that a row is a line."""
    line = Text(no_wrap=True)
    for (_, size), cell in zip(_COLUMNS, cells, strict=False):
        cell.truncate(size, pad=True)
        line.append_text(cell).append("  ")
    excerpt = cells[-1]
    excerpt.truncate(max(width - line.cell_len, 0), overflow="ellipsis")
    return line.append_text(excerpt)


def _head() -> tuple[Text, ...]:
    return tuple(Text(title, "dim") for title in (*(name for name, _ in _COLUMNS), "content"))


def _rows(heard: Heard) -> Iterator[tuple[Text, ...]]:
    post = heard.sent.post
    excerpt = Text(post.excerpt.replace("\n", " "))
    if heard.ruling.reason is not None:
        yield _row(post.kind, "", heard.ruling.decision, heard.ruling.reason, "", excerpt)
    for verdict in heard.verdicts:
        yield _row(post.kind, verdict.policy.id, verdict.decision, _why(verdict), _share(verdict), excerpt)


def _row(kind: str, policy: str, decision: str, why: str, share: str, excerpt: Text) -> tuple[Text, ...]:
    return Text(kind, "dim"), Text(policy), Text(decision, _STYLES.get(decision, "")), Text(why), Text(share), excerpt


def _why(verdict: Verdict) -> str:
    return verdict.abstention.reason if verdict.abstention else verdict.category or ""


def _share(verdict: Verdict) -> str:
    confidence = verdict.confidence
    return f"{confidence.value:.2f}" if confidence and confidence.value is not None else ""


def _summary(summary: Summary) -> RenderableType:
    facts = Table.grid(padding=(0, 3))
    facts.add_column(style="dim")
    facts.add_column()
    for name, fact in _facts(summary):
        facts.add_row(name, fact)
    return Group(Text("Summary", "bold"), Padding(facts, _INDENT))


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    letters, ignored = sum(summary.dead_letters.values()), sum(summary.ignored.values())
    yield "events", f"{summary.events}: {summary.judged} judged, {letters} dead letters, {ignored} ignored"
    yield "rulings", _counted(summary.rulings)
    yield "dead letters", _counted(summary.dead_letters)
    yield "verdicts", _counted(summary.verdicts)
    yield "abstentions", _counted(summary.abstentions)
    yield "latency", f"p50 {summary.waiting.p50:.0f} ms, p95 {summary.waiting.p95:.0f} ms from read to verdict"
    tokens = summary.tokens
    yield "tokens", f"{tokens.prompt:,} read, {tokens.cached_share:.0%} of them from the prefix cache"
    first = summary.times.first_verdict
    yield (
        "time",
        f"{'no' if first is None else f'{first:.1f} s to the first'} verdict, {summary.times.last:.1f} s in all",
    )
    if summary.score.total and summary.model != "scripted":
        yield "spam, these texts", _scored(summary.score)
    if summary.examples is not None:
        yield "spam, unseen examples", f"{_scored(summary.examples)}; of the policy file, not shown in the prompt"


def _counted(counts: Mapping[str, int] | Mapping[Decision, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _scored(score: Score) -> str:
    balanced = "" if score.balanced is None else f", balanced accuracy {score.balanced:.2f} (.50 is chance)"
    return f"{score.right} of {score.total} right: {score.found}/{score.violating} found{balanced}"
