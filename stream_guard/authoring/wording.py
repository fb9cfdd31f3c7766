"""What single words and phrases give away: vagueness, a second form of the answer, what was left to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stream_guard.authoring.catalogue import TODO, Found, found
from stream_guard.authoring.passages import declared_place, passages
from stream_guard.policy.load import Draft

_VAGUE = re.compile(
    r"\b(?:generally|usually|often|typically|normally|mostly|probably|possibly|perhaps|maybe|sometimes|occasionally|rarely|"
    r"frequently|might|may be|somewhat|relatively|reasonably|etc|and so on|and so forth|and the like|"
    r"in (?:most|some|many) cases|(?:as|where|when|if) (?:appropriate|needed|necessary|possible)|"
    r"(?:on a )?case[- ]by[- ]case|use (?:your )?(?:judge?ment|common sense|discretion))\b",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"\bJSON\b|\bpolicy_category\b|\brule_ids\b|\b(?:IN)?VALID\b|"
    r"(?:^|(?<=[.;:!?]))[ \t]*(?:[-*][ \t]+)?(?i:(?:answer|respond|reply|return|output|print)"
    r"(?::| (?:only|with|exactly|one|either|[01]|the (?:label|category|id|number|word))\b))",
    re.MULTILINE,
)
_LEFT_TO_DO = re.compile(r"\b(?:TODO|FIXME|TBD)\b")


def vague(draft: Draft) -> Iterator[Found]:
    """Words that leave a rule open."""
    for passage in passages(draft):
        for hit in _VAGUE.finditer(passage.unquoted):
            word = hit[0].casefold()
            yield found(
                "wording.vague", passage.place(hit.start()), f"{passage.where} says “{word}”, which leaves it open"
            )


def restated_answer(draft: Draft) -> Iterator[Found]:
    """A form of the answer beside the one that the prompt states."""
    for passage in passages(draft):
        if (hit := _ANSWER.search(passage.unquoted)) is not None:
            at = hit.end() - len(hit[0].lstrip(" \t-*"))
            yield found("answer.restated", passage.place(at), f"{passage.where} says how to answer")


def left_to_do(draft: Draft) -> Iterator[Found]:
    """What the author meant to come back to. Comments may say it: no model reads them."""
    for passage in passages(draft):
        for hit in _LEFT_TO_DO.finditer(passage.text):
            yield found(TODO, passage.place(hit.start()), f"{passage.where} holds a {hit[0]}")
    for name in ("owner", "title"):
        if draft.front is not None and _LEFT_TO_DO.search(str(draft.front.values.get(name))):
            yield found(TODO, declared_place(draft, name), f"{name} is left to decide")
