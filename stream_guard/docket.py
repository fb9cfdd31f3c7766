"""decode -> route -> screen: what a list of records comes to before anyone is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from stream_guard.delivery.hearing import Hearing
from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Completion, Event, View
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.events.rejection import nests_deeper
from stream_guard.events.render import judged as render_judged
from stream_guard.identity import Subject, completion_subject, event_subject, record_subject
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.records import Record, Undecodable
from stream_guard.routing import Limits, Route, Routes, field_of, kind_of
from stream_guard.telemetry.port import Trace, trace_headers
from stream_guard.verdicts.model import Position

UNKNOWN_KIND = "unknown"
"""The kind in the subject of a record of which no event could be made."""


class Docket:
    """Opens hearings. Pure: what it makes of a record depends on the record, the routes and the given time alone."""

    def __init__(self, routes: Routes, *, cluster: str, topic_id: Callable[[str], str | None]) -> None:
        self._routes = routes
        self._cluster = cluster
        self._topic_id = topic_id

    def open(self, records: Sequence[Record], traces: Sequence[Trace | None], now: float, now_ms: int) -> list[Hearing]:
        """One hearing a record, in order. `now` is the loop's time in seconds, `now_ms` Unix time."""
        hearings = []
        for record, trace in zip(records, traces, strict=True):
            hearing = Hearing(record, record.size, trace, now, now_ms)
            self._hear(hearing)
            hearings.append(hearing)
        return hearings

    def _hear(self, hearing: Hearing) -> None:
        record = hearing.record
        if record.flaw and (routes := self._routes.of_topic(record.lease.topic)):
            # Without its headers nobody can say which route it belongs to: the first that could be its own keeps it.
            self._reject(hearing, routes[0], Rejection(RejectionReason.UNREADABLE, record.flaw))
            return
        candidates = self._routes.candidates(record.lease.topic, record.headers)
        if record.value is None:
            hearing.outcome = Ignored(IgnoredReason.TOMBSTONE)
            hearing.route = candidates[0] if candidates else None
            return
        if not candidates:
            hearing.outcome = Ignored(IgnoredReason.NOT_SELECTED)
            return
        value = record.value if record.document is None else record.document
        if isinstance(value, Undecodable):
            self._reject(hearing, candidates[0], Rejection(RejectionReason.UNDECODABLE, value.detail))
        else:
            self._hear_value(hearing, value, candidates)

    def _hear_value(self, hearing: Hearing, value: bytes, candidates: Sequence[Route]) -> None:
        """Reads it as the routes do, in order: one that can't make an event of it keeps it, unless it says it is not its own."""
        loosest = self._routes.loosest(hearing.record.lease.topic)
        for _, group in groupby(candidates, _READER):
            routes = tuple(group)
            event = _read(value, hearing, routes[0], loosest)
            if isinstance(event, Rejection):
                self._reject(hearing, routes[0], event)
                return
            if not isinstance(event, Ignored) and (selected := self._routes.select(routes, event)) is not None:
                self._hear_event(hearing, value, event, *selected)
                return
        hearing.outcome = Ignored(IgnoredReason.NOT_SELECTED)

    def _hear_event(self, hearing: Hearing, value: bytes, event: Event, route: Route, view: View) -> None:
        """Was read within the loosest limits of the topic's routes; is held to those of its own."""
        loosest = self._routes.loosest(hearing.record.lease.topic)
        beyond = _beyond(route.limits, loosest, hearing.size, value, event)
        if beyond is not None:
            self._reject(hearing, route, beyond, event)
            return
        self._open_cases(hearing, event, route, view)

    def _reject(self, hearing: Hearing, route: Route, outcome: Rejection, event: Event | None = None) -> None:
        hearing.route, hearing.outcome = route, outcome
        if event is None:
            subject = record_subject(*self._origin(hearing.record), hearing.record, UNKNOWN_KIND)
            self._identify(hearing, UNKNOWN_KIND, subject)
        else:
            hearing.event_id = event.id
            self._identify(hearing, kind_of(event), self._subject(hearing.record, route, event))

    def _open_cases(self, hearing: Hearing, event: Event, route: Route, view: View) -> None:
        content = render_judged(event, view)
        hearing.route, hearing.judged, hearing.event_id = route, content, event.id
        self._identify(hearing, kind_of(event), self._subject(hearing.record, route, event))
        traceparent = hearing.trace.traceparent if hearing.trace else None
        quota_key = _quota_key(route, hearing.record, event) if route.terms.quota is not None else ""
        cases = [
            Case(hearing, t, content, hearing.opened_at, traceparent, route.terms, quota_key)
            for t in route.templates[view]
        ]
        abstention = screen(content, route, hearing.record, hearing.opened_at_ms)
        if abstention is None:
            hearing.cases = cases
        else:
            hearing.screened = [Outcome(case, abstention) for case in cases]

    def _identify(self, hearing: Hearing, kind: str, subject: Subject) -> None:
        record = hearing.record
        hearing.kind, hearing.subject = kind, subject
        hearing.trace_headers = trace_headers(hearing.trace, record)
        hearing.position = Position(
            cluster=self._cluster,
            topic=record.lease.topic,
            topic_id=self._topic_id(record.lease.topic),
            partition=record.lease.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp_ms,
        )

    def _origin(self, record: Record) -> tuple[str, str]:
        topic = record.lease.topic
        return self._cluster, self._topic_id(topic) or topic

    def _subject(self, record: Record, route: Route, event: Event) -> Subject:
        # An empty id is no id: all events that have one would be the same event.
        if event.id and isinstance(event, Completion):
            return completion_subject(event.id)
        if event.id and route.unique_event_id:
            return event_subject(route.name, event.id)
        return record_subject(*self._origin(record), record, kind_of(event))


def screen(content: Judged, route: Route, record: Record, now_ms: int) -> Abstention | None:
    """Why a content goes to no engine, None where it does. The cheapest reasons come first."""
    age_s = (now_ms - record.timestamp_ms) / 1000 if record.timestamp_ms is not None else 0.0
    if route.expire_after_s is not None and age_s > route.expire_after_s:
        return Abstention(AbstentionReason.EXPIRED, f"read {age_s:.0f} s after its timestamp")
    coverage = content.coverage
    if not coverage.complete and not (route.allow_unsupported and coverage.text_parts):
        return Abstention(AbstentionReason.UNSUPPORTED_CONTENT, "parts that are not text")
    size = len(content.text) + len(content.context)
    if size > route.limits.content_chars:
        return Abstention(AbstentionReason.TOO_LONG, f"{size} characters, {route.limits.content_chars} allowed")
    return None


_READER = attrgetter("reader")


def _read(value: bytes, hearing: Hearing, route: Route, limits: Limits) -> Event | Ignored | Rejection:
    return _too_large(hearing.size, limits) or route.reader.read(
        value, hearing.record, max_bytes=limits.record_bytes, max_depth=limits.depth
    )


def _quota_key(route: Route, record: Record, event: Event) -> str:
    """Whose quota this is. What has no key shares one: without it, nobody would be limited by leaving it out."""
    key = record.key.hex() if record.key else None
    return f"{route.name}/{key if route.quota_by == 'key' else field_of(event, route.quota_by)}"


def _beyond(limits: Limits, checked: Limits, size: int, value: bytes, event: Event) -> Rejection | None:
    """Why a record is more than its own route takes; `checked` are the limits within which it was decoded."""
    turns = _turns(event)
    if turns > limits.turns:
        return Rejection(RejectionReason.TOO_LARGE, f"{turns} turns, {limits.turns} allowed")
    if limits.depth < checked.depth and nests_deeper(value, limits.depth):
        return Rejection(RejectionReason.TOO_DEEP, f"nests deeper than {limits.depth}")
    return _too_large(size, limits)


def _too_large(size: int, limits: Limits) -> Rejection | None:
    if size <= limits.record_bytes:
        return None
    return Rejection(
        RejectionReason.TOO_LARGE, f"{size} bytes of key, value and headers, {limits.record_bytes} allowed"
    )


def _turns(event: Event) -> int:
    if isinstance(event, Chat):
        return len(event.turns)
    return len(event.prompt) if isinstance(event, Completion) else 0
