"""What a route grants its events: context, how long a content may be, and how much one key may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stream_guard.config.engine import Count
from stream_guard.config.model import Model
from stream_guard.config.quantities import Bytes, Seconds
from stream_guard.judging.terms import DEFAULT_TERMS, TooLong
from stream_guard.routing import Context

By = Annotated[str, Field(pattern=r"^(key|id|author|language|model|attributes\.[^.].*)$")]
"""`key` (the record's key) or a field of the event."""


class ContextSettings(Model):
    """The earlier messages that are shown with a message."""

    last: Annotated[int, Field(gt=0, le=100)]
    """How many, at most."""
    by: By = "key"
    """Messages belong together that share this: `key`, author or `attributes.<name>`. They must share a partition."""
    within: Seconds = Context(1).within_s
    """Messages older than this, counted back from the one that is judged, are left out."""
    chars: Count = Context(1).chars
    """Characters of all that is shown, at most; the oldest go first."""
    reread: Count = Context(1).reread
    """Records of a partition that are read again when it is assigned, to know what came before."""
    bytes: Bytes = Context(1).bytes
    """Memory for all keys together; the key that was silent for longest goes first."""


class LongSettings(Model):
    """What becomes of a content that is too long for one ask (`limits.content_tokens`, or the model's context)."""

    over: TooLong = DEFAULT_TERMS.too_long
    """`split`: judged in overlapping segments, the strictest counts. `abstain`: not judged."""
    overlap: Annotated[int, Field(ge=0)] = DEFAULT_TERMS.overlap
    """Tokens that neighbouring segments share, so that nothing hides at a border."""
    segments: Annotated[int, Field(ge=2, le=1000)] = DEFAULT_TERMS.segments
    """Segments of one content, at most; one that needs more abstains."""


class QuotaSettings(Model):
    """How much one key may have judged; what is over abstains (`rate_limited`), others are not slowed down."""

    tokens: Count
    """Tokens of content, counted for each policy that judges it."""
    per: Seconds = 60.0
    """The time in which so many may be used."""
    by: By = "key"
    """Whose quota it is: `key`, author or `attributes.<name>`."""
