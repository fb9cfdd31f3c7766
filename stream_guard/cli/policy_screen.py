"""What is seen of `policy test`: a row a policy, every wrong answer, and the model's qualification in a word."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from stream_guard.cli.asking_screen import AskingScreen
from stream_guard.cli.console import READABLE, STYLES, console_on
from stream_guard.policy.document import Category, Example
from stream_guard.qualification.scores import Answer, Score
from stream_guard.qualification.session import Result

_GAP = "  "
_FEW = 30
"""Below so many examples an interval is wider than most differences between models."""


class Screen(AskingScreen[Result]):
    """Keeps whether the model is qualified."""

    def _result(self, result: Result) -> None:
        self.qualified = all(score.qualified for score in result.scores)
        self._write(result)

    @abstractmethod
    def _write(self, result: Result) -> None:
        """Writes the result to stdout."""


class JsonScreen(Screen):
    """One JSON object on stdout."""

    def _write(self, result: Result) -> None:
        scores = [_score_value(score) for score in result.scores]
        value = {
            "model": result.model,
            "qualified": self.qualified,
            "unlabelled": result.unlabelled,
            "policies": scores,
        }
        self._out.write(msgspec.json.encode(value).decode() + "\n")
        self._out.flush()


class TableScreen(Screen):
    """For a person. NO_COLOR is respected."""

    def _write(self, result: Result) -> None:
        console = console_on(self._out, READABLE)
        console.print(_table(result))
        if any(score.wrong for score in result.scores):
            console.print(Text("\nwrong answers", "bold"))
            console.print(_wrong(result, console.width))
        console.print(*_notes(result), sep="\n")


def _table(result: Result) -> Table:
    table = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False, header_style="dim")
    for name, side in (("policy", "left"), ("right", "left"), ("accuracy", "right"), ("95 % interval", "left"),
                       ("needs", "right"), ("", "left")):  # fmt: skip
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    for score in result.scores:
        low, high = score.interval
        word = Text("qualified", "green") if score.qualified else Text("not qualified", "bold red")
        table.add_row(
            score.policy.id, f"{score.right} of {len(score.answers)}", f"{score.accuracy:.0%}",
            f"{low:.0%} to {high:.0%}", f"{score.policy.min_accuracy:.0%}", word,
        )  # fmt: skip
    return table


def _wrong(result: Result, width: int) -> Table:
    """The wrong answers. What room the other columns leave is the example's."""
    names = ("policy", "#", "expected", "model said", "p")
    rows = [(answer, _cells(answer)) for score in result.scores for answer in score.wrong]
    widths = [max(len(name), *(len(cells[at]) for _, cells in rows)) + len(_GAP) for at, name in enumerate(names)]
    table = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, no_wrap=True)
    table.add_column("example", no_wrap=True, overflow="ellipsis", max_width=max(width - sum(widths), 10))
    for answer, cells in rows:
        table.add_row(*cells, Text(_excerpt(answer.question.example), "dim"))
    return table


def _cells(answer: Answer) -> tuple[Text, ...]:
    question = answer.question
    expected = question.policy.category(question.example.expect)
    probability = "" if answer.probability is None else f"{answer.probability:.2f}"
    number = Text(str(question.number))
    return Text(question.policy.id), number, _category(expected), _said(answer), Text(probability, "dim")


def _notes(result: Result) -> Iterator[Text]:
    asked = sum(len(score.answers) for score in result.scores)
    tokens = sum(score.prompt_tokens for score in result.scores), sum(s.completion_tokens for s in result.scores)
    yield Text(f"\nmodel {result.model}: {asked} examples asked, {tokens[0]:,} tokens read, {tokens[1]:,} written")
    if result.unlabelled:
        yield Text(f"Without a label, and not asked: {result.unlabelled}.", "dim")
    if any(len(score.answers) < _FEW for score in result.scores):
        yield Text("So few examples tell little: the true accuracy lies anywhere in the interval.", "dim")
    if failed := [score.policy.id for score in result.scores if not score.qualified]:
        yield Text(f"This model is not qualified for {', '.join(failed)}: fix the policy, or use another model.", "red")


def _category(category: Category | None) -> Text:
    return Text("-") if category is None else Text(f"{category.id} {category.decision}", STYLES[category.decision])


def _said(answer: Answer) -> Text:
    return Text(f"nothing ({answer.abstention})", "dim") if answer.got is None else _category(answer.got)


def _excerpt(example: Example) -> str:
    content = example.content
    text = content if isinstance(content, str) else " / ".join(f"{turn.role}: {turn.content}" for turn in content)
    return " ".join(text.split())


def _score_value(score: Score) -> dict[str, Any]:
    return {
        "policy": score.policy.id,
        "version": score.policy.version,
        "examples": len(score.answers),
        "right": score.right,
        "accuracy": round(score.accuracy, 4),
        "interval": [round(bound, 4) for bound in score.interval],
        "min_accuracy": score.policy.min_accuracy,
        "qualified": score.qualified,
        "prompt_tokens": score.prompt_tokens,
        "completion_tokens": score.completion_tokens,
        "wrong": [_answer_value(answer) for answer in score.wrong],
    }


def _answer_value(answer: Answer) -> dict[str, Any]:
    return {
        "number": answer.question.number,
        "expected": answer.question.example.expect,
        "got": None if answer.got is None else answer.got.id,
        "abstention": answer.abstention,
        "probability": answer.probability,
    }
