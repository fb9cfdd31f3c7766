"""The values of the published contract, version 1.

The contract grows only by addition. Subscribers ignore fields they don't know and treat an unknown decision as `review`.
No value here quotes content: what does (rationale, reasoning) lives in `Rationale`, on its own topic.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from stream_guard.identity import RulingId, Slot, Subject, VerdictId
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.policy.document import Decision

CONTRACT_VERSION = 1

Lane: TypeAlias = Literal["live", "shadow", "replay"]


class Rank(StrEnum):
    """How much a verdict weighs in the fold of its slot: abstention < provisional < final < human."""

    ABSTENTION = "abstention"
    PROVISIONAL = "provisional"
    FINAL = "final"
    HUMAN = "human"

    @property
    def weight(self) -> int:
        """The place in the order above."""
        return _WEIGHT[self]


_WEIGHT = {Rank.ABSTENTION: 0, Rank.PROVISIONAL: 1, Rank.FINAL: 2, Rank.HUMAN: 3}


class Position(Struct, frozen=True, gc=False):
    """Where a record stands in Kafka. `topic_id` is the topic's KIP-516 id, null where the broker has none."""

    cluster: str
    topic: str
    topic_id: str | None
    partition: int
    offset: int
    timestamp_ms: int | None


class PolicyRef(Struct, frozen=True, gc=False):
    """Which policy, exactly: `version` is the document's hash, `revision` what its author raises."""

    id: str
    version: str
    revision: int


class Stage(Struct, frozen=True, gc=False):
    """What gave the verdict (an open list: intake, cache, prefilter, model, escalation, human) and its version."""

    name: str
    version: str


class ModelRef(Struct, frozen=True, gc=False):
    """The model that judged, and the engine it ran on. Null in the verdict where none was asked."""

    name: str
    manifest: str
    engine: str
    engine_version: str


class AbstentionNote(Struct, frozen=True, gc=False):
    """Why there is no judgement."""

    reason: AbstentionReason
    detail: str


class ConfidenceNote(Struct, frozen=True, gc=False):
    """How sure the judge is: `label_probability` has a `value` in [0, 1], `stated` a `level` (low, medium, high).

    A `level` may stand beside a `value`: what the model says of itself, beside what was measured.
    """

    basis: str
    value: float | None
    level: str | None


class Tokens(Struct, frozen=True, gc=False):
    """Tokens that the verdict cost, over all retries and segments. `cached` of the prompt's tokens came from the prefix cache."""

    prompt: int
    cached: int
    completion: int


class Timings(Struct, frozen=True, gc=False):
    """Unix times in milliseconds, and durations in milliseconds."""

    received_at_ms: int
    judged_at_ms: int
    queue_ms: float
    engine_ms: float


class CoverageNote(Struct, frozen=True, gc=False):
    """What of the event was looked at. `complete` is false as soon as anything was left out."""

    text_parts: int
    unsupported_parts: tuple[str, ...]
    context_turns: int
    complete: bool


class Verdict(Struct, frozen=True, kw_only=True):
    """What is published for a case: one event under one policy.

    `signals` is an open list: `split` (judged in segments, the strictest counts), `context_cut` (the oldest turns of the context
    found no room), `context_partial` (earlier messages may be missing from the context), `quick_look` (settled by the label alone, without reasoning), `reasoning_cut` (the model's reasoning
    reached its budget before it answered), `obfuscation` (something hides what the content says; beside it, `obfuscation:<kind>` for each way that was found).

    A field that was added to version 1 has a default that is not written, and stands last: so that older verdicts are read, and
    written again, byte for byte.
    """

    contract: int = CONTRACT_VERSION
    id: VerdictId
    slot: Slot
    subject: Subject
    namespace: str
    lane: Lane
    kind: str
    view: str
    event_id: str | None
    route: str
    sources: tuple[Position, ...]
    policy: PolicyRef
    prompt_version: str
    rank: Rank
    stage: Stage
    through: int
    sequence: int
    decision: Decision
    category: str | None
    rule_ids: tuple[str, ...]
    confidence: ConfidenceNote | None
    abstention: AbstentionNote | None
    awaits: str | None
    final_by_ms: int | None
    derived_from: tuple[VerdictId, ...]
    signals: tuple[str, ...]
    coverage: CoverageNote | None
    content_hash: str | None
    model: ModelRef | None
    attempt: int
    tokens: Tokens
    timings: Timings
    severity: int | UnsetType | None = UNSET


class Entry(Struct, frozen=True, kw_only=True):
    """One slot of a ruling: enough of its verdict to fold rulings alone, entry by entry."""

    slot: Slot
    policy_id: str
    policy_version: str
    revision: int
    verdict_id: VerdictId
    decision: Decision
    rank: Rank
    through: int
    sequence: int
    awaits: str | None = None
    final_by_ms: int | None = None
    severity: int | UnsetType | None = UNSET


class Ruling(Struct, frozen=True, kw_only=True):
    """What is published for an event once its policies have spoken.

    `decision` is the strictest of the entries'; `complete` is true where every policy gave a judgement that stands for
    good; `missing` names the policies that did not; `reason` says why a dead-lettered record could not be judged at all;
    `lead` names the policy whose entry leads, where several decide equally strictly. Added fields stand last, as in a verdict.
    """

    contract: int = CONTRACT_VERSION
    id: RulingId
    subject: Subject
    namespace: str
    lane: Lane
    kind: str | None
    event_id: str | None
    route: str
    sources: tuple[Position, ...]
    decision: Decision
    complete: bool
    missing: tuple[str, ...]
    reason: str | None
    entries: tuple[Entry, ...]
    ruled_at_ms: int
    lead: str | UnsetType | None = UNSET


class Rationale(Struct, frozen=True, kw_only=True):
    """What quotes a user: published on the rationale topic only, keyed by slot, so that a tombstone can erase it."""

    contract: int = CONTRACT_VERSION
    verdict_id: VerdictId
    slot: Slot
    subject: Subject
    policy_id: str
    rationale: str | None
    reasoning: str | None

    def __repr__(self) -> str:
        return f"Rationale({self.verdict_id})"
