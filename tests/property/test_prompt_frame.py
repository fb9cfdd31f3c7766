"""No content can forge the border between context and what is judged."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_guard.events.model import Chat, Completion, Message, Turn, View
from stream_guard.events.render import judged
from stream_guard.prompting.frame import CONTEXT_LINE, JUDGE_LINE, frame
from tests.prompts import EXAMPLES, contents

many = settings(max_examples=EXAMPLES, deadline=None)


def turns() -> st.SearchStrategy[tuple[Turn, ...]]:
    """Chats whose turns say anything."""
    role = st.sampled_from(["system", "user", "assistant", "tool"])
    turn = st.builds(Turn, role=role, content=contents(), name=st.none() | contents())
    return st.lists(turn, min_size=1, max_size=5).map(tuple)


def unframed(text: str, view: View) -> tuple[str, str]:
    """Context and text as a reader finds them who knows only the fixed lines."""
    context: list[str] = []
    if text.startswith(CONTEXT_LINE):
        text = text.removeprefix(CONTEXT_LINE)
        while text.startswith("{"):
            line, _, text = text.partition("\n")
            context.append(line)
        text = text.removeprefix("\n")
    assert text.startswith(JUDGE_LINE[view])
    return "\n".join(context), text.removeprefix(JUDGE_LINE[view])


@many
@given(turns(), st.sampled_from([View.LAST_TURN, View.CHAT]))
def test_a_framed_chat_is_read_back(chat: tuple[Turn, ...], view: View) -> None:
    """Context and what is judged of a chat are found again, whatever its turns say."""
    shown = judged(Chat(turns=chat), view)
    assert unframed(frame(shown), view) == (shown.context, shown.text)


@many
@given(turns(), contents())
def test_a_framed_completion_is_read_back(prompt: tuple[Turn, ...], completion: str) -> None:
    """The prompt's turns and the completion are found again, whatever they say."""
    shown = judged(Completion(prompt=prompt, completion=completion), View.COMPLETION)
    assert unframed(frame(shown), View.COMPLETION) == (shown.context, shown.text)


@many
@given(contents())
def test_a_message_stands_alone(text: str) -> None:
    """A message is shown as it is, without a line of ours."""
    assert frame(judged(Message(content=text), View.MESSAGE)) == text


@many
@given(turns(), turns())
def test_two_chats_never_read_alike(one: tuple[Turn, ...], other: tuple[Turn, ...]) -> None:
    """The frame is injective: chats that differ are shown differently, under one view and between views."""
    views = [frame(judged(Chat(turns=chat), view)) for chat in (one, other) for view in (View.LAST_TURN, View.CHAT)]
    assert len(set(views)) == (2 if one == other else 4)
