"""What it costs to ask about several policies at once, and what it saves: the same contents, asked both ways. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from operator import and_
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.judging.case import Outcome
from stream_guard.judging.judgement import Abstention
from stream_guard.policy.document import Category, Example, ExampleTurn, OutputForm, Policy, PolicyId
from stream_guard.policy.labelled import LabelledSet
from stream_guard.policy.packed import Asked, packed
from stream_guard.prompting.frame import judged_example
from stream_guard.prompting.port import LabelReading, Renderer, Template
from stream_guard.qualification.questions import view_of, without
from stream_guard.qualification.scores import Interval, agrees, wilson

TOLERABLE = 0.05
"""What share of the decisions under a policy may change, at the end of the interval, for packing it to be recommended."""
TOLERABLE_OF_FOUND = 0.1
"""The same of what was found to violate, of which there is mostly little: a model that finds nothing any more changes few decisions."""

_Content: TypeAlias = str | tuple[ExampleTurn, ...]


class LabelledContent(Struct, frozen=True):
    """A content, and the categories that it falls in, under those policies for which somebody said so."""

    number: int
    content: _Content
    expect: Mapping[PolicyId, str]

    def __repr__(self) -> str:
        return f"LabelledContent({self.number})"


class Posed(Struct, frozen=True):
    """A content as it is asked about."""

    about: LabelledContent
    template: Template
    judged: Judged


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


def contents_of(sets: Mapping[PolicyId, LabelledSet], policies: Sequence[Policy]) -> list[LabelledContent]:
    """Every content of the sets once, with all that is said of it. Raises PolicyError for labels that a policy lacks.

    A content with two labels under one policy has none there.
    """
    found: dict[_Content, dict[PolicyId, set[str]]] = {}
    for policy in policies:
        for _, example in sets[policy.id].under(policy) if policy.id in sets else ():
            found.setdefault(example.content, {}).setdefault(policy.id, set()).add(example.expect)
    return [
        LabelledContent(number, content, {policy: min(said) for policy, said in labels.items() if len(said) == 1})
        for number, (content, labels) in enumerate(found.items(), 1)
    ]


def unlabelled_in(sets: Mapping[PolicyId, LabelledSet], contents: Sequence[LabelledContent]) -> int:
    """How many rows of the sets say nothing of their content: no label stands there, or two that differ."""
    said = sum(len({row.content for row in each.rows}) for each in sets.values())
    return sum(each.unlabelled for each in sets.values()) + said - sum(len(content.expect) for content in contents)


class Posing:
    """Puts contents to a model, policy by policy or under all of them at once.

    What a prompt shows is asked under one that leaves it out, both ways: a model must not be asked what it was just told.
    """

    def __init__(self, policies: Sequence[Policy], renderer: Renderer, views: Collection[View]) -> None:
        self._policies, self._renderer, self._views = tuple(policies), renderer, views
        self._shown = {each.content for policy in policies for each in policy.examples if each.shown}
        self._templates: dict[tuple[View, str], Template] = {}

    def apart(self, contents: Iterable[LabelledContent]) -> list[Posed]:
        """Each content under each policy. Raises ConfigError where the model can't be asked so."""
        return [self._posed(content, policy) for policy in self._policies for content in contents]

    def together(self, contents: Iterable[LabelledContent]) -> list[Posed]:
        """Each content under all policies. Raises the same."""
        pack = packed(self._policies)
        return [self._posed(content, pack) for content in contents]

    @property
    def templates(self) -> list[Template]:
        """All that most contents are asked under."""
        return list(self._templates.values())

    def _posed(self, about: LabelledContent, asked: Asked) -> Posed:
        example = Example(about.content, "")
        view = view_of(example, self._views)
        return Posed(about, self._template(asked, view, example), judged_example(example, view))

    def _template(self, asked: Asked, view: View, example: Example) -> Template:
        if example.content in self._shown:
            return self._renderer.template(_without(asked, example), view)
        key = view, asked.id
        if key not in self._templates:
            self._templates[key] = self._renderer.template(asked, view)
        return self._templates[key]


def _without(asked: Asked, example: Example) -> Asked:
    if isinstance(asked, Policy):
        return without(asked, example)
    return packed(without(policy, example) for policy in asked.policies)


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


def unpacked(policies: Iterable[Policy]) -> list[Policy]:
    """The policies as they are compared: without a quick look, which a pack has none of."""
    return [replace(policy, quick_look=None) for policy in policies]
