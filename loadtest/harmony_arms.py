"""The ways of getting a verdict from a model that speaks harmony, over the engine port: free, bound by a grammar, in steps.

All of them begin after the prompt's `<|start|>assistant`, and what they come to is read by the service's own parser.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from loadtest.desk import Desk
from stream_guard.engines.port import Completion, LabelRead, Labels, Text, TextRead, Usage
from stream_guard.judging.answers import Malformed
from stream_guard.judging.harmony_reply import read_harmony
from stream_guard.policy.document import OutputForm, Policy
from stream_guard.prompting.answer import answer_schema
from stream_guard.prompting.harmony_tokens import (
    CALL,
    CHANNEL,
    END,
    ENDOFTEXT,
    MESSAGE,
    ORDINARY_TOKENS,
    RETURN,
    START,
    STOP_IDS,
)
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary

ANSWER_TOKENS: Final = 160
"""Room for the answer after the reasoning."""
_FREE_TOKENS: Final = 36
"""What a bound reply has beside its reasoning, as measured."""
_VOCABULARY: Final = 201_088
_STEP_STOPS: Final = (END, RETURN, CALL, ENDOFTEXT, START, CHANNEL)
"""Where reasoning stops that is asked for by itself: also at what can only be the beginning of something else."""


class Question(Struct, frozen=True):
    """A prompt under a policy, and how many tokens the model may reason."""

    policy: Policy
    prompt: tuple[int, ...]
    budget: int


class Verdict(Struct, frozen=True):
    """What one question came to. `asks` are what was used, in order."""

    asks: tuple[Usage, ...]
    parses: bool
    """Whether the whole transcript is reasoning and one final message in the policy's form."""
    decides: bool
    """Whether it says if the content violates."""
    mass: float | None = None
    """The probability of both labels together, as the model has it; None where none is seen."""

    @property
    def engine_s(self) -> float:
        """Seconds at the engine, all asks together."""
        return sum(usage.engine_s for usage in self.asks)


Arm: TypeAlias = Callable[[Desk, Question], Awaitable[Verdict]]


async def free(desk: Desk, question: Question) -> Verdict:
    """One ask without a constraint. A model that never stops by itself writes about as much as one that is bound."""
    done = await desk.ask(question.prompt, TextRead(question.budget + _FREE_TOKENS, STOP_IDS))
    return _read(question.policy, done)


async def bound(desk: Desk, question: Question) -> Verdict:
    """One ask that a structural tag binds from the first token to the last."""
    tag = structural_tag(question.policy, question.budget)
    done = await desk.ask(question.prompt, TextRead(question.budget + ANSWER_TOKENS, STOP_IDS, structural_tag=tag))
    return _read(question.policy, done)


async def two_steps(desk: Desk, question: Question) -> Verdict:
    """A: reasoning, as far as its budget goes. B: the label, by its raw probability."""
    reasoning, thought = await _reason(desk, question)
    label, decided = await _label(desk, question, thought)
    if decided is None:
        return Verdict((reasoning.usage, label.usage), parses=False, decides=False)
    ids = (*thought, *_encode("1" if decided.violates else "0"))
    binary = question.policy.output is OutputForm.BINARY
    return Verdict(
        (reasoning.usage, label.usage),
        parses=_parses(question.policy, ids) if binary else False,
        decides=True,
        mass=decided.mass,
    )


async def three_steps(desk: Desk, question: Question) -> Verdict:
    """The same, and C: the answer as JSON that agrees with the label, for the category and what else the policy asks."""
    reasoning, thought = await _reason(desk, question)
    label, decided = await _label(desk, question, thought)
    if decided is None:
        return Verdict((reasoning.usage, label.usage), parses=False, decides=False)
    tag = _json({"type": "structural_tag", "format": _answer_format(answer_schema(question.policy, decided.violates))})
    prompt = (*question.prompt, *thought)
    answer = await desk.ask(prompt, TextRead(ANSWER_TOKENS, STOP_IDS, structural_tag=tag))
    ids = answer.reply.token_ids if isinstance(answer.reply, Text) and answer.reply.finished else ()
    return Verdict(
        (reasoning.usage, label.usage, answer.usage),
        parses=_parses(question.policy, (*thought, *ids)),
        decides=True,
        mass=decided.mass,
    )


ARMS: Final[Mapping[str, Arm]] = {"free": free, "grammar": bound, "A + B": two_steps, "A + B + C": three_steps}


# -- steps ------------------------------------------------------------------------------------------------------------


class _Decided(Struct, frozen=True):
    violates: bool
    mass: float


async def _reason(desk: Desk, question: Question) -> tuple[Completion, tuple[int, ...]]:
    """Step A, and what the prompt goes on with after it: the reasoning, whole or cut, and the header of the answer."""
    opened = (CHANNEL, *_encode("analysis"), MESSAGE)
    done = await desk.ask((*question.prompt, *opened), TextRead(question.budget, _STEP_STOPS))
    ids = done.reply.token_ids if isinstance(done.reply, Text) else ()
    if ids and ids[-1] in _STEP_STOPS:
        ids = ids[:-1]
    return done, (*opened, *ids, *_answer_header())


async def _label(desk: Desk, question: Question, thought: Sequence[int]) -> tuple[Completion, _Decided | None]:
    """Step B: which label the answer begins with."""
    no, yes = _encode("0")[0], _encode("1")[0]
    begun = () if question.policy.output is OutputForm.BINARY else _encode('{"violation":')
    done = await desk.ask((*question.prompt, *thought, *begun), LabelRead((no, yes)))
    if not isinstance(done.reply, Labels) or done.reply.logprobs.keys() != {no, yes}:
        return done, None
    logprobs = done.reply.logprobs
    return done, _Decided(logprobs[yes] >= logprobs[no], math.exp(logprobs[no]) + math.exp(logprobs[yes]))


def _answer_header() -> tuple[int, ...]:
    return (END, START, *_encode("assistant"), CHANNEL, *_encode("final"), MESSAGE)


def _read(policy: Policy, done: Completion) -> Verdict:
    parses = isinstance(done.reply, Text) and done.reply.finished and _parses(policy, done.reply.token_ids)
    return Verdict((done.usage,), parses=parses, decides=parses)


def _parses(policy: Policy, ids: Sequence[int]) -> bool:
    try:
        read_harmony(policy, ids, harmony_vocabulary().decode)
    except Malformed:
        return False
    return True


# -- grammars ---------------------------------------------------------------------------------------------------------


def structural_tag(policy: Policy, budget: int) -> str:
    """The whole reply: at most `budget` tokens of reasoning, none of them a control token, then the policy's answer.

    The answer is one of two schemas: the one that the service tells of allows a violation beside a category that has none.
    """
    parts = [
        _token(CHANNEL),
        _constant("analysis"),
        _token(MESSAGE),
        {
            "type": "any_tokens",
            "exclude_tokens": list(range(ORDINARY_TOKENS, _VOCABULARY)),
            "max_tokens": budget,
        },
        _token(END),
        _token(START),
        _constant("assistant"),
        _token(CHANNEL),
        _constant("final"),
        _token(MESSAGE),
        {"type": "or", "elements": [_answer_format(answer_schema(policy, violates)) for violates in (False, True)]},
    ]
    return _json({"type": "structural_tag", "format": {"type": "sequence", "elements": parts}})


def _answer_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1}


def _token(token: int) -> dict[str, Any]:
    return {"type": "token", "token": token}


def _constant(text: str) -> dict[str, Any]:
    return {"type": "const_string", "value": text}


def _json(document: object) -> str:
    return msgspec.json.encode(document).decode()


def _encode(text: str) -> tuple[int, ...]:
    return tuple(harmony_vocabulary().encode(text))
