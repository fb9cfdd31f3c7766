"""What the answers come to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stream_guard.engines.port import Usage
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason, Confidence, Judgement
from stream_guard.policy.document import Category, Decision, Example, OutputForm, Policy
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import LabelReading
from stream_guard.qualification.questions import Question, questions
from stream_guard.qualification.scores import scored, wilson
from tests.cases import make_policy

CATEGORIES = (
    Category("SP0", "fine", 0, Decision.ALLOW),
    Category("SP2", "likely", 2, Decision.FLAG),
    Category("SP3", "spam", 3, Decision.REVIEW),
    Category("SP4", "also spam", 4, Decision.REVIEW),
)


def make_question(expect: str, output: OutputForm = OutputForm.CATEGORY, *, labels: bool = False) -> Question:
    """The only question of a policy."""
    policy = replace(
        make_policy(), output=output, categories=CATEGORIES, yes_means="SP3", examples=(Example("text", expect),)
    )
    (question,) = questions(policy, PlainRenderer(), ())
    if not labels:
        return question
    return replace(question, template=replace(question.template, reading=LabelReading(0, 1, 0.3)))


def make_outcome(question: Question, result: Judgement | Abstention) -> Outcome[Question]:
    """How it ended."""
    case = Case(question, question.template, question.judged, 0.0, None)
    case.spend(Usage(prompt_tokens=10, completion_tokens=2))
    return Outcome(case, case.template.policy, result)


def right(question: Question, category: str) -> bool:
    """Whether that answer is right."""
    (score,) = scored([question.policy], [make_outcome(question, Judgement(category))])
    return score.answers[0].right


@pytest.mark.parametrize(
    ("expect", "got", "is_right"),
    [("SP0", "SP0", True), ("SP0", "SP2", False), ("SP2", "SP3", False), ("SP3", "SP4", True), ("SP4", "SP0", False)],
)
def test_an_answer_is_right_when_enforcement_would_do_the_same(expect: str, got: str, is_right: bool) -> None:
    """The decision counts, not the name of the category."""
    assert right(make_question(expect), got) is is_right


@pytest.mark.parametrize(("expect", "got", "is_right"), [("SP2", "SP3", True), ("SP0", "SP3", False)])
def test_a_bare_yes_is_right_for_any_violation(expect: str, got: str, is_right: bool) -> None:
    """A model that answers yes or no can't tell violations apart."""
    assert right(make_question(expect, OutputForm.BINARY), got) is is_right
    assert right(make_question(expect, labels=True), got) is is_right


def test_an_abstention_is_wrong_and_says_why() -> None:
    """A model that can't answer is not qualified."""
    question = make_question("SP0")
    (score,) = scored([question.policy], [make_outcome(question, Abstention(AbstentionReason.UNPARSEABLE))])
    (answer,) = score.wrong
    assert (answer.got, answer.abstention) == (None, "unparseable")
    assert not score.qualified


def make_policy_of(accuracy: float) -> tuple[Policy, list[Outcome[Question]]]:
    """Four examples, of which three are answered rightly."""
    examples = tuple(Example(f"text {number}", "SP0") for number in range(4))
    policy = replace(make_policy(), categories=CATEGORIES, yes_means="SP3", examples=examples, min_accuracy=accuracy)
    asked = questions(policy, PlainRenderer(), ())
    judgements = [Judgement("SP0", confidence=Confidence("label_probability", 0.7)) for _ in asked[1:]]
    return policy, [
        make_outcome(question, result) for question, result in zip(asked, [Judgement("SP2"), *judgements], strict=True)
    ]


def test_a_model_is_qualified_by_the_policys_own_threshold() -> None:
    """Three of four reach .75, not .76."""
    for threshold, qualified in ((0.75, True), (0.76, False)):
        policy, outcomes = make_policy_of(threshold)
        (score,) = scored([policy], outcomes[::-1])
        assert (score.right, score.accuracy, score.qualified) == (3, 0.75, qualified)
        assert [answer.question.number for answer in score.answers] == [1, 2, 3, 4]
        assert (score.prompt_tokens, score.completion_tokens) == (40, 8)
        assert score.answers[1].probability == 0.7


def test_a_policy_without_examples_qualifies_nobody() -> None:
    """Nothing was asked."""
    (score,) = scored([make_policy()], [])
    assert (score.accuracy, score.interval, score.qualified) == (0.0, (0.0, 1.0), False)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (15, 20, 0.5313, 0.8881), (1, 1, 0.2065, 1.0)],
)
def test_the_interval_is_wilsons(count: int, total: int, low: float, high: float) -> None:
    """Values from the closed form, worked out by hand: at 0 of n it is z^2 / (n + z^2)."""
    assert wilson(count, total) == pytest.approx((low, high), abs=5e-4)
