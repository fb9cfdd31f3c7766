"""The examples of a policy as questions."""

from __future__ import annotations

from msgspec.structs import replace

from stream_guard.events.model import View
from stream_guard.policy.document import Example, ExampleTurn, Policy
from stream_guard.prompting.frame import frame
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.qualification.questions import questions
from tests.cases import make_policy

RENDERER = PlainRenderer()
TEXTS = (
    Example("see you at seven", "OK", shown=True),
    Example("win a cruise", "BAD", shown=True),
    Example("bring the map", "OK"),
    Example((ExampleTurn("user", "hi"), ExampleTurn("assistant", "buy now")), "BAD"),
)


def make_policy_with(*examples: Example) -> Policy:
    """A policy with these examples."""
    return replace(make_policy(), examples=examples)


def test_every_example_is_a_question_in_order() -> None:
    """Numbers count from 1, as an author counts."""
    asked = questions(make_policy_with(*TEXTS), RENDERER, ())
    assert [(one.number, one.example) for one in asked] == list(enumerate(TEXTS, 1))


def test_a_shown_example_is_left_out_of_its_own_prompt() -> None:
    """A model must not be asked what it was just told; the other examples stay."""
    policy = make_policy_with(*TEXTS)
    whole = RENDERER.template(policy, View.MESSAGE)
    shown, _, hidden, _ = questions(policy, RENDERER, ())
    assert hidden.template.prefix == whole.prefix
    left_out = RENDERER.template(make_policy_with(*TEXTS[1:]), View.MESSAGE)
    assert shown.template.prefix == left_out.prefix != whole.prefix


def test_hidden_examples_share_one_template() -> None:
    """So that they share its prefix in the engine's cache."""
    policy = make_policy_with(*TEXTS[:2], Example("one", "OK"), Example("two", "OK"))
    *_, one, two = questions(policy, RENDERER, ())
    assert one.template is two.template


def test_an_example_is_asked_in_the_view_that_suits_it() -> None:
    """A text as a message, a chat by its last turn, unless the routes judge otherwise."""
    policy = make_policy_with(*TEXTS)
    assert [one.judged.view for one in questions(policy, RENDERER, ())][2:] == [View.MESSAGE, View.LAST_TURN]
    assert {one.judged.view for one in questions(policy, RENDERER, {View.CHAT})} == {View.CHAT}
    in_context = questions(policy, RENDERER, {View.MESSAGE_IN_CONTEXT})
    assert [one.judged.view for one in in_context][2:] == [View.MESSAGE_IN_CONTEXT] * 2
    assert '"hi"' in in_context[3].judged.context


def test_what_is_asked_is_what_the_prompt_would_show() -> None:
    """An example is framed like an event of its view."""
    *_, chat = questions(make_policy_with(*TEXTS), RENDERER, ())
    assert frame(chat.judged).endswith('Judge only this turn:\n{"role":"assistant","content":"buy now"}')


def test_labelled_contents_are_asked_by_their_lines() -> None:
    """In place of the policy's own examples, under the whole prompt; what the prompt shows is left out of it."""
    policy = make_policy_with(*TEXTS)
    new, told = questions(
        policy, RENDERER, (), [(3, Example("where is it?", "OK")), (7, Example("win a cruise", "BAD"))]
    )
    assert [(one.number, one.example.content) for one in (new, told)] == [(3, "where is it?"), (7, "win a cruise")]
    assert new.template.prefix == RENDERER.template(policy, View.MESSAGE).prefix
    assert told.template.prefix == RENDERER.template(make_policy_with(TEXTS[0], *TEXTS[2:]), View.MESSAGE).prefix
