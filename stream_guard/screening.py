"""screen: why a content goes to no engine, and until when an answer about it is of use. Pure."""

from __future__ import annotations

from math import inf

from stream_guard.delivery.hearing import Hearing
from stream_guard.events.content import Judged
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.records import Record
from stream_guard.routing import Route


def screen(content: Judged, seen: bool, route: Route, record: Record, now_ms: int) -> Abstention | None:
    """Why a content goes to no engine, None where it does. The cheapest reasons come first.

    `seen` says whether enough of the event itself can be looked at. What was said before it does not count: a picture in a
    room must not keep the texts after it from being judged. That it was not seen is said in the content's coverage.
    """
    since_ms = record.awaited_since_ms
    age_s = (now_ms - since_ms) / 1000 if since_ms is not None else 0.0
    if route.expire_after_s is not None and age_s > route.expire_after_s:
        return Abstention(AbstentionReason.EXPIRED, f"read {age_s:.0f} s after its timestamp")
    if route.terms.respond_by_s is not None and age_s >= route.terms.respond_by_s:
        detail = f"respond_by: read {age_s:.1f} s after its timestamp, {route.terms.respond_by_s:g} s allowed"
        return Abstention(AbstentionReason.EXPIRED, detail)
    if not seen:
        return Abstention(AbstentionReason.UNSUPPORTED_CONTENT, "parts that are not text")
    if content.chars > route.limits.content_chars:
        return Abstention(
            AbstentionReason.TOO_LONG, f"{content.chars} characters, {route.limits.content_chars} allowed"
        )
    return None


def deadline_of(hearing: Hearing, route: Route) -> float:
    """Until when an answer is of use, in the loop's time: never over where the route or the record has no time to say."""
    respond_by_s, since_ms = route.terms.respond_by_s, hearing.record.awaited_since_ms
    if respond_by_s is None or since_ms is None:
        return inf
    return hearing.opened_at + respond_by_s - (hearing.opened_at_ms - since_ms) / 1000
