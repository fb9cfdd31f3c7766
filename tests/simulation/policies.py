"""The policies of the simulated world, those of them that are packed, and the truth about each content."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from stream_guard.policy.document import Category, OutputForm, Policy
from stream_guard.policy.load import parse_policy
from stream_guard.policy.packed import Asked, Packed, packed

_DOCUMENT = """\
---
id: {id}
revision: 3
owner: sim
title: {id}
output: {output}
effort: low
categories:
{categories}
yes_means: {yes}
{more}
examples:
  - {{content: well, expect: {no}, shown: true}}
  - {{content: ill, expect: {yes}, shown: true}}
---
## Instruction
The simulated engine knows the truth by itself.
## Definitions
None.
## Criteria
None.
"""


def make_policy(policy_id: str, output: OutputForm, *categories: tuple[str, int, str], more: str = "") -> Policy:
    """A policy with a document, as one that goes on elsewhere needs; `categories` are ids, severities and decisions."""
    listed = [
        f"  - {{id: {category}, title: {category}, severity: {severity}, decision: {decision}}}"
        for category, severity, decision in categories
    ]
    no, yes = categories[0][0], categories[-1][0]
    text = _DOCUMENT.format(id=policy_id, output=output, categories="\n".join(listed), no=no, yes=yes, more=more)
    return parse_policy(text, f"{policy_id}.md")


ALPHA = make_policy("alpha", OutputForm.BINARY, ("A0", 0, "allow"), ("A1", 3, "block"))
BETA = make_policy(
    "beta", OutputForm.CATEGORY, ("B0", 0, "allow"), ("B1", 1, "flag"), ("B2", 2, "review"), ("B3", 3, "block")
)
GAMMA = make_policy("gamma", OutputForm.RATIONALE, ("G0", 0, "allow"), ("G1", 2, "review"))
DELTA = make_policy(
    "delta",
    OutputForm.BINARY,
    ("D0", 0, "allow"),
    ("D1", 1, "flag"),
    more="quick_look: {permits_below: 0.1, violates_above: 0.9, audit: 0.3}",
)
POLICIES: Final = (ALPHA, BETA, GAMMA, DELTA)

AT_ONCE: Final = packed((BETA, ALPHA))
"""Asked as a text, though alpha alone is asked for its label. No pack is in the order of its route."""
IN_STEPS: Final = packed((GAMMA, DELTA))
"""Asked in steps, as gamma is; delta's look is no part of it."""

ASKABLE: Final[tuple[Asked, ...]] = (*POLICIES, AT_ONCE, IN_STEPS)
"""All that an ask may be about. Its place here stands for its text."""


def place_of(asked: Asked) -> int:
    """What stands for it at the beginning of a prompt."""
    return [known.id for known in ASKABLE].index(asked.id)


def asked_in(prompt: Sequence[int]) -> Asked:
    """What a prompt asks about."""
    return ASKABLE[prompt[0]]


def policies_of(asked: Asked) -> tuple[Policy, ...]:
    """The policies that an ask is about."""
    return asked.policies if isinstance(asked, Packed) else (asked,)


def truth(policy: Policy, number: int) -> Category:
    """The category that a content falls in under a policy: what the model says whenever it is sure."""
    draw = zlib.crc32(f"{policy.id}:{number}".encode())
    violations = policy.categories[1:]
    return policy.categories[0] if draw % 8 < 4 else violations[draw // 8 % len(violations)]


def unsure(policy: Policy, number: int) -> bool:
    """Whether the model may say anything about this content under this policy, and something else when asked again."""
    return zlib.crc32(f"unsure {policy.id}:{number}".encode()) % 4 == 0
