"""A reply in the harmony format, split on token ids and never on text: a text that spells a control token is text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from stream_guard.judging.answers import Malformed, read_answer
from stream_guard.judging.judgement import Said, annotated
from stream_guard.policy.packed import Asked
from stream_guard.prompting.harmony_tokens import (
    CHANNEL,
    CONSTRAIN,
    END,
    ENDOFTEXT,
    MESSAGE,
    ORDINARY_TOKENS,
    RETURN,
    START,
)


def read_harmony(asked: Asked, ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> Said:
    """What the model answered in its only final message, with the reasoning of the analysis before it.

    Expected, after the prompt's `<|start|>assistant`: any number of `<|channel|>analysis<|message|>...<|end|>`, then one
    `<|channel|>final<|message|>...`; every message but the first begins with `<|start|>assistant`. Raises Malformed.
    """
    messages = _split(_without_end(ids), END)
    *reasonings, (channel, answer) = [
        _message(message, first=number == 0, text_of=text_of) for number, message in enumerate(messages)
    ]
    if channel != "final" or any(earlier != "analysis" for earlier, _ in reasonings):
        raise Malformed("harmony: not reasoning followed by exactly one final message")
    reasoning = "\n".join(text for _, text in reasonings)
    return annotated(read_answer(asked, answer), reasoning=reasoning or None)


def _without_end(ids: Sequence[int]) -> Sequence[int]:
    """The ids without what ends a reply, be it there or not: a stop id, and before it the end of the message."""
    end = len(ids)
    end -= int(end > 0 and ids[end - 1] in {RETURN, ENDOFTEXT})
    end -= int(end > 0 and ids[end - 1] == END)
    return ids[:end]


def _message(ids: Sequence[int], *, first: bool, text_of: Callable[[Sequence[int]], str]) -> tuple[str, str]:
    """Channel and text of one message. The prompt has begun the first one, so only later ones name the assistant."""
    head, *bodies = _split(ids, MESSAGE)
    before, *channels = _split(head, CHANNEL)
    if len(bodies) != 1 or len(channels) != 1:
        raise Malformed("harmony: a message without one channel and one text")
    if not first:
        _require_assistant(before, text_of)
    elif before:
        raise Malformed("harmony: something stands before the first channel")
    channel, *constraints = _split(channels[0], CONSTRAIN)
    name = _ordinary_text(channel, text_of).strip()
    if constraints and (
        name != "final" or [_ordinary_text(c, text_of).strip().lower() for c in constraints] != ["json"]
    ):
        raise Malformed("harmony: a message of a type that was not asked for")
    return name, _ordinary_text(bodies[0], text_of)


def _require_assistant(before: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> None:
    if not before or before[0] != START or _ordinary_text(before[1:], text_of) != "assistant":
        raise Malformed("harmony: a message that is not the assistant's")


def _split(ids: Sequence[int], border: int) -> list[Sequence[int]]:
    borders = [-1, *(at for at, token in enumerate(ids) if token == border), len(ids)]
    return [ids[start + 1 : end] for start, end in pairwise(borders)]


def _ordinary_text(ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> str:
    if any(not 0 <= i < ORDINARY_TOKENS for i in ids):
        raise Malformed("harmony: a control token stands where text should")
    return text_of(ids)
