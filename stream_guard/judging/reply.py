"""What the engine gave back -> what the model said about the case. Pure.

Nothing malformed is ever a judgement: a reply is read strictly, in the form that was asked for, or it is a bad reply.
Details name what is wrong and never quote the reply, which may quote the content.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from stream_guard.engines.port import Labels, Text, TextRead
from stream_guard.judging.answers import Malformed, read_answer
from stream_guard.judging.harmony_reply import read_harmony
from stream_guard.judging.judgement import Abstention, AbstentionReason, BadReply, Judgement, Said, annotated
from stream_guard.judging.labels import read_labels
from stream_guard.policy.document import Policy
from stream_guard.prompting.answer import violating_category
from stream_guard.prompting.port import Between, HarmonyReading, LabelReading, Template, TextReading

TextOf: TypeAlias = Callable[[Sequence[int]], str]
"""The text of token ids; control tokens read as nothing, and only they do."""


def read_reply(template: Template, reply: Labels | Text, text_of: TextOf) -> Said | Abstention | BadReply:
    """What the model said.

    An abstention is what asking again can't mend (a label is deterministic); a bad reply is worth asking again.
    """
    reading = template.reading
    if isinstance(reply, Labels):
        if isinstance(reading, LabelReading):
            return _judged_by_label(template.policy, reading, reply)
        return _bad("labels came where text was asked for")
    if isinstance(reading, LabelReading):
        return _bad("text came where labels were asked for")
    try:
        return _read_text(template, reply, text_of)
    except Malformed as problem:
        return _bad(str(problem))


def _bad(detail: str) -> BadReply:
    return BadReply(AbstentionReason.UNPARSEABLE, detail)


def _judged_by_label(policy: Policy, reading: LabelReading, reply: Labels) -> Judgement | Abstention:
    read = read_labels(reading, reply)
    if isinstance(read, Abstention):
        return read
    category = violating_category(policy) if read.violates else policy.permitted
    return Judgement(category.id, confidence=read.confidence)


def _read_text(template: Template, reply: Text, text_of: TextOf) -> Said:
    if not reply.finished:
        raise Malformed("the reply was cut")
    reading = template.reading
    if not reply.token_ids:
        if isinstance(reading, HarmonyReading):  # without its control tokens, reasoning could pass for the answer
            raise Malformed("the engine gave a text without its tokens, and harmony is read by these")
        return read_answer(template.asked, reply.text or "")
    if isinstance(reading, HarmonyReading):
        return read_harmony(template.asked, reply.token_ids, text_of)
    stop_ids = template.read.stop_ids if isinstance(template.read, TextRead) else ()
    ids = without_trailing(reply.token_ids, stop_ids)
    if not isinstance(reading, TextReading) or reading.reasoning is None:
        return read_answer(template.asked, plain_text(ids, text_of))
    thought, answer = _apart(ids, reading.reasoning, text_of)
    reasoning = plain_text(thought, text_of).strip() or None
    return annotated(read_answer(template.asked, plain_text(answer, text_of)), reasoning=reasoning)


def without_trailing(ids: Sequence[int], stop_ids: Sequence[int]) -> Sequence[int]:
    """The ids of a reply without the control tokens that ended it."""
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
    if start > end or (start > 0 and plain_text(ids[:start], text_of).strip()):
        raise Malformed("something stands before the reasoning")
    return ids[start + 1 : end], ids[end + 1 :]


def plain_text(ids: Sequence[int], text_of: TextOf) -> str:
    """The text of ids among which no control token may stand. Raises Malformed."""
    require_plain(ids, text_of)
    return text_of(ids)


def require_plain(ids: Sequence[int], text_of: TextOf) -> None:
    """Raises Malformed where a control token stands among ids: read as nothing, it would join what it parts."""
    if not all(text_of((i,)) for i in set(ids)):
        raise Malformed("a control token stands within the reply")
