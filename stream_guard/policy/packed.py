"""Policies that are asked about together: one prompt, one reply with an answer for each. A policy pack is something else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

from stream_guard.identity import PolicyVersion, digest
from stream_guard.policy.document import Effort, Policy


class Packed(Struct, frozen=True):
    """Several policies in one ask. `effort` is the highest that one of them asks for: none is thought about less than alone.

    A quick look is no part of it: it reads one label, and here are several.
    """

    policies: tuple[Policy, ...]
    id: str
    """Their ids, for messages and spans."""
    version: PolicyVersion
    effort: Effort

    def __repr__(self) -> str:
        return f"Packed({self.id})"


Asked: TypeAlias = Policy | Packed
"""What one ask is about."""

_THOUGHT = tuple(Effort)


def packed(policies: Iterable[Policy]) -> Packed:
    """Packs policies, in the order in which they are shown and answered. Raises ValueError for fewer than two."""
    together = tuple(policies)
    if len(together) < 2:  # noqa: PLR2004
        msg = "it takes two policies to pack"
        raise ValueError(msg)
    named = [field for policy in together for field in (policy.id, policy.version)]
    effort = max((policy.effort for policy in together), key=_THOUGHT.index)
    return Packed(together, "+".join(policy.id for policy in together), PolicyVersion(digest("packed", *named)), effort)
