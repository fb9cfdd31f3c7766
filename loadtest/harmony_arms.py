"""The ways of getting a verdict from a model that speaks harmony, over the engine port: free, bound by a grammar, in steps.

All of them begin after the prompt's `<|start|>assistant`, and what they come to is read by the service's own parser. The steps
are the service's own course; of our own are the ways that it does not go.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from loadtest.desk import Desk
from stream_guard.engines.port import Completion, Labels, Text, TextRead, Usage
from stream_guard.judging.answers import Malformed
from stream_guard.judging.course import Ended, Stand, Step, begin, go_on
from stream_guard.judging.harmony_reply import read_harmony
from stream_guard.judging.judgement import BadReply, Judgement
from stream_guard.policy.document import Policy, QuickLook
from stream_guard.prompting.answer import answer_schema, answer_tag_json, label_lead, violation
from stream_guard.prompting.harmony import HarmonyRenderer
from stream_guard.prompting.harmony_tokens import CHANNEL, END, MESSAGE, ORDINARY_TOKENS, START, STOP_IDS
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.port import Template
from stream_guard.prompting.profile import LabelSettings

ANSWER_TOKENS: Final = 160
"""Room for the answer after the reasoning."""
_FREE_TOKENS: Final = 36
"""What a bound reply has beside its reasoning, as measured."""
_VOCABULARY: Final = 201_088
_BOTH: Final = 2


_NEVER_CLEAR: Final = QuickLook(permits_below=0.0, audit=1e-9)
"""No label is so sure."""


class Question(Struct, frozen=True):
    """A prompt under a template that has no look, and how many tokens the model may reason."""

    template: Template
    prompt: tuple[int, ...]
    budget: int

    @property
    def policy(self) -> Policy:
        """What is asked about."""
        return self.template.policy

    @property
    def looked_at(self) -> Template:
        """The same template with a quick look, which settles nothing."""
        return _looked_at(self.template, self.budget)


def make_renderer(budget: int) -> HarmonyRenderer:
    """Asks in steps, as the service does; but that labels count however improbable: those of a random model are."""
    labels = LabelSettings(min_mass=0.0)
    return HarmonyRenderer(harmony_vocabulary(), "loadtest", max_tokens=ANSWER_TOKENS, budget=budget, labels=labels)


@cache
def _looked_at(template: Template, budget: int) -> Template:
    return make_renderer(budget).template(replace(template.policy, quick_look=_NEVER_CLEAR), template.view)


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


async def look(desk: Desk, question: Question) -> Verdict:
    """A quick look, and no more: what it costs where it settles the case. One that reads no label decides nothing."""
    stand = begin(question.looked_at, list(question.prompt))
    done = await desk.ask(stand.prompt, stand.read)
    mass = _mass(done.reply) if isinstance(done.reply, Labels) else None
    return Verdict((done.usage,), parses=mass is not None, decides=mass is not None, mass=mass)


async def look_and_two_steps(desk: Desk, question: Question) -> Verdict:
    """A quick look that settles nothing, and then A + B: what it costs where it was of no use."""
    return (await _course(desk, question, question.looked_at, to=Step.LABEL)).verdict()


async def two_steps(desk: Desk, question: Question) -> Verdict:
    """A: reasoning, as far as its budget goes. B: the label, by its raw probability. No further, also where that leaves something open."""
    return (await _course(desk, question, question.template, to=Step.LABEL)).verdict()


async def three_steps(desk: Desk, question: Question) -> Verdict:
    """The same, and C: the answer as JSON that agrees with the label; also where the service leaves it out, as the label says all."""
    gone = await _course(desk, question, question.template, to=Step.ANSWER)
    if gone.last.step is Step.LABEL and isinstance(gone.came, Judgement):
        return await _written_out(desk, question, gone, gone.came)
    return gone.verdict()


ARMS: Final[Mapping[str, Arm]] = {
    "free": free,
    "grammar": bound,
    "look": look,
    "look + A + B": look_and_two_steps,
    "A + B": two_steps,
    "A + B + C": three_steps,
}


# -- steps ------------------------------------------------------------------------------------------------------------


class _Gone(Struct, frozen=True):
    """How far the course went, and what it came to; a Stand where it was not followed to its end."""

    asks: tuple[Usage, ...]
    last: Stand
    came: Ended | Stand
    mass: float | None

    def verdict(self) -> Verdict:
        """A label was read unless it came to nothing before, and the whole parses once it is a judgement."""
        decides = self.last.step is Step.ANSWER or not isinstance(self.came, BadReply)
        return Verdict(self.asks, parses=isinstance(self.came, Judgement), decides=decides, mass=self.mass)


async def _course(desk: Desk, question: Question, template: Template, *, to: Step) -> _Gone:
    """The service's own steps under a template, up to this one."""
    stand, asks, mass = begin(template, list(question.prompt)), list[Usage](), None
    while True:
        done = await desk.ask(stand.prompt, stand.read)
        reply = cast("Labels | Text", done.reply)  # of a failure the desk raises
        asks.append(done.usage)
        mass = _mass(reply) if isinstance(reply, Labels) else mass
        came = go_on(template, stand, reply, harmony_vocabulary().decode)
        if not isinstance(came, Stand) or stand.step is to:
            return _Gone(tuple(asks), stand, came, mass)
        stand = came


async def _written_out(desk: Desk, question: Question, gone: _Gone, label: Judgement) -> Verdict:
    """The answer whose label says all, as JSON all the same."""
    policy, cue = question.policy, _encode(label_lead(question.policy))
    category = policy.category(label.category)
    tag = answer_tag_json(policy, violates=category is not None and bool(violation(category)))
    said = gone.last.prompt[: len(gone.last.prompt) - len(cue)]
    done = await desk.ask(said, TextRead(ANSWER_TOKENS, STOP_IDS, structural_tag=tag))
    ids = done.reply.token_ids if isinstance(done.reply, Text) and done.reply.finished else ()
    parses = _parses(policy, (*said[len(question.prompt) :], *ids))
    return Verdict((*gone.asks, done.usage), parses=parses, decides=True, mass=gone.mass)


def _mass(reply: Labels) -> float | None:
    """The probability of both labels together; of one alone nothing is known."""
    both = len(reply.logprobs) == _BOTH
    return sum(math.exp(logprob) for logprob in reply.logprobs.values()) if both else None


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
