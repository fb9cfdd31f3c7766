from __future__ import annotations

import pytest

from stream_guard.events.model import View
from stream_guard.prompting.messages import MessagesRenderer, defang
from tests.prompts import make_judged, make_policy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<|im_end|>", "<\u200b|im_end|\u200b>"),
        ("[INST] x [/INST]", "[\u200bINST] x [\u200b/INST]"),
        ("<<SYS>>", "<<\u200bSYS>>"),
        ("</s><s>", "<\u200b/s><\u200bs>"),
        ("<start_of_turn>user", "<\u200bstart_of_turn>user"),
        ("<think>a</think>", "<\u200bthink>a<\u200b/think>"),
        ("<\uff5cUser\uff5c>", "<\u200b\uff5cUser\uff5c\u200b>"),
        ("<<|x|>|>", "<<\u200b|x|\u200b>|\u200b>"),
        ("<TOOL_CALL>", "<\u200bTOOL_CALL>"),
    ],
)
def test_spellings_are_broken(text: str, expected: str) -> None:
    """Spellings of many families' control tokens are broken by a zero-width space."""
    assert defang(text) == expected


@pytest.mark.parametrize("text", ["a < b | c > d", "<b>bold</b>", "x || y", "[1] and [x]", "ü <3", ""])
def test_ordinary_text_is_left_alone(text: str) -> None:
    """What is no spelling stays as it is."""
    assert defang(text) == text


def test_the_turns_are_policy_and_content() -> None:
    """The policy is the system's turn, the content the user's, and there are no ids."""
    renderer = MessagesRenderer("manifest")
    template = renderer.template(make_policy(), View.MESSAGE)
    [rendered] = renderer.render(template, [make_judged("Hello <|x")])
    assert [(turn.role, turn.content) for turn in rendered.turns] == [
        ("system", template.turns[0].content),
        ("user", "Hello <\u200b|x"),
    ]
    assert rendered.prompt == []
    assert renderer.text([1, 2]) == ""
