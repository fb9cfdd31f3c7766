"""What is seen of the demo: a row a verdict, one line that moves, and a summary; or the verdicts as JSON alone."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.text import Text

from stream_guard.cli.console import READABLE, ROOMY, STYLES, console_on
from stream_guard.cli.demo_summary import summary_lines
from stream_guard.cli.progress import OnProgress, Progress
from stream_guard.cli.streams import Streams
from stream_guard.demo.session import News, Ready, Stage
from stream_guard.demo.summary import Summary
from stream_guard.demo.tally import Heard
from stream_guard.policy.document import Decision
from stream_guard.verdicts.model import Verdict

_INTRO = (
    "The service as it runs in production, with a Kafka inside this process and vLLM on this CPU. The model is tiny: "
    "it has some signal on spam in plain messages, little elsewhere. This shows the machinery; this model does not moderate."
)
_SCRIPTED_INTRO = (
    "The service as it runs in production, with a Kafka inside this process. "
    "No model judges: a script draws the decisions."
)


class JsonScreen(OnProgress):
    """The verdicts' values as they stood in Kafka, one a line, on stdout; how far the demo is, on stderr."""

    def __init__(self, streams: Streams) -> None:
        self._out = streams.out
        console = console_on(streams.err)
        self._progress = Progress(console, moves=console.is_terminal and not streams.out.isatty())

    def show(self, news: News) -> None:
        """Writes the verdicts of an event that was heard."""
        if isinstance(news, Heard):
            for value in news.raw:
                self._out.write(value.decode() + "\n")
            self._out.flush()
        _follow(self._progress, news)


class TableScreen(OnProgress):
    """For a person. Colours and the moving line only where there is a terminal; NO_COLOR is respected."""

    def __init__(self, streams: Streams, *, scripted: bool) -> None:
        self._console = console_on(streams.out, READABLE)
        self._progress = Progress(self._console, moves=self._console.is_terminal)
        self._rows = Rows(self._console)
        self._scripted = scripted

    def show(self, news: News) -> None:
        """Prints what is worth a line."""
        _follow(self._progress, news)
        if isinstance(news, Ready):
            self._console.print(self._rows.header())
        if isinstance(news, Heard):
            self._console.print(*self._rows.of(news), sep="\n")
        if isinstance(news, Summary):
            self._console.print(*summary_lines(news, scripted=self._scripted), sep="\n")

    def __enter__(self) -> Self:
        """Says what the demo is."""
        self._console.print(Text("stream-guard demo", "bold"))
        self._console.print(Text(_SCRIPTED_INTRO if self._scripted else _INTRO, "dim"), Text(), sep="\n")
        return super().__enter__()


def _follow(progress: Progress, news: News) -> None:
    match news:
        case Stage(what):
            progress.enter(what)
        case Ready(_, events):
            progress.enter("judging", f"{events} events")
        case Heard():
            progress.advance()
        case Summary():
            progress.enter("ending the engine")


class Rows:
    """One line a verdict or dead letter, in columns of fixed widths."""

    _WIDTHS = (3, 10, 2, 10, 8, 8, 6)

    def __init__(self, console: Console) -> None:
        self._gap = "  " if console.width >= ROOMY else " "
        self._width = console.width - sum(self._WIDTHS) - len(self._gap) * len(self._WIDTHS)

    def header(self) -> Text:
        """The names of the columns."""
        return self._line("#", "event", "", "policy", Text("decision"), "category", "p(yes)", Text("text"), style="dim")

    def of(self, heard: Heard) -> list[Text]:
        """The rows of an event. Its number and text stand in the first one."""
        post = heard.sent.post
        number = heard.sent.key.partition("-")[2].partition(".")[0].lstrip("0")
        if heard.ruling.reason is not None:
            decision, why = _decision(heard.ruling.decision), f"{heard.ruling.reason}: "
            return [self._line(number, "rejected", "", "", decision, "", "", _text(why, post.excerpt))]
        return [
            self._line(
                *((number, post.kind, post.language) if first else ("", "", "")),
                verdict.policy.id,
                _decision(verdict.decision),
                verdict.category or "-",
                _probability(verdict),
                _text(_why(verdict), post.excerpt if first else ""),
            )
            for first, verdict in zip((True, *[False] * len(heard.verdicts)), heard.verdicts, strict=False)
        ]

    def _line(
        self,
        number: str,
        event: str,
        language: str,
        policy: str,
        decision: Text,
        category: str,
        p: str,
        text: Text,
        style: str = "",
    ) -> Text:
        number = number.rjust(self._WIDTHS[0])
        cells = [Text(number, "dim"), Text(event), Text(language, "dim"), Text(policy), decision, Text(category)]
        cells.append(Text(p, "dim"))
        for cell, width in zip(cells, self._WIDTHS, strict=True):
            cell.truncate(width, pad=True)
        text.truncate(max(self._width, 10), overflow="ellipsis")
        line = Text(self._gap, no_wrap=True).join([*cells, text])
        line.stylize(style)
        return line


def _decision(decision: Decision) -> Text:
    return Text(decision, STYLES[decision])


def _probability(verdict: Verdict) -> str:
    """How probable a violation is to the model; a verdict says how probable its own category is."""
    value = verdict.confidence.value if verdict.confidence else None
    if value is None:
        return "-"
    return f"{1.0 - value if verdict.decision is Decision.ALLOW else value:.2f}"


def _why(verdict: Verdict) -> str:
    return f"abstained, {verdict.abstention.reason}: " if verdict.abstention else ""


def _text(why: str, excerpt: str) -> Text:
    """What was written, on one line: a control character could move the cursor."""
    shown = "".join(character if character.isprintable() else " " for character in excerpt)
    return Text.assemble((why, "dim"), shown)
