"""What is judged, in plain letters beside the original."""

from __future__ import annotations

import pytest

from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Completion, Message, Part, Turn, View
from stream_guard.events.normalising import LOOKED_AT, normalised
from stream_guard.events.render import judged

FREE = "fr\u200bee"
SIGNALS = ("obfuscation", "obfuscation:zero_width")


def message(text: str) -> Judged:
    """A message."""
    return judged(Message(content=text), View.MESSAGE)


def test_a_plain_content_stays_as_it_is() -> None:
    """Nearly all contents: not even a copy is made."""
    plain = message("Hello there.")
    assert normalised(plain) is plain


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (message(FREE), ['{"role":"user","content":"free"}']),
        (
            judged(Message(content=FREE, author="anna"), View.MESSAGE_IN_CONTEXT, [Turn("user", FREE)]),
            ['{"role":"user","name":"anna","content":"free"}'],
        ),
        (
            judged(Chat(turns=(Turn("user", FREE), Turn("user", FREE))), View.LAST_TURN),
            ['{"role":"user","content":"free"}'],
        ),
        (
            judged(Chat(turns=(Turn("user", FREE), Turn("tool", "tea"), Turn("user", FREE))), View.CHAT),
            ['{"role":"user","content":"free"}'] * 2,
        ),
        (
            judged(Completion(prompt=(Turn("user", FREE),), completion=FREE), View.COMPLETION),
            ['{"role":"assistant","content":"free"}'],
        ),
        (
            judged(Chat(turns=(Turn("user", (Part("text", FREE), Part("image"), Part("text", "tea"))),)), View.CHAT),
            ['{"role":"user","content":["free",{"type":"image"},"tea"]}'],
        ),
    ],
)
def test_each_view_shows_what_is_judged_and_differs(content: Judged, lines: list[str]) -> None:
    """Not its context, nor turns that say the same in plain letters."""
    seen = normalised(content)
    assert seen.normalised.split("\n") == lines
    assert seen.signals == SIGNALS
    assert (seen.text, seen.context, seen.coverage) == (content.text, content.context, content.coverage)


def test_what_is_only_in_the_context_or_a_name_is_no_signal() -> None:
    """They are not judged."""
    turns = (Turn("user", FREE), Turn("user", "tea", name=FREE))
    assert normalised(judged(Chat(turns=turns), View.LAST_TURN)).signals == ()


def test_signals_name_every_way_once() -> None:
    """After those that it had."""
    content = message("fr\u200bee m4st3r \u202eaet\u202c, fr\u200bee").signalling("context_partial")
    assert normalised(content).signals == (
        "context_partial", "obfuscation", "obfuscation:zero_width", "obfuscation:bidi", "obfuscation:leetspeak",
    )  # fmt: skip


def test_a_view_without_room_is_left_out_and_still_signalled() -> None:
    """The original comes first."""
    seen = normalised(message(FREE), 10)
    assert (seen.normalised, seen.signals) == ("", SIGNALS)


def test_a_decorative_font_has_a_view_and_no_signal() -> None:
    """It is there to be read, and hides nothing."""
    seen = normalised(message("\U0001d5d9\U0001d5ff\U0001d5f2\U0001d5f2 tea"))
    assert (seen.normalised, seen.signals) == ('{"role":"user","content":"Free tea"}', ())


def test_of_a_long_content_the_latest_turns_are_looked_at() -> None:
    """So many characters, and no more: what comes after them stays as it was written."""
    filler = "tea " * (LOOKED_AT // 8)
    turns = (Turn("user", FREE), Turn("user", filler + FREE + filler + FREE), Turn("user", FREE))
    (middle, last) = normalised(judged(Chat(turns=turns), View.CHAT)).normalised.split("\n")
    assert middle == f'{{"role":"user","content":"{filler}free{filler}{FREE}"}}'
    assert last == '{"role":"user","content":"free"}'


def test_what_it_shows_counts_as_shown() -> None:
    """For quotas and the turns of the loop."""
    content = message(FREE)
    assert normalised(content).chars == content.chars + len('{"role":"user","content":"free"}')
