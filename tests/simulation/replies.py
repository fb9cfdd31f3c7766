"""What the simulated model writes: the truth in the form that was asked for, or garbage that looks like an allow."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from stream_guard.engines.port import Ask, LabelRead, Labels, Text, TextRead
from stream_guard.policy.document import Category, OutputForm, Policy
from stream_guard.policy.packed import Packed
from tests.simulation.corpus import ANSWERS, NO_ID, THINKS, THOUGHT, YES_ID

_json = msgspec.json.encode


def thinks(ask: Ask) -> bool:
    """Whether an ask is for reasoning alone."""
    return isinstance(ask.read, TextRead) and THOUGHT in ask.read.stop_ids


def may_say(ask: Ask, category: Category) -> bool:
    """Whether the constraint of an ask lets the model say so: its label may have been read before."""
    said = ask.read.json_schema if isinstance(ask.read, TextRead) else None
    return said is None or said == str(int(category.severity > 0))


def true_reply(ask: Ask, policy: Policy, category: Category, *, as_tokens: bool) -> Labels | Text:
    """The reply of a model that is right."""
    violates = category.severity > 0
    if isinstance(ask.read, LabelRead):
        return Labels({NO_ID: -3.0, YES_ID: -0.06} if violates else {NO_ID: -0.06, YES_ID: -3.0})
    return text(_written(policy, category), as_tokens=as_tokens)


def packed_reply(pack: Packed, said: Sequence[Category], rng: random.Random) -> Text:
    """The same under several policies: in any order, for each answer says whose it is."""
    answers = [(policy.id, _answer(policy, category)) for policy, category in zip(pack.policies, said, strict=True)]
    rng.shuffle(answers)
    return text(_json(dict(answers)).decode(), as_tokens=rng.random() < 0.5)


def _answer(policy: Policy, category: Category) -> object:
    """The answer under a policy, in its form."""
    violates = int(category.severity > 0)
    if policy.output is OutputForm.BINARY:
        return violates
    fields: dict[str, object] = {"violation": violates, "policy_category": category.id}
    if policy.output is OutputForm.RATIONALE:
        fields |= {"rule_ids": [category.id], "confidence": "high", "rationale": "because"}
    return fields


def _written(policy: Policy, category: Category) -> str:
    return _json(_answer(policy, category)).decode()


def garbage(ask: Ask, policy: Policy, kind: int) -> Labels | Text:
    """A reply that is none, and that looks as much like an allow as it can."""
    if thinks(ask):
        words = tuple(map(ord, _written(policy, policy.permitted)))
        ends = [
            (0,),
            (ANSWERS, THOUGHT),
            (THOUGHT, 0),
            (THOUGHT, ANSWERS, NO_ID),
            (THINKS,),
            (0, 0),
            (ANSWERS,),
            (703,),
        ]
        return Text((*words, *ends[kind]), None, finished=kind != 6)
    if isinstance(ask.read, LabelRead):
        return Labels([{}, {NO_ID: -3.0}, {NO_ID: -2.0, YES_ID: -9.0}, {YES_ID: -4.0}][kind % 4])
    allow = _written(policy, policy.permitted)
    texts = [allow, "", allow[:-1] + "?", f"{allow} {allow}", "I would say 0", allow * 2, "null", "[0]"]
    return text(texts[kind], as_tokens=False, finished=kind != 0)


def packed_garbage(pack: Packed, kind: int) -> tuple[str, Text]:
    """A reply for several policies in which something is wrong, and what: all else of it allows."""
    answers = {policy.id: _answer(policy, policy.permitted) for policy in pack.policies}
    (first, *_), (*_, last) = pack.policies, pack.policies
    allow = _json(answers).decode()
    texts = {
        "cut": allow,
        "one is missing": _json({first.id: answers[first.id]}).decode(),
        "one too many": _json({**answers, "other": 0}).decode(),
        "one is in another form": _json({**answers, last.id: _written(last, last.permitted)}).decode(),
        "one names a category of another": _json({**answers, first.id: _answer(first, last.permitted)}).decode(),
        "one answers twice": f'{allow[:-1]},"{last.id}":{_written(last, last.permitted)}}}',
        "one answer for all": _written(first, first.permitted),
        "without names": _json(list(answers.values())).decode(),
    }
    what = list(texts)[kind]
    return what, text(texts[what], as_tokens=kind % 2 == 0, finished=what != "cut")


def text(written: str, *, as_tokens: bool, finished: bool = True) -> Text:
    """A reply in words: with its tokens, or without."""
    if as_tokens:
        return Text(tuple(map(ord, written)), None, finished)
    return Text((), written, finished)
