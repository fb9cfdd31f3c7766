"""Replies as no model should write them, and what a reply must be to allow: said here once more, apart from the parsers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import groupby
from random import Random
from typing import Any, Final, TypeAlias

from loadtest.hostilities import SPELLINGS
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.harmony_tokens import (
    CALL,
    CHANNEL,
    CONSTRAIN,
    END,
    ENDOFTEXT,
    MESSAGE,
    ORDINARY_TOKENS,
    RETURN,
    START,
)

PERMITTED: Final = "SP0"
"""The category of the policy under which the replies are read that allows."""
Piece: TypeAlias = int | str
"""A control token, or a text."""
_CONTROL: Final = (
    START,
    END,
    MESSAGE,
    CHANNEL,
    CONSTRAIN,
    RETURN,
    CALL,
    ENDOFTEXT,
    199_998,
    200_000,
    201_087,
    -1,
    10_000_000,
)


def answer(random: Random, form: OutputForm) -> str:
    """An answer in its form: an allow, mostly."""
    category, violation = random.choice(((PERMITTED, 0), (PERMITTED, 0), ("SP2", 1)))
    if form is OutputForm.BINARY:
        return str(violation)
    fields: dict[str, object] = {"violation": violation, "policy_category": category}
    if form is OutputForm.RATIONALE:
        fields |= {
            "rule_ids": ["SP2.a"],
            "confidence": random.choice(("low", "medium", "high")),
            "rationale": "It says so.",
        }
    return json.dumps(fields)


def text_reply(random: Random, form: OutputForm, content: str) -> str:
    """An answer, whole or spoilt, or none at all."""
    whole = answer(random, form)
    if random.random() < 0.3:
        return whole
    zero = random.choice(("false", "0.0", '"0"', "00", "-0", "\u0660"))
    category = random.choice(("sp0", "SP0 ", "SP\\u0030", "\uff33P0", "SP9", "SP\u200b0"))
    return random.choice((
        content, whole + content[:40], content[:40] + whole, random.choice(SPELLINGS) + whole, "\ufeff" + whole, f" {whole}\n",
        whole[: len(whole) // 2], whole * 2, whole.upper(), f"```json\n{whole}\n```", whole.replace('"', "'"), "[" * 3000, "9" * 5000,
        whole.replace("0", zero), whole.replace("0", "0" * 5000, 1), whole.replace(PERMITTED, category),
        whole.replace("{", '{"violation":1,', 1), whole.replace("}", ',"x":1}'), whole.replace("violation", "violat\\u0069on"),
    ))  # fmt: skip


def harmony_reply(random: Random, form: OutputForm, content: str) -> list[Piece]:
    """Pieces of a reply in harmony: well-formed, spoilt, or at random."""
    texts = ("analysis", "final", "commentary", "assistant", "user", "json", content[:60], "", answer(random, form))
    if random.random() < 0.2:
        return [
            random.choice(_CONTROL) if random.random() < 0.5 else random.choice(texts)
            for _ in range(random.randint(0, 14))
        ]
    pieces: list[Piece] = []
    for _ in range(random.randint(0, 2)):
        pieces += [CHANNEL, "analysis", MESSAGE, "It says hello.", END, START, "assistant"]
    head: list[Piece] = [CHANNEL, "final", *((CONSTRAIN, "json") if random.random() < 0.2 else ()), MESSAGE]
    pieces += [
        *head,
        text_reply(random, form, content),
        *random.choice(((), (RETURN,), (END,), (END, RETURN), (ENDOFTEXT,), (CALL,))),
    ]
    for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
        at = random.randrange(len(pieces) + 1)
        spoil = random.randrange(4)
        if spoil == 0:
            pieces.insert(at, random.choice((*_CONTROL, *texts)))
        elif spoil == 1:
            del pieces[at : at + random.randint(1, 4)]
        elif spoil == 2:
            pieces[at:at] = pieces[at : at + random.randint(1, 6)]
        elif at < len(pieces):
            pieces[at] = random.choice((*_CONTROL, *texts))
    return pieces


# -- what may allow ---------------------------------------------------------------------------------------------------


def may_allow(text: str, form: OutputForm) -> bool:
    """Whether a text is an answer that permits, and nothing else."""
    if form is OutputForm.BINARY:
        return text.strip() == "0"
    try:
        pairs: Any = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return False
    if not isinstance(pairs, _Pairs):
        return False
    fields = {"violation", "policy_category"}
    fields |= {"rule_ids", "confidence", "rationale"} if form is OutputForm.RATIONALE else set()
    values = dict(pairs)
    exact = len(pairs) == len(fields) and values.keys() == fields
    return exact and values["policy_category"] == PERMITTED and repr(values["violation"]) == "0"


class _Pairs(list[tuple[str, Any]]):
    """The fields of an object as they were written, doubled ones included."""


_SHAPE: Final = re.compile("(?:CtMt?ESt)*Ct(?:Kt)?MtE?[RX]?")
_CODES: Final = {CHANNEL: "C", MESSAGE: "M", END: "E", START: "S", CONSTRAIN: "K", RETURN: "R", ENDOFTEXT: "X"}


def harmony_may_allow(ids: Sequence[int], text_of: Callable[[Sequence[int]], str], form: OutputForm) -> bool:
    """Whether a reply is reasoning and one final message, which permits."""
    shape, texts = _shape(ids, text_of)
    if not _SHAPE.fullmatch(shape):
        return False
    heads = [(shape[at - 1], text.strip()) for at, text in texts.items()]
    *earlier, last = [text for code, text in heads if code == "C"]
    return (
        last == "final"
        and set(earlier) <= {"analysis"}
        and all(text == "assistant" for code, text in heads if code == "S")
        and all(text.lower() == "json" for code, text in heads if code == "K")
        and may_allow(texts[shape.rindex("M") + 1], form)
    )


def _shape(ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> tuple[str, dict[int, str]]:
    """A reply as one letter for each control token and each text between them, and the texts by their places."""
    shape = ""
    texts: dict[int, str] = {}
    for is_text, run in groupby(ids, key=lambda token: 0 <= token < ORDINARY_TOKENS):
        if is_text:
            texts[len(shape)] = text_of(list(run))
            shape += "t"
        else:
            shape += "".join(_CODES.get(token, "?") for token in run)
    return shape, texts
