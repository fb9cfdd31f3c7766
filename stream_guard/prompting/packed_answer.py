"""The answer for several policies at once: an object with a field for each, which holds its own output form."""

from __future__ import annotations

from typing import Any

import msgspec

from stream_guard.policy.document import OutputForm, Policy
from stream_guard.policy.packed import Asked, Packed
from stream_guard.prompting.answer import (
    answer_fields,
    answer_schema,
    category_list,
    structural_tag,
    violating_category,
)


def packed_format(pack: Packed) -> str:
    """What the model is told of the form of its answer. Raises ConfigError where a bare 1 would name no category."""
    ids = ", ".join(policy.id for policy in pack.policies)
    told = (
        f"Answer with one JSON object and nothing else. It has exactly one field for each policy, in this order: {ids}. "
        "Each holds the answer under that policy:"
    )
    return "\n\n".join([told, *(_of(policy) for policy in pack.policies)])


def packed_reminder(pack: Packed) -> str:
    """The same in a line, for the second time that a prompt says it."""
    ids = ", ".join(policy.id for policy in pack.policies)
    return f"Answer with one JSON object and nothing else, as described above, with the fields {ids}."


def _of(policy: Policy) -> str:
    if policy.output is OutputForm.BINARY:
        violating_category(policy)
        return f"### {policy.id}\n1 if the content violates this policy, 0 if it does not"
    return (
        f"### {policy.id}\nAn object with exactly these fields:\n{answer_fields(policy)}\n\n"
        f"The values of its policy_category:\n{category_list(policy)}"
    )


def asked_schema(asked: Asked) -> dict[str, Any]:
    """The JSON Schema of an answer to what is asked."""
    if not isinstance(asked, Packed):
        return answer_schema(asked)
    properties = {policy.id: answer_schema(policy) for policy in asked.policies}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def asked_schema_json(asked: Asked) -> str:
    """The same as a JSON document."""
    return msgspec.json.encode(asked_schema(asked)).decode()


def asked_tag_json(asked: Asked) -> str:
    """The same as a structural tag (xgrammar's), in which blanks can't go on for ever."""
    return structural_tag(asked_schema(asked))


def tokens_for(asked: Asked, each: int) -> int:
    """How many tokens may be written about what is asked, where `each` may be under one policy."""
    return each * len(asked.policies) if isinstance(asked, Packed) else each
