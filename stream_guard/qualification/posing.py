"""Labelled contents as they are put to a model: under each policy by itself, or under several at once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.policy.document import Example, ExampleTurn, Policy, PolicyId
from stream_guard.policy.labelled import LabelledSet
from stream_guard.policy.packed import Asked, packed
from stream_guard.prompting.frame import judged_example
from stream_guard.prompting.port import Renderer, Template
from stream_guard.qualification.questions import view_of, without

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


def unpacked(policies: Iterable[Policy]) -> list[Policy]:
    """The policies as they are compared: without a quick look, which a pack has none of."""
    return [replace(policy, quick_look=None) for policy in policies]
