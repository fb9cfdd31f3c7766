"""The answer in a policy's output form, read strictly: it is exactly what was asked for, or malformed."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from stream_guard.judging.judgement import Confidence, Judgement, Judgements, Said
from stream_guard.policy.document import Category, OutputForm, Policy
from stream_guard.policy.packed import Asked, Packed
from stream_guard.prompting.answer import CONFIDENCE_LEVELS, MAX_RULE_IDS, RULE_ID, violating_category, violation

_RULE_ID: Final = re.compile(RULE_ID)


class Malformed(Exception):
    """A signal: the reply is not in its form. The message never quotes it."""


def read_answer(asked: Asked, text: str) -> Said:
    """What the model answered. Raises Malformed."""
    if isinstance(asked, Packed):
        return _packed(asked, _json_object(text))
    if asked.output is OutputForm.BINARY:
        return _binary(asked, text.strip())
    return _answered(asked, _json_object(text))


def _packed(pack: Packed, answers: dict[str, Any]) -> Judgements:
    """An answer for each policy, and for no other."""
    _require_fields(answers, frozenset(policy.id for policy in pack.policies))
    return Judgements(tuple(_of_one(policy, answers[policy.id]) for policy in pack.policies))


def _of_one(policy: Policy, answer: Any) -> Judgement:
    try:
        if policy.output is OutputForm.BINARY:
            return _binary(policy, str(answer) if type(answer) is int else "")
        return _answered(policy, _object(answer))
    except Malformed as problem:
        raise Malformed(f"{policy.id}: {problem}") from None


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise Malformed("the answer is not a JSON object")
    return answer


def _answered(policy: Policy, answer: dict[str, Any]) -> Judgement:
    with_rationale = policy.output is OutputForm.RATIONALE
    _require_fields(answer, _RATIONALE_FIELDS if with_rationale else _CATEGORY_FIELDS)
    category = _category(policy, answer)
    if not with_rationale:
        return Judgement(category.id)
    level, rationale = answer["confidence"], answer["rationale"]
    if level not in CONFIDENCE_LEVELS or not isinstance(rationale, str):
        raise Malformed("confidence or rationale is not what was asked for")
    cited = _rule_ids(policy, category, answer["rule_ids"])
    return Judgement(category.id, cited, Confidence("stated", level=level), rationale)


_CATEGORY_FIELDS: Final = frozenset({"violation", "policy_category"})
_RATIONALE_FIELDS: Final = _CATEGORY_FIELDS | {"rule_ids", "confidence", "rationale"}


def _binary(policy: Policy, answer: str) -> Judgement:
    if answer not in {"0", "1"}:
        raise Malformed("the answer is not 0 or 1")
    return Judgement((violating_category(policy) if answer == "1" else policy.permitted).id)


def _require_fields(answer: dict[str, Any], fields: frozenset[str]) -> None:
    if answer.keys() != fields:
        raise Malformed(f"the answer's fields are not exactly {', '.join(sorted(fields))}")


def _category(policy: Policy, answer: dict[str, Any]) -> Category:
    """The policy's own category of that id, if the answer agrees with itself on whether it violates."""
    named, violates = answer["policy_category"], answer["violation"]
    category = policy.category(named) if isinstance(named, str) else None
    if category is None:
        raise Malformed("policy_category is none of the policy's")
    if type(violates) is not int or violates != violation(category):
        raise Malformed("violation does not agree with policy_category")
    return category


def _rule_ids(policy: Policy, category: Category, ids: Any) -> tuple[str, ...]:
    """The cited rules. Where the policy declares its rules, they are its own, and bear out the category that is named."""
    if not isinstance(ids, list) or len(ids) > MAX_RULE_IDS:
        raise Malformed(f"rule_ids is not a list of up to {MAX_RULE_IDS}")
    if not all(isinstance(i, str) and _RULE_ID.fullmatch(i) for i in ids):
        raise Malformed("a rule id does not look like one")
    if ids and (declared := policy.rule_ids):
        if not set(ids) <= set(declared):
            raise Malformed("a rule id is none of the policy's")
        if not set(ids) & set(category.cited_as):
            raise Malformed("no rule of policy_category is among rule_ids")
    return tuple(ids)


def _json_object(text: str) -> dict[str, Any]:
    try:
        answer = _DECODE(text)
        text.encode()  # refuses lone surrogates, which nothing could publish
        if "\\u" in text:  # nor may they hide in an escape
            json.dumps(answer, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Malformed("the answer is not one JSON document") from None
    return _object(answer)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("a field stands twice in the answer")
    return fields


def _no_constant(constant: str) -> NoReturn:
    del constant
    raise Malformed("the answer holds a number that is none")


def _whole(number: str) -> int:
    """A whole number. What is asked for is never negative, and `-0` would pass for a 0."""
    if number.startswith("-"):
        raise Malformed("the answer holds a number that was not asked for")
    return int(number)


_DECODE: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole).decode
