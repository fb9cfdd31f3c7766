"""What a model is shown of an event."""

from __future__ import annotations

import pytest

from stream_guard.errors import InvariantViolated
from stream_guard.events.content import Coverage, Judged
from stream_guard.events.model import Chat, Completion, Event, Message, Part, Turn, View
from stream_guard.events.render import judged

TURNS = (
    Turn("system", "be kind"),
    Turn("user", "Grüße, 世界", "Ann"),
    Turn("assistant", (Part("text", "a"), Part("image"))),
)
LINES = (
    '{"role":"system","content":"be kind"}',
    '{"role":"user","name":"Ann","content":"Grüße, 世界"}',
    '{"role":"assistant","content":["a",{"type":"image"}]}',
)


def test_a_message_is_its_raw_text() -> None:
    """No frame stands around a message, and nothing in it is escaped."""
    text = 'a "quoted"\nline\u2028'
    assert judged(Message(content=text), View.MESSAGE) == Judged(
        View.MESSAGE, "", text, Coverage(1, (), 0, complete=True)
    )


def test_the_text_parts_of_a_message_are_joined_by_newlines() -> None:
    """Parts that are not text are named in the coverage, which is then not complete."""
    parts = (Part("text", "a"), Part("image", "ignored"), Part("text", "b"), Part("file"))
    expected = Judged(View.MESSAGE, "", "a\nb", Coverage(2, ("image", "file"), 0, complete=False))
    assert judged(Message(content=parts), View.MESSAGE) == expected


def test_the_last_turn_stands_in_its_context() -> None:
    """Earlier turns are context, a line each."""
    seen = judged(Chat(turns=TURNS), View.LAST_TURN)
    assert seen == Judged(View.LAST_TURN, "\n".join(LINES[:2]), LINES[2], Coverage(3, ("image",), 2, complete=False))


def test_a_single_turn_has_no_context() -> None:
    """The border is no line of its own."""
    seen = judged(Chat(turns=TURNS[:1]), View.LAST_TURN)
    assert seen == Judged(View.LAST_TURN, "", LINES[0], Coverage(1, (), 0, complete=True))


def test_a_whole_chat_is_judged_without_context() -> None:
    """All turns are text."""
    seen = judged(Chat(turns=TURNS), View.CHAT)
    assert seen == Judged(View.CHAT, "", "\n".join(LINES), Coverage(3, ("image",), 0, complete=False))


def test_a_completion_stands_after_its_prompt() -> None:
    """The completion is a turn of the assistant; its prompt is context."""
    seen = judged(Completion(prompt=TURNS[:2], completion="well"), View.COMPLETION)
    line = '{"role":"assistant","content":"well"}'
    assert seen == Judged(View.COMPLETION, "\n".join(LINES[:2]), line, Coverage(3, (), 2, complete=True))


def test_a_picture_in_the_context_makes_the_coverage_incomplete() -> None:
    """Whatever was not looked at counts, also where it is not judged itself."""
    turns = (Turn("user", (Part("image"),)), Turn("user", "and?"))
    assert judged(Chat(turns=turns), View.LAST_TURN).coverage == Coverage(1, ("image",), 1, complete=False)


@pytest.mark.parametrize("separator", ["\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_no_separator_of_lines_stands_in_a_line(separator: str) -> None:
    """Every separator that Python or Unicode knows is escaped."""
    text = judged(Chat(turns=(Turn("user", f"a{separator}b"),)), View.CHAT).text
    assert text == f'{{"role":"user","content":"a{_escaped(separator)}b"}}'


def _escaped(separator: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\f": "\\f"}.get(separator, f"\\u{ord(separator):04x}")


@pytest.mark.parametrize(
    ("event", "view"),
    [
        (Message(content="a"), View.CHAT),
        (Chat(turns=TURNS), View.COMPLETION),
        (Completion(prompt=(), completion="a"), View.LAST_TURN),
    ],
)
def test_a_view_of_another_kind_is_a_bug(event: Event, view: View) -> None:
    """A route picks views by kind; anything else stops the process rather than judge the wrong thing."""
    with pytest.raises(InvariantViolated):
        judged(event, view)
