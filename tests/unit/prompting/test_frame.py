from __future__ import annotations

import pytest

from stream_guard.events.model import View
from stream_guard.policy.document import Example
from stream_guard.prompting.frame import frame, frame_example, well_formed
from tests.prompts import CHAT_EXAMPLE, make_judged

LINE = '{"role":"user","content":"hi"}'


@pytest.mark.parametrize(
    ("view", "context", "framed"),
    [
        (View.MESSAGE, "", LINE),
        (View.LAST_TURN, "", f"Judge only this turn:\n{LINE}"),
        (
            View.LAST_TURN,
            LINE,
            f"Conversation so far, for context only (one JSON object per line):\n{LINE}\n\nJudge only this turn:\n{LINE}",
        ),
        (View.CHAT, "", f"Judge the whole conversation (one JSON object per line):\n{LINE}"),
        (View.COMPLETION, "", f"Judge only this completion, which a model wrote:\n{LINE}"),
    ],
)
def test_each_view_has_its_frame(view: View, context: str, framed: str) -> None:
    """Fixed lines say what is context and what is judged; a message stands alone."""
    assert frame(make_judged(LINE, view=view, context=context)) == framed


@pytest.mark.parametrize(
    ("view", "framed"),
    [
        (View.MESSAGE, "hi"),
        (View.LAST_TURN, f"Judge only this turn:\n{LINE}"),
        (View.CHAT, f"Judge the whole conversation (one JSON object per line):\n{LINE}"),
        (
            View.COMPLETION,
            'Judge only this completion, which a model wrote:\n{"role":"assistant","content":"hi"}',
        ),
    ],
)
def test_an_example_text_is_shown_as_an_event_would_be(view: View, framed: str) -> None:
    """A single text of an example becomes the one turn of the view's kind."""
    assert frame_example(Example("hi", "SP0"), view) == framed


def test_a_chat_example_under_the_message_view_is_its_lines() -> None:
    """A chat stands as lines of JSON where messages are judged."""
    lines = frame_example(CHAT_EXAMPLE, View.MESSAGE).split("\n")
    assert lines == ['{"role":"user","content":"Any plans?"}', '{"role":"assistant","content":"Buy gold now!"}']


@pytest.mark.parametrize(
    ("text", "expected"), [("abc", "abc"), ("ü🙂", "ü🙂"), ("a\ud800b", "a\ufffdb"), ("\ud83d\ude42", "🙂"), ("", "")]
)
def test_any_string_becomes_well_formed(text: str, expected: str) -> None:
    """Lone surrogates read as U+FFFD; a pair of them as the letter that it spells."""
    assert well_formed(text) == expected
