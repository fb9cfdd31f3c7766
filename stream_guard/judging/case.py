"""A case while it is being judged: one event under one policy, with policy and prompt version pinned until it is settled."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

from stream_guard.engines.port import AskId, Usage
from stream_guard.events.content import Judged
from stream_guard.judging.judgement import Abstention, Judgement
from stream_guard.judging.terms import DEFAULT_TERMS, Terms
from stream_guard.prompting.port import Template

Owner = TypeVar("Owner")


class Case(Generic[Owner]):
    """What is known of a case so far. `owner` is whoever waits for its outcome. Times are the loop's, in seconds.

    `quota_key` says whose quota the case uses up, empty where its route has none.
    """

    __slots__ = (
        "ask_id", "asked_at", "attempts", "bad_replies", "cached_tokens", "completion_tokens", "engine_s", "front_end_s", "judged", "opened_at",
        "owner", "prompt_size", "prompt_tokens", "quota_key", "stumbles", "stumbling_since", "template", "terms", "traceparent",
    )  # fmt: skip

    def __init__(
        self,
        owner: Owner,
        template: Template,
        judged: Judged,
        opened_at: float,
        traceparent: str | None,
        terms: Terms = DEFAULT_TERMS,
        quota_key: str = "",
    ) -> None:
        self.owner = owner
        self.template = template
        self.judged = judged
        self.opened_at = opened_at
        self.traceparent = traceparent
        self.terms = terms
        self.quota_key = quota_key
        self.ask_id: AskId | None = None
        self.asked_at = 0.0
        self.prompt_size = 0
        self.attempts = 0
        self.bad_replies = 0
        self.stumbles = 0
        self.stumbling_since: float | None = None
        self.prompt_tokens = self.cached_tokens = self.completion_tokens = 0
        self.engine_s = self.front_end_s = 0.0

    def spend(self, usage: Usage) -> None:
        """Adds what one ask cost."""
        self.prompt_tokens += usage.prompt_tokens
        self.cached_tokens += usage.cached_tokens
        self.completion_tokens += usage.completion_tokens
        self.engine_s += usage.engine_s
        self.front_end_s += usage.front_end_s


class Outcome(Struct, Generic[Owner], frozen=True):
    """How a case ended."""

    case: Case[Owner]
    result: Judgement | Abstention
