"""What a quick look would settle under a policy, how often it would be wrong, and what it would save. Pure.

Measured on answers that were both looked at and asked in full: so for every bound at once, from one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.policy.document import Policy, QuickLook
from stream_guard.prompting.answer import violation
from stream_guard.qualification.scores import Answer, Interval, Score, wilson

EVERYTHING = QuickLook(permits_below=0.0, audit=1.0)
"""Looks at every content, and has it answered in full all the same."""

BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares up to which a look permits that are tried; what it takes for a violation is as far from 1."""

TOLERABLE = 0.02
"""What of the settled a look may get wrong, at the end of the interval, for it to be recommended."""


class LookScore(Struct, frozen=True):
    """What a look does by one bound: `settled` of `asked`, `differing` from the full answer and `mislabelled` by the labels.

    `mislabelled_in_full` are the same contents that the full answer got wrong, by the labels. Tokens are those written.
    """

    bound: float
    asked: int
    settled: int
    differing: int
    mislabelled: int
    mislabelled_in_full: int
    tokens: int
    saved: int

    @property
    def error(self) -> Interval:
        """Of the share of the settled that differs from the full answer, at 95 %."""
        return wilson(self.differing, self.settled)

    @property
    def tolerable(self) -> bool:
        """Whether so few differ that one may rely on it."""
        return self.settled > 0 and self.error.high <= TOLERABLE


def looking(policies: Iterable[Policy]) -> list[Policy]:
    """The policies as they are asked for this: looked at, and answered in full."""
    return [replace(policy, quick_look=EVERYTHING) for policy in policies]


def look_scores(score: Score) -> list[LookScore]:
    """One for each bound; none where the model gave no look, as it answers in one word anyway."""
    answers = [answer for answer in score.answers if answer.looked is not None and answer.got is not None]
    if not answers:
        return []
    settles_violations = sum(category.severity > 0 for category in score.policy.categories) == 1
    return [_by(bound, answers, len(score.answers), settles_violations=settles_violations) for bound in BOUNDS]


def recommended(scores: Sequence[LookScore]) -> LookScore | None:
    """The one that settles the most of those that are tolerable, None where none is."""
    return max((each for each in scores if each.tolerable), key=lambda each: each.settled, default=None)


def _by(bound: float, answers: Sequence[Answer], asked: int, *, settles_violations: bool) -> LookScore:
    settled = [
        (answer, violates)
        for answer in answers
        if (violates := _says(answer, bound, settles_violations=settles_violations)) is not None
    ]
    return LookScore(
        bound=bound,
        asked=asked,
        settled=len(settled),
        differing=sum(_in_full(answer) is not violates for answer, violates in settled),
        mislabelled=sum(_expected(answer) is not violates for answer, violates in settled),
        mislabelled_in_full=sum(_expected(answer) is not _in_full(answer) for answer, _ in settled),
        tokens=sum(answer.completion_tokens for answer in answers),
        saved=sum(answer.completion_tokens - 1 for answer, _ in settled),
    )


def _says(answer: Answer, bound: float, *, settles_violations: bool) -> bool | None:
    looked = answer.looked if answer.looked is not None else 0.5
    if looked <= bound:
        return False
    return True if settles_violations and looked >= 1.0 - bound else None


def _in_full(answer: Answer) -> bool:
    return answer.got is not None and bool(violation(answer.got))


def _expected(answer: Answer) -> bool:
    category = answer.question.policy.category(answer.question.example.expect)
    return category is not None and bool(violation(category))
