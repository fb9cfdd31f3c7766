"""The examples of a policy as questions to a model. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
    """One example under its policy. `number` counts from 1, in the order of the document."""

    policy: Policy
    number: int
    example: Example
    template: Template
    judged: Judged


def questions(policy: Policy, renderer: Renderer, views: Collection[View]) -> list[Question]:
    """One question for each example, in the view of `views` that suits it best (of all views, where none is given).

    An example that the prompt shows is asked under a prompt that leaves it out: a model must not be asked what it was
    just told. Raises ConfigError where the renderer can't ask under this policy.
    """
    templates: dict[View, Template] = {}
    asked = []
    for number, example in enumerate(policy.examples, start=1):
        view = _view(example, views)
        if example.shown:
            template = renderer.template(_without(policy, example), view)
        else:
            template = templates.get(view) or templates.setdefault(view, renderer.template(policy, view))
        asked.append(Question(policy, number, example, template, judged_example(example, view)))
    return asked


def _view(example: Example, views: Collection[View]) -> View:
    order: Sequence[View] = _OF_A_TEXT if isinstance(example.content, str) else _OF_A_CHAT
    return next((view for view in order if view in views), order[0])


def _without(policy: Policy, example: Example) -> Policy:
    return replace(policy, examples=tuple(other for other in policy.examples if other is not example))
