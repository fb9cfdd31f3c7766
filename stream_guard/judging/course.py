"""How a part is asked in several steps: a quick look, reasoning, the label, the rest of the answer. Pure.

Each reply either is the end of it or says what to ask next; the prompt then goes on with what was said, so that the
engine computes nothing twice. Nothing malformed is ever a judgement: it is a bad reply, and the part begins anew.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeAlias
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.engines.port import LabelRead, Labels, Read, Text, TextRead
from stream_guard.judging.answers import Malformed, read_answer
from stream_guard.judging.judgement import (
    QUICK_LOOK,
    REASONING_CUT,
    Abstention,
    AbstentionReason,
    BadReply,
    Confidence,
    Judgement,
    Looked,
    Said,
    annotated,
)
from stream_guard.judging.labels import read_labels
from stream_guard.judging.reply import TextOf, plain_text, read_reply, require_plain, without_trailing
from stream_guard.policy.document import QuickLook
from stream_guard.prompting.answer import violating_category, violation
from stream_guard.prompting.port import LabelAsk, LabelledAnswer, ReasonedReading, Template


class Step(StrEnum):
    """What is asked."""

    LOOK = "look"
    REASON = "reason"
    LABEL = "label"
    ANSWER = "answer"


class Stand(Struct, frozen=True):
    """How far the asking of a part has come: what is asked now, and what the steps before came to."""

    step: Step
    prompt: list[int]
    read: Read
    rendered: list[int]
    """The prompt as it was rendered, before anything was said."""
    looked: Looked | None = None
    reasoning: tuple[int, ...] = ()
    cut: bool = False
    """Whether the reasoning reached its budget."""
    confidence: Confidence | None = None
    violates: bool = False
    """The label, once it was read."""

    def __repr__(self) -> str:
        return f"Stand({self.step}, {len(self.prompt)} tokens)"


Ended: TypeAlias = Said | Abstention | BadReply


def in_steps(template: Template) -> bool:
    """Whether a part is asked in several steps under this template."""
    return template.look is not None or isinstance(template.reading, ReasonedReading)


def begin(template: Template, prompt: list[int]) -> Stand:
    """The first step. Begun again, a part is asked as if nothing had been said."""
    if template.look is not None:
        return _label_step(Step.LOOK, template.look.label, prompt, prompt)
    return _after_look(template, prompt, None)


def go_on(template: Template, stand: Stand, reply: Labels | Text, text_of: TextOf) -> Ended | Stand:
    """What a reply to a step comes to: the next step, or the end."""
    try:
        match stand.step:
            case Step.LOOK:
                return _looked(template, stand, reply)
            case Step.REASON:
                return _reasoned(_reasoning_of(template), template.read, stand, reply, text_of)
            case Step.LABEL:
                return _labelled(template, stand, reply, text_of)
            case Step.ANSWER:
                return _answered(template, stand, reply, text_of)
    except Malformed as problem:
        return BadReply(AbstentionReason.UNPARSEABLE, str(problem))


def despite(template: Template, stand: Stand) -> Stand | None:
    """What is asked though the engine never takes this ask: a look is passed over, anything else can't be. None: then it ends."""
    return _after_look(template, stand.rendered, None) if stand.step is Step.LOOK else None


def _label_step(step: Step, label: LabelAsk, so_far: Sequence[int], rendered: list[int]) -> Stand:
    reading = label.reading
    return Stand(step, [*so_far, *label.cue], LabelRead((reading.no_id, reading.yes_id)), rendered)


def _after_look(template: Template, rendered: list[int], looked: Looked | None) -> Stand:
    reading = template.reading
    if isinstance(reading, ReasonedReading):
        return Stand(Step.REASON, [*rendered, *reading.opening], template.read, rendered, looked)
    return Stand(Step.ANSWER, rendered, template.read, rendered, looked)


def rehearsed(template: Template, prompt: list[int]) -> list[tuple[list[int], Read]]:
    """Every kind of ask that a template can lead to, in short: what is cached and compiled once should be before it counts."""
    reading, look = template.reading, template.look
    asks = [] if look is None else [_label_step(Step.LOOK, look.label, prompt, prompt)]
    asks.append(_after_look(template, prompt, None))
    if isinstance(reading, ReasonedReading):
        said = [*prompt, *reading.opening, *reading.closing]
        if isinstance(reading.answer, LabelledAnswer):
            asks.append(_label_step(Step.LABEL, reading.answer.label, said, prompt))
        asks += [Stand(Step.ANSWER, said, read, prompt) for read in _written(reading.answer)]
    return [(stand.prompt, _shortened(stand.read)) for stand in asks]


def _written(answer: LabelledAnswer | TextRead) -> list[TextRead]:
    """How an answer may be read as a text."""
    return [answer] if isinstance(answer, TextRead) else [rest for rest in answer.rest if rest is not None]


def _shortened(read: Read) -> Read:
    return replace(read, max_tokens=1) if isinstance(read, TextRead) else read


# -- the quick look ---------------------------------------------------------------------------------------------------


def _looked(template: Template, stand: Stand, reply: Labels | Text) -> Ended | Stand:
    """A judgement where it is clear and not audited. Whatever else a look sees, the model reasons."""
    look, policy = template.look, template.policy
    if look is None or not isinstance(reply, Labels):
        raise Malformed("text came where labels were asked for")
    read = read_labels(look.label.reading, reply)
    if isinstance(read, Abstention):
        return _after_look(template, stand.rendered, None)
    looked = Looked(read.share, _clear(look.bounds, read.share))
    if looked.violates is None or audited(stand.rendered, look.bounds.audit):
        return _after_look(template, stand.rendered, looked)
    category = violating_category(policy) if looked.violates else policy.permitted
    return Judgement(category.id, confidence=read.confidence, signals=(QUICK_LOOK,), looked=looked, by_look=True)


def _clear(bounds: QuickLook, share: float) -> bool | None:
    """What a share says for sure."""
    if share <= bounds.permits_below:
        return False
    return True if bounds.violates_above is not None and share >= bounds.violates_above else None


def audited(prompt: Sequence[int], share: float) -> bool:
    """Whether a content that a look could settle is reasoned about all the same: always the same ones, whoever asks."""
    return crc32(array("q", prompt).tobytes()) < share * 2**32


# -- reasoning, the label, the rest -----------------------------------------------------------------------------------


def _reasoning_of(template: Template) -> ReasonedReading:
    if not isinstance(template.reading, ReasonedReading):
        raise Malformed("nothing was to be reasoned about")
    return template.reading


def _reasoned(reading: ReasonedReading, read: Read, stand: Stand, reply: Labels | Text, text_of: TextOf) -> Stand:
    """Its answer comes next, a label first where it has one; after reasoning that ended or reached its budget. Raises Malformed."""
    reasoning = _words(reading, read, reply)
    require_plain(reasoning, text_of)
    said = [*stand.rendered, *reading.opening, *reasoning, *reading.closing]
    if isinstance(reading.answer, LabelledAnswer):
        answer = _label_step(Step.LABEL, reading.answer.label, said, stand.rendered)
    else:
        answer = Stand(Step.ANSWER, said, reading.answer, stand.rendered)
    return replace(answer, looked=stand.looked, reasoning=tuple(reasoning), cut=not _finished(reply))


def _words(reading: ReasonedReading, read: Read, reply: Labels | Text) -> Sequence[int]:
    """The reasoning, without the token that ended it."""
    if not isinstance(reply, Text) or not isinstance(read, TextRead):
        raise Malformed("labels came where text was asked for")
    if not reply.token_ids and reply.text:
        raise Malformed("the engine gave a text without its tokens, and reasoning goes on with these")
    ids = reply.token_ids
    if reply.finished and ids and ids[-1] in read.stop_ids:
        if ids[-1] != reading.end_id:
            raise Malformed("the reasoning ended like an answer, or with a call of a tool")
        return ids[:-1]
    return ids


def _finished(reply: Labels | Text) -> bool:
    return isinstance(reply, Text) and reply.finished


def _labelled(template: Template, stand: Stand, reply: Labels | Text, text_of: TextOf) -> Ended | Stand:
    reading, policy = _reasoning_of(template), template.policy
    if not isinstance(reply, Labels) or not isinstance(reading.answer, LabelledAnswer):
        raise Malformed("text came where labels were asked for")
    read = read_labels(reading.answer.label.reading, reply)
    if isinstance(read, Abstention):  # other reasoning may end in another label
        return BadReply(read.reason, read.detail)
    stand = replace(stand, confidence=read.confidence, violates=read.violates)
    rest = reading.answer.rest[int(read.violates)]
    if rest is None:
        category = violating_category(policy) if read.violates else policy.permitted
        return _reasoned_about(_measured(Judgement(category.id), stand), stand, text_of)
    said = [*stand.rendered, *reading.opening, *stand.reasoning, *reading.closing]
    return replace(stand, step=Step.ANSWER, prompt=said, read=rest)


def _answered(template: Template, stand: Stand, reply: Labels | Text, text_of: TextOf) -> Ended:
    if not isinstance(template.reading, ReasonedReading):
        result = read_reply(template, reply, text_of)
        return result if isinstance(result, Abstention | BadReply) else annotated(result, looked=stand.looked)
    if not isinstance(reply, Text) or not isinstance(stand.read, TextRead):
        raise Malformed("labels came where text was asked for")
    if not reply.finished:
        raise Malformed("the reply was cut")
    written = plain_text(without_trailing(reply.token_ids, stand.read.stop_ids), text_of)
    answer = read_answer(template.asked, written if reply.token_ids else reply.text or "")
    if isinstance(answer, Judgement):
        category = template.policy.category(answer.category)
        if category is None or bool(violation(category)) != stand.violates:
            raise Malformed("the answer does not agree with its own label")
        answer = _measured(answer, stand)
    return _reasoned_about(answer, stand, text_of)


def _measured(answer: Judgement, stand: Stand) -> Judgement:
    """An answer with its label's probability, which is measured; what was stated stays beside it."""
    measured = stand.confidence
    stated = answer.confidence.level if answer.confidence is not None else None
    return replace(answer, confidence=None if measured is None else replace(measured, level=stated))


def _reasoned_about(answer: Said, stand: Stand, text_of: TextOf) -> Said:
    """An answer with what the steps before came to."""
    return annotated(
        answer,
        reasoning=text_of(stand.reasoning).strip() or None,
        signals=(REASONING_CUT,) if stand.cut else (),
        looked=stand.looked,
    )
