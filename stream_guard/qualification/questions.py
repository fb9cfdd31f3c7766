"""The examples of a policy as questions to a model. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.policy.document import Example, Policy
from stream_guard.prompting.frame import judged_example
from stream_guard.prompting.port import Renderer, Template

_OF_A_TEXT = (View.MESSAGE, View.MESSAGE_IN_CONTEXT, View.COMPLETION, View.LAST_TURN, View.CHAT)
_OF_A_CHAT = (View.LAST_TURN, View.CHAT, View.MESSAGE_IN_CONTEXT, View.COMPLETION, View.MESSAGE)


class Question(Struct, frozen=True):
    """One example under its policy. `number` counts from 1, in the order of the document; of a labelled set it is the line."""

    policy: Policy
    number: int
    example: Example
    template: Template
    judged: Judged


def questions(
    policy: Policy,
    renderer: Renderer,
    views: Collection[View],
    labelled: Iterable[tuple[int, Example]] | None = None,
) -> list[Question]:
    """One question for each example, in the view of `views` that suits it best (of all views, where none is given).

    Where a labelled set is given, with a number for each, its contents are asked instead of the policy's own examples. What
    the prompt shows is asked under a prompt that leaves it out: a model must not be asked what it was just told. Raises
    ConfigError where the renderer can't ask under this policy.
    """
    templates: dict[View, Template] = {}
    asked = []
    for number, example in enumerate(policy.examples, start=1) if labelled is None else labelled:
        view = view_of(example, views)
        if any(other.shown and other.content == example.content for other in policy.examples):
            template = renderer.template(without(policy, example), view)
        else:
            template = templates.get(view) or templates.setdefault(view, renderer.template(policy, view))
        asked.append(Question(policy, number, example, template, judged_example(example, view)))
    return asked


def view_of(example: Example, views: Collection[View]) -> View:
    """The view of `views` (of all, where none is given) that suits an example best."""
    order: Sequence[View] = _OF_A_TEXT if isinstance(example.content, str) else _OF_A_CHAT
    return next((view for view in order if view in views), order[0])


def without(policy: Policy, example: Example) -> Policy:
    """The policy without what it shows of an example's content."""
    return replace(policy, examples=tuple(other for other in policy.examples if other.content != example.content))
