"""What it costs to ask about several policies at once, and what it saves: the same contents, asked both ways. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import and_

from msgspec import Struct

from stream_guard.judging.case import Outcome
from stream_guard.judging.judgement import Abstention
from stream_guard.policy.document import Category, Policy
from stream_guard.qualification.posing import Posed
from stream_guard.qualification.scores import Interval, agrees, wilson

TOLERABLE = 0.05
"""What share of the decisions under a policy may change, at the end of the interval, for packing it to be recommended."""
TOLERABLE_OF_FOUND = 0.1
"""The same of what was found to violate, of which there is mostly little: a model that finds nothing any more changes few decisions."""


class Cost(Struct, frozen=True):
    """What asking one way took. `seconds` are those of a clock, from the first ask to the last answer."""

    asks: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float

    @property
    def computed_tokens(self) -> int:
        """What the engine had to compute: the prompts' tokens that it had not seen, and all that it wrote."""
        return self.prompt_tokens - self.cached_tokens + self.completion_tokens


class Comparison(Struct, frozen=True):
    """What packing changes under one policy, of so many contents `asked`.

    Of the `judged` ones, which asking apart gave a judgement, `differing` have another decision packed, or none; `found` ones
    violate, asked apart, and `changed` of these differ. By the labels, of `labelled` contents: `right` ones asked apart and
    packed, `lost` that only asking apart gets right, `gained` that only packing does.
    """

    policy: Policy
    asked: int
    judged: int
    differing: int
    found: int
    changed: int
    abstained: int
    abstained_packed: int
    labelled: int
    right: int
    right_packed: int
    lost: int
    gained: int

    @property
    def error(self) -> Interval:
        """Of the share that differs, at 95 %."""
        return wilson(self.differing, self.judged)

    @property
    def error_of_found(self) -> Interval:
        """The same of what was found to violate."""
        return wilson(self.changed, self.found)

    @property
    def tolerable(self) -> bool:
        """Whether so few differ that the policy may be packed. Where nothing was judged, or found, nobody can say."""
        return self.error.high <= TOLERABLE and self.error_of_found.high <= TOLERABLE_OF_FOUND


class PackResult(Struct, frozen=True):
    """Both ways beside each other."""

    model: str
    comparisons: tuple[Comparison, ...]
    apart: Cost
    together: Cost
    unlabelled: int = 0
    """Contents beside which no label stands, or to which one policy's set gives two: they are asked about, or not, and count as neither right nor wrong."""

    @property
    def saves(self) -> bool:
        """Whether packing is any cheaper: in computed tokens, which a busy machine does not change."""
        return self.together.computed_tokens < self.apart.computed_tokens

    @property
    def recommended(self) -> bool:
        """Whether it is to be packed: it saves something, and under no policy do too many decisions change."""
        return self.saves and all(comparison.tolerable for comparison in self.comparisons)


def cost_of(outcomes: Sequence[Outcome[Posed]], seconds: float) -> Cost:
    """What these came to, retries included."""
    cases = [outcome.case for outcome in outcomes if outcome.first]
    return Cost(
        len(cases),
        sum(case.prompt_tokens for case in cases),
        sum(case.cached_tokens for case in cases),
        sum(case.completion_tokens for case in cases),
        seconds,
    )


def compared(
    policies: Sequence[Policy], apart: Sequence[Outcome[Posed]], together: Sequence[Outcome[Posed]]
) -> list[Comparison]:
    """One comparison for each policy."""
    packed_answers = {(o.policy.id, o.case.owner.about.number): o for o in together}
    return [
        _comparison(
            policy,
            [(o, packed_answers[policy.id, o.case.owner.about.number]) for o in apart if o.policy.id == policy.id],
        )
        for policy in policies
    ]


def _comparison(policy: Policy, pairs: Sequence[tuple[Outcome[Posed], Outcome[Posed]]]) -> Comparison:
    judged = [(got, _got(policy, other)) for one, other in pairs if (got := _got(policy, one)) is not None]
    differs = [other is None or one.decision is not other.decision for one, other in judged]
    found = [one.severity > 0 for one, _ in judged]
    rights = list(_rights(policy, pairs))
    return Comparison(
        policy=policy,
        asked=len(pairs),
        judged=len(judged),
        differing=sum(differs),
        found=sum(found),
        changed=sum(map(and_, differs, found)),
        abstained=len(pairs) - len(judged),
        abstained_packed=sum(_got(policy, other) is None for _, other in pairs),
        labelled=len(rights),
        right=sum(one for one, _ in rights),
        right_packed=sum(other for _, other in rights),
        lost=sum(one and not other for one, other in rights),
        gained=sum(other and not one for one, other in rights),
    )


def _rights(policy: Policy, pairs: Iterable[tuple[Outcome[Posed], Outcome[Posed]]]) -> Iterator[tuple[bool, bool]]:
    """Of each labelled content, whether the answers were right."""
    for one, other in pairs:
        expect = one.case.owner.about.expect.get(policy.id)
        if expect is not None:
            yield _right(policy, expect, one), _right(policy, expect, other)


def _right(policy: Policy, expect: str, outcome: Outcome[Posed]) -> bool:
    got = _got(policy, outcome)
    return got is not None and agrees(policy, outcome.case.template, expect, got)


def _got(policy: Policy, outcome: Outcome[Posed]) -> Category | None:
    return None if isinstance(outcome.result, Abstention) else policy.category(outcome.result.category)
