"""What the answers come to: right or wrong for each example, and for each policy an accuracy with its interval. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from msgspec import Struct

from stream_guard.judging.case import Outcome
from stream_guard.judging.judgement import Abstention, Judgement
from stream_guard.policy.document import Category, OutputForm, Policy
from stream_guard.prompting.answer import violating_category
from stream_guard.prompting.port import LabelReading, Template
from stream_guard.qualification.questions import Question


class Interval(NamedTuple):
    """Between which shares the true one lies, with the confidence asked for."""

    low: float
    high: float


class Answer(Struct, frozen=True):
    """What the model said to one question, and whether that is right. `got` is a category, or None for an abstention."""

    question: Question
    right: bool
    got: Category | None
    abstention: str | None
    probability: float | None
    looked: float | None = None
    """The share that violates of what a quick look saw; None where nobody looked, or it saw nothing."""
    completion_tokens: int = 0


class Score(Struct, frozen=True):
    """How a model did under one policy."""

    policy: Policy
    answers: tuple[Answer, ...]
    prompt_tokens: int
    completion_tokens: int

    @property
    def right(self) -> int:
        """Examples that it got right."""
        return sum(answer.right for answer in self.answers)

    @property
    def wrong(self) -> tuple[Answer, ...]:
        """The others."""
        return tuple(answer for answer in self.answers if not answer.right)

    @property
    def accuracy(self) -> float:
        """The share that is right; nothing was asked, nothing is right."""
        return self.right / len(self.answers) if self.answers else 0.0

    @property
    def interval(self) -> Interval:
        """Of the accuracy, at 95 %."""
        return wilson(self.right, len(self.answers))

    @property
    def qualified(self) -> bool:
        """Whether the model reaches what the policy asks for."""
        return self.accuracy >= self.policy.min_accuracy


def scored(policies: Iterable[Policy], outcomes: Sequence[Outcome[Question]]) -> list[Score]:
    """The score of each policy, its answers in the order of its examples."""
    return [_score(policy, [o for o in outcomes if o.case.owner.policy.id == policy.id]) for policy in policies]


def wilson(right: int, total: int, confidence: float = 0.95) -> Interval:
    """The Wilson score interval of a share: it holds for few trials and near 0 and 1, where the plain one fails.

    Source: E. B. Wilson, JASA 22 (1927), 209-212. Without trials nothing is known: (0, 1).
    """
    if not total:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = right / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def _score(policy: Policy, outcomes: Sequence[Outcome[Question]]) -> Score:
    answers = sorted((_answer(outcome) for outcome in outcomes), key=lambda answer: answer.question.number)
    cases = [outcome.case for outcome in outcomes]
    return Score(
        policy, tuple(answers), sum(case.prompt_tokens for case in cases), sum(case.completion_tokens for case in cases)
    )


def _answer(outcome: Outcome[Question]) -> Answer:
    question, result, tokens = outcome.case.owner, outcome.result, outcome.case.completion_tokens
    if isinstance(result, Abstention):
        return Answer(question, False, None, result.reason, None, completion_tokens=tokens)
    got = question.policy.category(result.category)
    right = got is not None and agrees(question.policy, question.template, question.example.expect, got)
    looked = None if result.looked is None else result.looked.share
    return Answer(question, right, got, None, _probability(result), looked, tokens)


def agrees(policy: Policy, template: Template, expect: str, got: Category) -> bool:
    """Whether enforcement would do what the category that is expected asks for.

    A model that answers in one word, yes or no, names one violating category for all: there, a yes is right for any of them.
    """
    expected = policy.category(expect)
    if expected is None:
        return False
    if isinstance(template.reading, LabelReading) or policy.output is OutputForm.BINARY:
        expected = violating_category(policy) if expected.severity else policy.permitted
    return got.decision is expected.decision


def _probability(judgement: Judgement) -> float | None:
    return judgement.confidence.value if judgement.confidence is not None else None
