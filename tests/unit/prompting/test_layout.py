from __future__ import annotations

import re

import pytest

from stream_guard.engines.port import Turn
from stream_guard.prompting.chat_template import slot
from stream_guard.prompting.layout import (
    ChatLayout,
    Encode,
    Examples,
    Layout,
    Slots,
    Stretch,
    TextLayout,
    flaws,
    pieces_of_text,
    stretches,
    turns_of,
)
from stream_guard.prompting.port import Margins


def make_chat(
    user: str = "{content}", system: str | None = "{policy}", examples: Examples = Examples.NONE
) -> ChatLayout:
    """A layout of turns."""
    return ChatLayout(system, user, examples)


def make_text(text: str, examples: Examples = Examples.NONE) -> TextLayout:
    """A layout of one text."""
    return TextLayout(text, examples)


@pytest.mark.parametrize(
    "layout",
    [
        make_chat(),
        make_chat("<Query>: {policy}\n<Document>: {content}", system=None),
        make_chat("{question} {policy} {content} end", system=None),
        make_chat(system="{question}", examples=Examples.TURNS),
        make_chat('{"json": 1} {content}'),
        make_text("POLICY {policy} CONTENT {content} ANSWER", Examples.POLICY),
    ],
)
def test_a_layout_that_can_be_filled(layout: Layout) -> None:
    """Nothing is wrong with it."""
    assert list(flaws(layout)) == []


@pytest.mark.parametrize(
    ("layout", "field", "words"),
    [
        (make_chat("no place"), "user", "must hold {content} exactly once"),
        (make_chat("{content} and {content}"), "user", "must hold {content} exactly once"),
        (make_chat("{content} {policy}"), "user", "{content} must come last"),
        (make_chat(system=None), "user", "nothing holds {policy} or {question}"),
        (make_chat("{polcy} {content}"), "user", "{polcy} stands for nothing"),
        (make_chat(system="{policy} {Content}"), "user", "{Content} stands for nothing"),
        (make_chat(system="{policy} {content}"), "system", "{content} belongs into user"),
        (make_chat("{policy} {content}", examples=Examples.TURNS), "examples", "would repeat the policy"),
        (make_text("{content}"), "text", "nothing holds {policy}"),
        (make_text("{policy} {content}", Examples.TURNS), "examples", "a text has no turns"),
    ],
)
def test_a_layout_that_can_not(layout: Layout, field: str, words: str) -> None:
    """The field is named, and why."""
    assert any(where == field and words in what for where, what in flaws(layout))


def test_the_slots_are_numbered_in_order_and_the_contents_comes_last() -> None:
    """What fills them is kept beside, the answers of examples included: a policy's author wrote them."""
    slots = Slots(str.upper)
    layout = make_chat("Text: {content}", system="{question} {policy}", examples=Examples.TURNS)
    turns = turns_of(layout, slots, [("see you", "No")])
    assert turns == [
        Turn("system", f"{slot(0)} {slot(1)}"),
        Turn("user", f"Text: {slot(2)}"),
        Turn("assistant", slot(3)),
        Turn("user", f"Text: {slot(4)}"),
    ]
    assert slots.texts == ["QUESTION", "POLICY", "see you", "No"]


def test_a_filled_text_is_never_filled_again() -> None:
    """A policy that spells a placeholder or a slot is text."""
    slots = Slots(lambda _: "{content} slot7c2f91e1end")
    assert pieces_of_text(make_text("A {policy} B {content} C"), slots) == ["A ", 0, " B ", 1, " C"]
    assert slots.texts == ["{content} slot7c2f91e1end"]


def like_gpt_2(text: str) -> list[int]:
    """A vocabulary that takes a space with the word after it, and line ends apart: one number for each part."""
    return [hash(part) for part in re.findall(r" ?[^\s]+|\s+(?!\S)|\s+", text)]


def like_o200k(text: str) -> list[int]:
    """A vocabulary that takes line ends with the punctuation before them."""
    return [hash(part) for part in re.findall(r" ?\w+| ?[^\s\w]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", text)]


@pytest.mark.parametrize(
    ("encode", "pieces", "expected", "tail"),
    [
        (like_gpt_2, ["<s>Hi\n", 0, "</s>"], [Stretch("<s>Hi\n", 0, Margins())], "</s>"),
        (like_gpt_2, ["Document: ", 0, ""], [Stretch("Document:", 0, Margins(" ", ""))], ""),
        (like_gpt_2, ["A\n\n", 0, "\n\nEND"], [Stretch("A\n", 0, Margins("\n", ""))], "\n\nEND"),
        (like_o200k, ["==\n\n", 0, "\n\nEND"], [Stretch("==\n\n", 0, Margins("", "\n\n"))], "END"),
        (like_o200k, ["A", 0, " then"], [Stretch("A", 0, Margins())], " then"),
        (like_o200k, ["", 0, " ", 1, ""], [Stretch("", 0, Margins()), Stretch("", 1, Margins(" ", ""))], ""),
    ],
)
def test_white_space_goes_where_the_vocabulary_puts_it(
    encode: Encode, pieces: list[str | int], expected: list[Stretch], tail: str
) -> None:
    """A space with the word after it; line ends with what stands before them, or apart. Nothing moves without need."""
    assert stretches(pieces, encode) == (expected, tail)
