"""The output forms: how a model is told to answer, what a right answer looks like, and the schema that constrains it."""

from __future__ import annotations

from typing import Any

import msgspec

from stream_guard.errors import ConfigError, Place
from stream_guard.policy.document import Category, OutputForm, Policy

_RULE_ID_LETTER = r"[A-Za-z0-9_.:-]"
RULE_ID = rf"{_RULE_ID_LETTER}{{1,64}}"
"""What a rule id may look like. A verdict never quotes content, so nothing that could be a quotation passes for an id."""
MAX_RULE_IDS = 16
CONFIDENCE_LEVELS = ("low", "medium", "high")


def violating_category(policy: Policy) -> Category:
    """The category that a bare yes, or a bare 1, stands for.

    It is `yes_means`, or the only category that violates. Raises ConfigError where neither names one.
    """
    if policy.yes_means is not None and (category := policy.category(policy.yes_means)) and category.severity > 0:
        return category
    violating = [category for category in policy.categories if category.severity > 0]
    if policy.yes_means is None and len(violating) == 1:
        return violating[0]
    problem = "a yes-or-no answer needs `yes_means`: the id of a category with a severity above 0"
    raise ConfigError((Place(f"policy {policy.id}"), problem))


def answer_format(policy: Policy) -> str:
    """What the model is told of the form of its answer. Raises ConfigError where a bare 1 would name no category."""
    if policy.output is OutputForm.BINARY:
        violating_category(policy)
        return "Answer with one character and nothing else: 1 if the content violates this policy, 0 if it does not."
    told = "Answer with one JSON object and nothing else, with exactly these fields:"
    return f"{told}\n{answer_fields(policy)}\n\nThe values of policy_category:\n{category_list(policy)}"


def answer_reminder(policy: Policy) -> str:
    """The same in a line, for the second time that a prompt says it."""
    if policy.output is OutputForm.BINARY:
        return answer_format(policy)
    fields = ", ".join(answer_schema(policy)["properties"])
    return f"Answer with one JSON object and nothing else, as described above, with the fields {fields}."


_FIELDS = (
    "- violation: 1 if the content violates this policy, 0 if it does not\n"
    "- policy_category: the one category that fits best; its violation is stated below"
)
_CITED = "- rule_ids: the ids of the rules that decided, as a list of strings"
_CITED_OF_DECLARED = "- rule_ids: the ids of the rules under Criteria that decided, as a list of strings; at least one is a rule of policy_category"


def answer_fields(policy: Policy) -> str:
    """The fields of an answer that is an object, a line each."""
    if policy.output is OutputForm.CATEGORY:
        return _FIELDS
    return (
        f"{_FIELDS}\n{_CITED_OF_DECLARED if policy.rule_ids else _CITED}\n"
        '- confidence: "low", "medium" or "high"\n'
        "- rationale: one or two sentences that name the rules; do not quote the content"
    )


def category_list(policy: Policy) -> str:
    """The categories that an answer may name, a line each."""
    return "\n".join(f"- {c.id} (violation {violation(c)}): {c.title}" for c in policy.categories)


def violation(category: Category) -> int:
    """1 for a category that violates, 0 for what the policy permits."""
    return int(category.severity > 0)


def answer_text(policy: Policy, category_id: str, rule_id: str | None = None) -> str:
    """The right answer, in the policy's output form, for a content that falls in a category by one of its rules.

    Raises ConfigError where the policy has no such category, or where the answer must cite a rule and none is named.
    """
    category = policy.category(category_id)
    if category is None:
        raise ConfigError((Place(f"policy {policy.id}"), f"an example expects the unknown category {category_id!r}"))
    if policy.output is OutputForm.BINARY:
        return str(violation(category))
    answer: dict[str, Any] = {"violation": violation(category), "policy_category": category.id}
    if policy.output is OutputForm.RATIONALE:
        cited = _cited(policy, category, rule_id)
        answer |= {"rule_ids": [cited], "confidence": "high", "rationale": f"{cited}: {category.title}."}
    return msgspec.json.encode(answer).decode()


def _cited(policy: Policy, category: Category, rule_id: str | None) -> str:
    """What is cited for a category: the rule, which need not be named where there is one alone."""
    if rule_id is None and len(category.cited_as) == 1:
        return category.cited_as[0]
    if rule_id is None or rule_id not in category.cited_as:
        raise ConfigError((Place(f"policy {policy.id}"), f"an example names no rule of the category {category.id}"))
    return rule_id


def answer_schema(policy: Policy, violates: bool | None = None) -> dict[str, Any]:
    """The JSON Schema of an answer, or of one that agrees with what is known to be its `violation` already.

    Enumerations and patterns only: length limits compile for seconds in xgrammar.
    """
    allowed = [0, 1] if violates is None else [int(violates)]
    if policy.output is OutputForm.BINARY:
        return {"enum": allowed}
    properties: dict[str, Any] = {
        "violation": {"enum": allowed},
        "policy_category": {"enum": [c.id for c in policy.categories if violation(c) in allowed]},
    }
    if policy.output is OutputForm.RATIONALE:
        properties |= {
            "rule_ids": {"type": "array", "items": _rule_id_schema(policy)},
            "confidence": {"enum": list(CONFIDENCE_LEVELS)},
            "rationale": {"type": "string"},
        }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _rule_id_schema(policy: Policy) -> dict[str, Any]:
    """Without the length: it takes xgrammar 0.5 s to compile instead of 0.1 s, and the answer is checked all the same."""
    if policy.rule_ids:
        return {"enum": list(policy.rule_ids)}
    return {"type": "string", "pattern": f"^{_RULE_ID_LETTER}+$"}


def answer_tag_json(policy: Policy, *, violates: bool) -> str:
    """The same as a structural tag, for an answer that agrees with its label."""
    return structural_tag(answer_schema(policy, violates))


def structural_tag(schema: dict[str, Any]) -> str:
    """A structural tag (xgrammar's) that holds to a schema, as a JSON document: blanks can't go on for ever in it."""
    held = {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": 1}
    return msgspec.json.encode({"type": "structural_tag", "format": held}).decode()


LABEL_LEAD = '{"violation":'
"""How an answer begins that is an object, up to the 0 or 1 that tells whether the content violates: as in the shown examples."""


def label_lead(policy: Policy) -> str:
    """What stands in an answer before its 0 or 1."""
    return "" if policy.output is OutputForm.BINARY else LABEL_LEAD


def label_says_all(policy: Policy, *, violates: bool) -> bool:
    """Whether a 0 or 1 leaves nothing of an answer open but its words: which category it is, where no rules are cited."""
    if policy.output is OutputForm.RATIONALE:
        return False
    return sum(violation(category) == int(violates) for category in policy.categories) == 1
