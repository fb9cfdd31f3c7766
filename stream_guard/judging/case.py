"""A case while it is being judged, with policies and prompt version pinned until it is settled.

A case is one event under one policy, or under several that are asked about together; it has an outcome for each.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.engines.port import AskId, Usage
from stream_guard.events.content import CONTEXT_CUT, SPLIT, Judged
from stream_guard.judging.combine import Result, Results, conclusive_each, strictest_each
from stream_guard.judging.judgement import Abstention
from stream_guard.judging.terms import DEFAULT_TERMS, Terms
from stream_guard.policy.document import Policy
from stream_guard.prompting.port import Template

if TYPE_CHECKING:
    from stream_guard.judging.course import Stand
    from stream_guard.judging.line import Line

Owner = TypeVar("Owner")


class Dues:
    """What one event owes of a key's quota: its cases share them, and each pays for itself.

    Once one of them has paid (`begun`), none of the others is turned away: an event is judged under all of its policies or
    under none, also where it is longer than all of the quota.
    """

    __slots__ = ("begun", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.begun = False


class Case(Generic[Owner]):
    """What is known of a case so far. `owner` is whoever waits for its outcome. Times are the loop's, in seconds.

    `dues` are what the case has yet to pay from: None where its route has no quota, and once it has paid. `flow` says with
    which cases it shares its turn at the engine, `deadline` until when an answer is of use.
    What it cost (`attempts`, tokens, seconds in the engine) is added up over all asks, segments included.
    """

    __slots__ = (
        "asked_at", "attempts", "cached_tokens", "completion_tokens", "deadline", "dues", "engine_s", "flow", "front_end_s",
        "judged", "opened_at", "owner", "prompt_tokens", "segments", "template", "terms", "traceparent",
    )  # fmt: skip

    def __init__(
        self,
        owner: Owner,
        template: Template,
        judged: Judged,
        opened_at: float,
        traceparent: str | None,
        terms: Terms = DEFAULT_TERMS,
        dues: Dues | None = None,
        flow: Hashable = None,
        deadline: float = math.inf,
    ) -> None:
        self.owner = owner
        self.template = template
        self.judged = judged
        self.opened_at = opened_at
        self.traceparent = traceparent
        self.terms = terms
        self.dues = dues
        self.flow = flow
        self.deadline = deadline
        self.segments: Segments[Owner] | None = None
        """What it was split into, None where its content is whole."""
        self.asked_at = 0.0
        self.attempts = 0
        self.prompt_tokens = self.cached_tokens = self.completion_tokens = 0
        self.engine_s = self.front_end_s = 0.0

    def divide(self, part: Part[Owner], pieces: Sequence[Judged]) -> list[Part[Owner]]:
        """Puts pieces of what a part is about in its place: one with less context, or several segments."""
        shown = pieces[0]
        if shown.coverage.context_turns < self.judged.coverage.context_turns:
            less = replace(self.judged, context=shown.context, coverage=shown.coverage)
            self.judged = less.signalling(CONTEXT_CUT)
        if len(pieces) == 1:
            part.judged, part.stand = shown, None
            return [part]
        self.judged = self.judged.signalling(SPLIT)
        if self.segments is None:
            self.segments = Segments(part)
        return self.segments.replace(part, [Part(self, piece, part.order) for piece in pieces])

    def end(self, part: Part[Owner], results: Results) -> Results | None:
        """A part has its results. Returns the case's, None where it needs more."""
        segments = self.segments
        if segments is None:
            return results
        policies, abstain = self.template.policies, self.terms.abstain
        segments.parts.remove(part)
        segments.ended += 1
        segments.results = strictest_each(policies, abstain, segments.results or results, results)
        return None if segments.parts and not conclusive_each(policies, abstain, segments.results) else segments.results

    def spend(self, usage: Usage) -> None:
        """Adds what one ask cost."""
        self.prompt_tokens += usage.prompt_tokens
        self.cached_tokens += usage.cached_tokens
        self.completion_tokens += usage.completion_tokens
        self.engine_s += usage.engine_s
        self.front_end_s += usage.front_end_s


class Part(Generic[Owner]):
    """What one ask is about: the whole content of a case, or a segment of it, and how asking went so far."""

    __slots__ = (
        "ask_id", "asked_at", "bad_replies", "begun_at", "case", "deaths", "judged", "line", "order", "prompt_size", "stand",
        "stumbles", "stumbling_since", "timeouts",
    )  # fmt: skip

    def __init__(self, case: Case[Owner], judged: Judged, order: int = 0) -> None:
        self.case = case
        self.judged = judged
        self.order = order
        """Its place in the order of arrival, which a segment has from its whole."""
        self.line: Line[Owner]
        """Its flow: known once it waits."""
        self.ask_id: AskId | None = None
        """Set while it is open at the engine."""
        self.asked_at = self.begun_at = 0.0
        """When it was asked last, and when for the first step of these."""
        self.prompt_size = 0
        self.stand: Stand | None = None
        """How far its asking has come, where that takes several steps; None before the first, and once a reply was bad."""
        self.bad_replies = 0
        self.stumbles = self.timeouts = 0
        self.stumbling_since: float | None = None
        self.deaths = 0
        """How often the engine's process ended while this was open there."""

    @property
    def awaited(self) -> bool:
        """Whether anybody waits for its result: not once its case ended without it."""
        segments = self.case.segments
        return segments is None or self in segments.parts

    def forgive(self) -> None:
        """Forgets how often, and since when, the engine failed it: that was no fault of its own."""
        self.stumbles = self.timeouts = 0
        self.stumbling_since = None


class Segments(Generic[Owner]):
    """What a case was split into: the parts that have no result yet, and what the others came to so far."""

    __slots__ = ("ended", "parts", "results")

    def __init__(self, whole: Part[Owner]) -> None:
        self.parts = [whole]
        self.ended = 0
        self.results: Results | None = None
        """The strictest results of those that ended."""

    def __len__(self) -> int:
        return len(self.parts) + self.ended

    def replace(self, part: Part[Owner], pieces: list[Part[Owner]]) -> list[Part[Owner]]:
        """Puts pieces in a part's place. Returns them."""
        self.parts.remove(part)
        self.parts.extend(pieces)
        return pieces


class Outcome(Struct, Generic[Owner], frozen=True):
    """How a case ended under one of its policies."""

    case: Case[Owner]
    policy: Policy
    result: Result

    @property
    def first(self) -> bool:
        """Whether it is the first of its case: what is told of an ask is told once."""
        return self.policy is self.case.template.policies[0]

    def shares(self, *totals: int) -> tuple[int, ...]:
        """This policy's shares of what the case cost: those of all its policies add up to it."""
        policies = self.case.template.policies
        if len(policies) == 1:
            return totals
        place = policies.index(self.policy)
        return tuple(each + (place < left) for each, left in (divmod(total, len(policies)) for total in totals))


def outcomes(case: Case[Owner], results: Results) -> list[Outcome[Owner]]:
    """How a case ended, policy by policy."""
    return [Outcome(case, policy, result) for policy, result in zip(case.template.policies, results, strict=True)]


def abstained(case: Case[Owner], why: Abstention) -> list[Outcome[Owner]]:
    """The same of a case that has no judgement."""
    return [Outcome(case, policy, why) for policy in case.template.policies]
