"""Where a content that is too long is cut."""

from __future__ import annotations

import json
from itertools import pairwise

from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Message, Part, Turn, View
from stream_guard.events.render import judged
from stream_guard.events.splitting import split, with_latest


def message(text: str) -> Judged:
    """A message."""
    return judged(Message(content=text), View.MESSAGE)


def chat(*turns: Turn) -> Judged:
    """A whole chat."""
    return judged(Chat(turns=turns), View.CHAT)


def test_a_message_is_cut_between_words() -> None:
    """Where a space is near the place; neighbours share at least the overlap."""
    words = [f"word{number}" for number in range(60)]
    segments = [segment.text for segment in split(message(" ".join(words)), 3, 12)]
    assert len(segments) == 3
    for one, next_one in pairwise(segments):
        assert set(one.split()) | set(next_one.split()) <= set(words)
        shared = [word for word in one.split() if word in next_one.split()]
        assert len(" ".join(shared)) + 1 >= 12


def test_a_chat_is_cut_between_turns_where_one_ends_near_by() -> None:
    """So that whole turns are judged together."""
    turns = [Turn("user", f"{number}" * 40, name=f"n{number}") for number in range(6)]
    segments = split(chat(*turns), 3, 0)
    lines = chat(*turns).text.split("\n")
    assert [segment.text.split("\n") for segment in segments] == [lines[0:2], lines[2:4], lines[4:6]]


def test_a_long_turn_is_cut_within_its_text_and_encoded_anew() -> None:
    """Each piece is a turn of the same role and name; a line break stays within its line."""
    first, second = split(chat(Turn("assistant", 'say "yes"\nor no ' * 20, name="bot")), 2, 30)
    for segment in (first, second):
        (line,) = segment.text.split("\n")
        turn = json.loads(line)
        assert (turn["role"], turn["name"]) == ("assistant", "bot")
        assert turn["content"] in 'say "yes"\nor no ' * 20


def test_a_part_that_is_no_text_stays_in_its_place() -> None:
    """And a turn that says nothing is still shown."""
    parts = (Part("text", "a" * 30), Part("image"), Part("text", "b" * 30))
    segments = split(chat(Turn("user", ""), Turn("user", parts)), 2, 4)
    shown = [[json.loads(line)["content"] for line in segment.text.split("\n")] for segment in segments]
    assert shown == [["", ["a" * 30, {"type": "image"}]], [["a" * 3, {"type": "image"}, "b" * 30]]]


def test_no_letter_is_cut_through() -> None:
    """A base and its accents, an emoji and its skin tone or partner, stay together."""
    for cluster in ("e\u0301", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f469\u200d\U0001f680"):
        for segment in split(message(cluster * 60), 4, 0):
            assert segment.text == cluster * (len(segment.text) // len(cluster))


def test_a_text_that_is_nothing_but_accents_is_cut_all_the_same() -> None:
    """Looking for a better place ends soon."""
    assert len(split(message("\u0301" * 1_000), 5, 0)) == 5


def test_there_are_no_more_segments_than_characters() -> None:
    """What can't be cut comes back whole."""
    assert [segment.text for segment in split(message("ab"), 9, 5)] == ["a", "b"]
    assert split(message("a"), 2, 5) == [message("a")]
    assert split(message(""), 2, 5) == [message("")]


def test_context_that_is_left_out_is_not_covered() -> None:
    """Its turns and parts no longer count; the signal says so, once."""
    turns = (Turn("user", (Part("text", "a"), Part("image"))), Turn("user", "b"), Turn("user", "c"))
    whole = judged(Chat(turns=turns), View.LAST_TURN)
    less = with_latest(with_latest(whole, 1), 0)
    assert (less.context, less.signals) == ("", ("context_cut",))
    assert (less.coverage.text_parts, less.coverage.unsupported_parts, less.coverage.context_turns) == (1, (), 0)
    assert not less.coverage.complete
    assert with_latest(whole, 2) is whole
