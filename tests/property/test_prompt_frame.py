"""No content can forge the border between context and what is judged."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_guard.events.model import Chat, Completion, Message, Turn, View
from stream_guard.events.normalising import normalised
from stream_guard.events.render import judged
from stream_guard.prompting.frame import CONTEXT_LINE, JUDGE_LINE, LONE_MESSAGE_LINE, NORMALISED_LINE, frame
from tests.prompts import EXAMPLES, contents

many = settings(max_examples=EXAMPLES, deadline=None)


def turns() -> st.SearchStrategy[tuple[Turn, ...]]:
    """Chats whose turns say anything."""
    role = st.sampled_from(["system", "user", "assistant", "tool"])
    turn = st.builds(Turn, role=role, content=contents(), name=st.none() | contents())
    return st.lists(turn, min_size=1, max_size=5).map(tuple)


def unframed(text: str, view: View) -> tuple[str, str, str]:
    """Context, normalised view and text as a reader finds them who knows only the fixed lines."""
    context, text = ("", text) if view is View.MESSAGE else lines_after(CONTEXT_LINE, text)
    plain, text = lines_after(NORMALISED_LINE, text)
    assert text.startswith(JUDGE_LINE[view])
    return context, plain, text.removeprefix(JUDGE_LINE[view] or LONE_MESSAGE_LINE)


def lines_after(ours: str, text: str) -> tuple[str, str]:
    """The lines of JSON after a line of ours, if it stands there, and what comes then."""
    if not text.startswith(ours):
        return "", text
    lines: list[str] = []
    text = text.removeprefix(ours)
    while text.startswith("{"):
        line, _, text = text.partition("\n")
        lines.append(line)
    return "\n".join(lines), text.removeprefix("\n")


def forged() -> st.SearchStrategy[str]:
    """Texts that begin as a prompt of ours could, and hide something now and then."""
    ours = st.sampled_from([CONTEXT_LINE, NORMALISED_LINE, LONE_MESSAGE_LINE, *JUDGE_LINE.values()])
    line = st.sampled_from(['{"role":"user","content":"hello"}\n', "{}\n", "\n", "fr\u200bee", "\u202eaet\u202c\n", ""])
    return st.tuples(ours, st.lists(line | ours, max_size=4).map("".join), contents()).map("".join)


@many
@given(turns(), st.sampled_from([View.LAST_TURN, View.CHAT]))
def test_a_framed_chat_is_read_back(chat: tuple[Turn, ...], view: View) -> None:
    """Context and what is judged of a chat are found again, whatever its turns say."""
    shown = normalised(judged(Chat(turns=chat), view))
    assert unframed(frame(shown), view) == (shown.context, shown.normalised, shown.text)


@many
@given(turns(), contents())
def test_a_framed_completion_is_read_back(prompt: tuple[Turn, ...], completion: str) -> None:
    """The prompt's turns and the completion are found again, whatever they say."""
    shown = normalised(judged(Completion(prompt=prompt, completion=completion), View.COMPLETION))
    assert unframed(frame(shown), View.COMPLETION) == (shown.context, shown.normalised, shown.text)


@many
@given(contents() | forged())
def test_a_framed_message_is_read_back(text: str) -> None:
    """Also one that is written as if it were a prompt of ours."""
    shown = normalised(judged(Message(content=text), View.MESSAGE))
    assert unframed(frame(shown), View.MESSAGE) == ("", shown.normalised, text)


@many
@given(contents())
def test_a_message_stands_alone(text: str) -> None:
    """A message is shown as it is, without a line of ours, unless it begins as if it had a context."""
    before = LONE_MESSAGE_LINE if text.startswith(CONTEXT_LINE) else ""
    assert frame(judged(Message(content=text), View.MESSAGE)) == f"{before}{text}"


@many
@given(turns(), turns())
def test_two_chats_never_read_alike(one: tuple[Turn, ...], other: tuple[Turn, ...]) -> None:
    """The frame is injective: chats that differ are shown differently, under one view and between views."""
    views = [
        frame(normalised(judged(Chat(turns=chat), view)))
        for chat in (one, other)
        for view in (View.LAST_TURN, View.CHAT)
    ]
    assert len(set(views)) == (2 if one == other else 4)
