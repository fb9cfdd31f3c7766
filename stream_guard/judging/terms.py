"""What a route grants its cases: how long a content may be, what becomes of a longer one, and how much one key may use."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from stream_guard.policy.document import Decision


class TooLong(StrEnum):
    """What becomes of a content that is too long for one ask."""

    SPLIT = "split"
    """It is judged in overlapping segments, and the strictest counts."""
    ABSTAIN = "abstain"


class Quota(Struct, frozen=True):
    """How many tokens of content one key may have judged: a bucket of `tokens` that fills up again in `per_s` seconds."""

    tokens: int
    per_s: float


class Terms(Struct, frozen=True):
    """The terms of a route's cases.

    `content_tokens` bounds the content (its context included) of one ask, None leaves it to the model's context; where
    the engine's server renders the prompts, nobody knows their tokens, and only the model's context bounds them;
    `overlap` is how many tokens two neighbouring segments share, `segments` how many there may be at most: a content
    that needs more abstains. `abstain` is the decision of an abstention, which a segment that is not judged counts as.
    `respond_by_s` is how long after the record's timestamp an answer is still of use, None where it always is.
    """

    content_tokens: int | None = None
    too_long: TooLong = TooLong.SPLIT
    overlap: int = 64
    segments: int = 32
    quota: Quota | None = None
    abstain: Decision = Decision.REVIEW
    respond_by_s: float | None = None


DEFAULT_TERMS = Terms()
