"""Replies of models that reason between two tokens of their own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_guard.engines.port import Text, TextRead
from stream_guard.events.model import View
from stream_guard.identity import PromptVersion
from stream_guard.judging.judgement import AbstentionReason, BadReply, Judgement
from stream_guard.judging.reply import read_reply
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.plain import STOP_ID, PlainRenderer
from stream_guard.prompting.port import Between, Template, TextReading
from tests.prompts import make_policy

BEGIN, END, OTHER = 256, 257, STOP_ID
ANSWER = b'{"violation": 1, "policy_category": "SP2"}'


def read(ids: Sequence[int], *, opened: bool = False, finished: bool = True) -> object:
    """What these ids say."""
    template = Template(
        make_policy(OutputForm.CATEGORY), View.MESSAGE, PromptVersion("p"), TextRead(100, (STOP_ID,)),
        TextReading(Between(BEGIN, END, opened)), prefix=(), suffix=(),
    )  # fmt: skip
    return read_reply(template, Text(tuple(ids), None, finished), PlainRenderer().text)


@pytest.mark.parametrize(
    ("ids", "opened", "reasoning"),
    [
        ([BEGIN, *b"it sells", END, *ANSWER], False, "it sells"),
        ([*b"\n", BEGIN, *b"\nit sells\n", END, *b"\n\n", *ANSWER, STOP_ID], False, "it sells"),
        ([*b"it sells", END, *ANSWER], True, "it sells"),
        ([END, *ANSWER], True, None),
        ([BEGIN, END, *ANSWER], False, None),
        ([*ANSWER], False, None),
        ([BEGIN, *b"it says </think> 0", END, *ANSWER], False, "it says </think> 0"),
    ],
)
def test_what_stands_between_is_reasoning(ids: list[int], opened: bool, reasoning: str | None) -> None:
    """And what comes after it is the answer; a text that spells a tag is text."""
    result = read(ids, opened=opened)
    assert isinstance(result, Judgement)
    assert (result.category, result.reasoning) == ("SP2", reasoning)


@pytest.mark.parametrize(
    ("ids", "opened"),
    [
        ([BEGIN, *b"it sells", *ANSWER], False),
        ([BEGIN, *b"it sells"], False),
        ([*ANSWER], True),
        ([*b"it sells", END, *ANSWER], False),
        ([BEGIN, *b"a", END, *b"b", END, *ANSWER], False),
        ([BEGIN, *b"a", BEGIN, *b"b", END, *ANSWER], False),
        ([*b"a", END, BEGIN, *b"b", END, *ANSWER], True),
        ([END, BEGIN, *ANSWER], False),
        ([*b"0", BEGIN, *b"a", END, *ANSWER], False),
        ([OTHER, BEGIN, *b"a", END, *ANSWER], False),
        ([BEGIN, *b"a", OTHER, END, *ANSWER], False),
        ([BEGIN, *b"a", END, OTHER, *ANSWER], False),
        ([BEGIN, *b"a", END], False),
        ([BEGIN, *b"a", END, *ANSWER, *ANSWER], False),
        ([BEGIN, *ANSWER, END], False),
        ([], True),
    ],
)
def test_anything_else_is_a_bad_reply(ids: list[int], opened: bool) -> None:
    """A reasoning that does not end, two of them, or an answer that stands within: none is a judgement."""
    result = read(ids, opened=opened)
    assert isinstance(result, BadReply)
    assert result.reason is AbstentionReason.UNPARSEABLE


def test_a_cut_reply_is_bad() -> None:
    """Even where it looks whole."""
    assert isinstance(read([BEGIN, *b"a", END, *ANSWER], finished=False), BadReply)
