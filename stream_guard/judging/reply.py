"""What the engine gave back -> what the model said about the case. Pure.

Nothing malformed is ever a judgement: a reply is read strictly, in the form that was asked for, or it is a bad reply.
Details name what is wrong and never quote the reply, which may quote the content.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from stream_guard.engines.port import Labels, Text, TextRead
from stream_guard.judging.answers import Malformed, read_answer
from stream_guard.judging.harmony_reply import read_harmony
from stream_guard.judging.judgement import Abstention, AbstentionReason, BadReply, Confidence, Judgement
from stream_guard.policy.document import Policy
from stream_guard.prompting.answer import violating_category
from stream_guard.prompting.port import Between, HarmonyReading, LabelReading, Template

TextOf: TypeAlias = Callable[[Sequence[int]], str]
"""The text of token ids; control tokens read as nothing, and only they do."""


def read_reply(template: Template, reply: Labels | Text, text_of: TextOf) -> Judgement | Abstention | BadReply:
    """What the model said.

    An abstention is what asking again can't mend (a label is deterministic); a bad reply is worth asking again.
    """
    reading = template.reading
    if isinstance(reply, Labels):
        if isinstance(reading, LabelReading):
            return _read_labels(template.policy, reading, reply)
        return _bad("labels came where text was asked for")
    if isinstance(reading, LabelReading):
        return _bad("text came where labels were asked for")
    try:
        return _read_text(template, reply, text_of)
    except Malformed as problem:
        return _bad(str(problem))


def _bad(detail: str) -> BadReply:
    return BadReply(AbstentionReason.UNPARSEABLE, detail)


_ROUNDING = 0.01
"""How far the probabilities of an engine may be off, having been added up in half precision."""


def _read_labels(policy: Policy, reading: LabelReading, reply: Labels) -> Judgement | Abstention:
    no, yes = (_probability(reply, label) for label in (reading.no_id, reading.yes_id))
    mass = (no or 0.0) + (yes or 0.0)
    if not 0.0 <= mass <= 1.0 + _ROUNDING:  # NaN is none either
        return Abstention(AbstentionReason.UNDECIDED, "the numbers of the labels are no probabilities")
    if mass <= 0.0 or mass < reading.min_mass:
        return Abstention(AbstentionReason.UNDECIDED, f"label mass {mass:.3f} is below {reading.min_mass}")
    share = _share_of_yes(no, yes)
    violates = share >= reading.threshold
    if (yes is None and violates) or (no is None and not violates):
        return Abstention(
            AbstentionReason.UNDECIDED, "the engine did not report both labels, and the other may outweigh"
        )
    category = violating_category(policy) if violates else policy.permitted
    return Judgement(category.id, confidence=Confidence("label_probability", share if violates else 1.0 - share))


def _probability(reply: Labels, label: int) -> float | None:
    logprob = reply.logprobs.get(label)
    if logprob is None:
        return None
    return math.exp(logprob) if logprob < 1.0 else math.inf  # whatever is far above 0 is none


def _share_of_yes(no: float | None, yes: float | None) -> float:
    """The share of yes in the label mass. A label that was not reported may hold all that is left."""
    if yes is None:
        return max(0.0, 1.0 - (no or 0.0))
    if no is None:
        return yes
    return yes / (no + yes)


def _read_text(template: Template, reply: Text, text_of: TextOf) -> Judgement:
    if not reply.finished:
        raise Malformed("the reply was cut")
    if not reply.token_ids:
        return read_answer(template.policy, reply.text or "")
    reading = template.reading
    if isinstance(reading, HarmonyReading):
        return read_harmony(template.policy, reply.token_ids, text_of)
    stop_ids = template.read.stop_ids if isinstance(template.read, TextRead) else ()
    ids = _without_trailing(reply.token_ids, stop_ids)
    if isinstance(reading, LabelReading) or reading.reasoning is None:
        return read_answer(template.policy, _plain_text(ids, text_of))
    thought, answer = _apart(ids, reading.reasoning, text_of)
    reasoning = _plain_text(thought, text_of).strip() or None
    return msgspec.structs.replace(read_answer(template.policy, _plain_text(answer, text_of)), reasoning=reasoning)


def _without_trailing(ids: Sequence[int], stop_ids: Sequence[int]) -> Sequence[int]:
    end = len(ids)
    while end and ids[end - 1] in stop_ids:
        end -= 1
    return ids[:end]


def _apart(ids: Sequence[int], between: Between, text_of: TextOf) -> tuple[Sequence[int], Sequence[int]]:
    """Reasoning and answer. Split on the ids of the two tokens, never on text: a text that spells one is text."""
    begins, ends = ([at for at, i in enumerate(ids) if i == border] for border in (between.begin_id, between.end_id))
    if not between.opened and not begins and not ends:
        return (), ids  # it answered at once
    if len(ends) != 1 or len(begins) != int(not between.opened):
        raise Malformed("not one reasoning that ends, followed by the answer")
    start, end = begins[0] if begins else -1, ends[0]
    if start > end or (start > 0 and _plain_text(ids[:start], text_of).strip()):
        raise Malformed("something stands before the reasoning")
    return ids[start + 1 : end], ids[end + 1 :]


def _plain_text(ids: Sequence[int], text_of: TextOf) -> str:
    """The text of ids among which no control token may stand: read as nothing, one would join what it parts."""
    if not all(text_of((i,)) for i in ids):
        raise Malformed("a control token stands within the reply")
    return text_of(ids)
