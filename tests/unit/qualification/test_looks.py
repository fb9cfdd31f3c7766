from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from stream_guard.engines.port import Usage
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement, Looked
from stream_guard.policy.document import Category, Decision, Example, Policy
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.qualification.looks import BOUNDS, EVERYTHING, LookScore, look_scores, looking, recommended
from stream_guard.qualification.questions import Question, questions
from stream_guard.qualification.scores import Score, scored
from tests.cases import make_policy

FINE, SPAM, FRAUD = (
    Category("SP0", "fine", 0, Decision.ALLOW),
    Category("SP2", "spam", 2, Decision.FLAG),
    Category("SP4", "fraud", 4, Decision.BLOCK),
)


def make_score(rows: Sequence[tuple[float | None, str | None, str]], *categories: Category) -> Score:
    """The score of contents: what a look saw, what the full answer was (None: an abstention), and what was expected."""
    examples = tuple(Example(f"text {n}", expect) for n, (_, _, expect) in enumerate(rows))
    policy: Policy = replace(make_policy(), categories=categories or (FINE, SPAM), yes_means="SP2", examples=examples)
    asked = questions(policy, PlainRenderer(), ())
    (score,) = scored([policy], [make_outcome(q, row[0], row[1]) for q, row in zip(asked, rows, strict=True)])
    return score


def make_outcome(question: Question, share: float | None, got: str | None) -> Outcome[Question]:
    """How a question ended, after 20 tokens."""
    case = Case(question, question.template, question.judged, 0.0, None)
    case.spend(Usage(prompt_tokens=10, completion_tokens=20))
    if got is None:
        return Outcome(case, case.template.policy, Abstention(AbstentionReason.UNPARSEABLE))
    return Outcome(case, case.template.policy, Judgement(got, looked=None if share is None else Looked(share, None)))


def by(scores: Sequence[LookScore], bound: float) -> LookScore:
    """The score of one bound."""
    return next(each for each in scores if each.bound == bound)


def test_a_look_is_compared_with_the_full_answer_and_with_the_label() -> None:
    """Of what it settles on either side."""
    rows = [
        (0.01, "SP0", "SP0"),
        (0.015, "SP2", "SP2"),
        (0.5, "SP0", "SP2"),
        (0.99, "SP2", "SP0"),
        (0.97, "SP2", "SP2"),
    ]
    score = by(look_scores(make_score(rows)), 0.02)
    assert (score.asked, score.settled, score.differing) == (5, 3, 1)
    assert (score.mislabelled, score.mislabelled_in_full) == (2, 1)
    assert (score.tokens, score.saved) == (100, 3 * 19)


def test_wider_bounds_settle_more() -> None:
    """One run measures all of them."""
    scores = look_scores(make_score([(share, "SP0", "SP0") for share in (0.0005, 0.003, 0.03, 0.15, 0.4)]))
    assert [score.bound for score in scores] == list(BOUNDS)
    assert [score.settled for score in scores] == [1, 2, 2, 2, 3, 3, 4]


def test_where_several_categories_violate_only_permits_are_settled() -> None:
    """A look can't tell which of them it is."""
    rows = [(0.01, "SP0", "SP0"), (0.999, "SP4", "SP4")]
    assert by(look_scores(make_score(rows, FINE, SPAM, FRAUD)), 0.02).settled == 1
    assert by(look_scores(make_score([*rows[:1], (0.999, "SP2", "SP2")])), 0.02).settled == 2


@pytest.mark.parametrize("rows", [[], [(None, "SP0", "SP0")], [(0.01, None, "SP0")]])
def test_what_was_not_looked_at_or_not_answered_measures_nothing(
    rows: list[tuple[float | None, str | None, str]],
) -> None:
    """Then there is nothing to show, and nothing to recommend."""
    assert look_scores(make_score(rows)) == []
    assert recommended([]) is None


def test_an_abstention_is_asked_and_never_settled() -> None:
    """It counts against the share that is settled."""
    score = by(look_scores(make_score([(0.01, "SP0", "SP0"), (0.01, None, "SP0")])), 0.02)
    assert (score.asked, score.settled) == (2, 1)


def test_what_is_recommended_may_err_by_two_in_a_hundred_at_the_end_of_its_interval() -> None:
    """Few contents prove too little, however good they look."""
    few = look_scores(make_score([(0.003, "SP0", "SP0")] * 20))
    assert recommended(few) is None
    many = [(0.003, "SP0", "SP0")] * 300 + [(0.03, "SP0", "SP0")] * 100 + [(0.15, "SP2", "SP2")] * 100
    best = recommended(look_scores(make_score(many)))
    assert best is not None
    assert (best.settled, best.differing) == (400, 0)
    assert best.error.high < 0.02


def test_every_content_is_looked_at_and_answered_in_full() -> None:
    """Whatever the policy says of looks by itself."""
    (policy,) = looking([make_policy()])
    assert policy.quick_look == EVERYTHING
    assert (EVERYTHING.audit, EVERYTHING.violates_above) == (1.0, None)
