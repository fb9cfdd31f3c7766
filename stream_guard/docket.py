"""decode -> route -> screen: what a list of records comes to before anyone is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import inf
from operator import attrgetter
from typing import TypeAlias

from msgspec import Struct

from stream_guard.contexts import Contexts
from stream_guard.delivery.hearing import Hearing
from stream_guard.events.content import CONTEXT_PARTIAL, Judged
from stream_guard.events.model import Chat, Completion, Event, Message, View
from stream_guard.events.normalising import normalised
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.events.rejection import nests_deeper
from stream_guard.events.render import has_text, turn_of
from stream_guard.events.render import judged as render_judged
from stream_guard.identity import Subject, completion_subject, event_subject, record_subject
from stream_guard.judging.case import Case, Dues, Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.records import Lease, Record, Undecodable
from stream_guard.redrive.rehearing import asked_of, carried
from stream_guard.routing import Context, Limits, Route, Routes, field_of, kind_of
from stream_guard.telemetry.port import Trace, trace_headers
from stream_guard.verdicts.model import Position

UNKNOWN_KIND = "unknown"
"""The kind in the subject of a record of which no event could be made."""


class _Selected(Struct, frozen=True, gc=False):
    """A route judges this view of the event."""

    event: Event
    route: Route
    view: View


class _Refused(Struct, frozen=True, gc=False):
    """No case can be made of the record, which a route keeps. `event` is None where none could be read."""

    why: Rejection
    route: Route
    event: Event | None = None


class _Passed(Struct, frozen=True, gc=False):
    """Nothing is to be done about the record. `route` is the one that it would have belonged to, where that is known."""

    why: Ignored
    route: Route | None = None


_Found: TypeAlias = _Selected | _Refused | _Passed


class Docket:
    """Opens hearings. Pure: what it makes of a record depends on the record, the routes and the given time alone.

    And, on a route with a context, on the messages before it: `Contexts` says what of them is shown.
    """

    def __init__(self, routes: Routes, *, cluster: str) -> None:
        self._routes = routes
        self._cluster = cluster
        self._contexts = Contexts({route.name: route.context for route in routes.all if route.context is not None})
        self.remembers = bool(self._contexts)
        """Whether any route has a context, so that there may be records to remember and leases to forget."""

    def open(self, records: Sequence[Record], traces: Sequence[Trace | None], now: float, now_ms: int) -> list[Hearing]:
        """One hearing a record, in order. `now` is the loop's time in seconds, `now_ms` Unix time."""
        hearings = []
        for record, trace in zip(records, traces, strict=True):
            hearing = Hearing(record, record.size, trace, now, now_ms)
            self._hear(hearing)
            hearings.append(hearing)
        return hearings

    def remember(self, records: Iterable[Record]) -> None:
        """Takes in records that are past, in the order of their offsets: they are context for those to come, and no more."""
        for record in records:
            self._contexts.witness(record)
            found = self._find(record, record.size)
            if isinstance(found, _Selected) and isinstance(found.event, Message) and found.route.context is not None:
                line = render_judged(found.event, found.view).text
                self._remember(record, found.event, found.route, found.route.context, len(line))

    def forget(self, leases: Iterable[Lease]) -> None:
        """Leases end, and with them what is remembered of them."""
        self._contexts.forget(leases)

    def _hear(self, hearing: Hearing) -> None:
        origin = hearing.record.origin
        if origin is not None:
            hearing.carried = carried(origin)
        elif self.remembers:
            self._contexts.witness(hearing.record)
        found = self._find(hearing.record, hearing.size)
        if isinstance(found, _Selected):
            self._open_cases(hearing, found.event, found.route, found.view)
        elif isinstance(found, _Refused):
            self._reject(hearing, found.why, found.route, found.event)
        else:
            no_longer = origin is not None and found is _NOT_SELECTED
            hearing.outcome, hearing.route = (_NO_LONGER_SELECTED if no_longer else found.why), found.route

    def _find(self, record: Record, size: int) -> _Found:
        """What a record is, to which route. `size` in bytes."""
        if record.flaw and (route := self._keeper(record)) is not None:
            return _Refused(Rejection(RejectionReason(record.flaw_kind), record.flaw), route)
        candidates = self._routes.candidates(record.topic, record.headers)
        if record.value is None:
            return _Passed(Ignored(IgnoredReason.TOMBSTONE), candidates[0] if candidates else None)
        if not candidates:
            return _NOT_SELECTED
        value = record.value if record.document is None else record.document
        if isinstance(value, Undecodable):
            return _Refused(Rejection(RejectionReason.UNDECODABLE, value.detail), candidates[0])
        return self._find_event(record, size, value, candidates)

    def _keeper(self, record: Record) -> Route | None:
        """Without its headers nobody can say which route a record belongs to: the first that could be its own keeps it.

        What came by the redrive topic and does not say where it is from belongs to none: the first of all keeps it.
        """
        routes = self._routes.of_topic(record.topic)
        return next(iter(routes if routes or record.origin is not None else self._routes.all), None)

    def _find_event(self, record: Record, size: int, value: bytes, candidates: Sequence[Route]) -> _Found:
        """Reads it as the routes do, in order: one that can't make an event of it keeps it, unless it says it is not its own.

        It is read within the loosest limits of the topic's routes, then held to those of its own.
        """
        loosest = self._routes.loosest(record.topic)
        for _, group in groupby(candidates, _READER):
            routes = tuple(group)
            event = _read(value, record, size, routes[0], loosest)
            if isinstance(event, Rejection):
                return _Refused(event, routes[0])
            if not isinstance(event, Ignored) and (selected := self._routes.select(routes, event)) is not None:
                route, view = selected
                beyond = _beyond(route.limits, loosest, size, value, event)
                return _Selected(event, route, view) if beyond is None else _Refused(beyond, route, event)
        return _NOT_SELECTED

    def _reject(self, hearing: Hearing, why: Rejection, route: Route, event: Event | None) -> None:
        hearing.route, hearing.outcome = route, why
        if event is None:
            self._identify(hearing, UNKNOWN_KIND, self._record_subject(hearing.record, UNKNOWN_KIND))
        else:
            hearing.event_id = event.id
            self._identify(hearing, kind_of(event), self._subject(hearing.record, route, event))

    def _open_cases(self, hearing: Hearing, event: Event, route: Route, view: View) -> None:
        templates = asked_of(hearing, route.templates[view])
        if not templates:
            hearing.outcome, hearing.route = _NO_LONGER_SELECTED, route
            return
        content = alone = render_judged(event, view)
        if route.context is not None and isinstance(event, Message):
            content = self._in_context(hearing.record, event, route, route.context, alone)
        if route.normalise and content.chars <= route.limits.content_chars:
            content = normalised(content, route.limits.content_chars - content.chars)
        hearing.route, hearing.judged, hearing.event_id = route, content, event.id
        self._identify(hearing, kind_of(event), self._subject(hearing.record, route, event))
        traceparent = hearing.trace.traceparent if hearing.trace else None
        # What an operator redrives is nobody's flood.
        limited = route.terms.quota is not None and hearing.record.origin is None
        dues = Dues(_quota_key(route, hearing.record, event)) if limited else None
        flow, deadline = hearing.record.lease, _deadline(hearing, route)
        cases = [
            Case(hearing, t, content, hearing.opened_at, traceparent, route.terms, dues, flow, deadline)
            for t in templates
        ]
        seen = alone.coverage.complete or (route.allow_unsupported and has_text(event, view))
        abstention = screen(content, seen, route, hearing.record, hearing.opened_at_ms)
        if abstention is None:
            hearing.cases = cases
        else:
            hearing.screened = [Outcome(case, abstention) for case in cases]

    def _in_context(self, record: Record, message: Message, route: Route, context: Context, alone: Judged) -> Judged:
        """The message with what was said before it, which is then context in its turn. Too much of it is cut, not the message."""
        key = _context_key(context, record, message)
        if key is None:
            return alone
        if record.origin is not None:
            # What was said before it was said long ago, and what is said now does not follow it.
            return alone.signalling(CONTEXT_PARTIAL)
        room = route.limits.content_chars - len(alone.text)
        turns, whole = self._contexts.recall(route.name, record, key, room)
        self._contexts.remember(route.name, record, key, turn_of(message), len(alone.text))
        content = render_judged(message, alone.view, turns) if turns else alone
        return content if whole else content.signalling(CONTEXT_PARTIAL)

    def _remember(self, record: Record, message: Message, route: Route, context: Context, chars: int) -> None:
        key = _context_key(context, record, message)
        if key is not None:
            self._contexts.remember(route.name, record, key, turn_of(message), chars)

    def _identify(self, hearing: Hearing, kind: str, subject: Subject) -> None:
        record = hearing.record
        cluster, topic_id = self._home(record)
        hearing.kind, hearing.subject = kind, subject
        hearing.trace_headers = trace_headers(hearing.trace, record)
        hearing.position = Position(
            cluster=cluster,
            topic=record.topic,
            topic_id=topic_id,
            partition=record.partition,
            offset=record.origin_offset,
            timestamp_ms=record.timestamp_ms,
        )

    def _home(self, record: Record) -> tuple[str, str | None]:
        """The cluster in which a record was written, and the id of its topic."""
        origin = record.origin
        return (self._cluster, record.lease.topic_id) if origin is None else (origin.cluster, origin.topic_id)

    def _record_subject(self, record: Record, kind: str) -> Subject:
        """What was redriven keeps its subject: it could not be said then what kind of event it is, and now perhaps it can."""
        if record.origin is not None:
            return Subject(record.origin.subject)
        return record_subject(self._cluster, record.lease.topic_id or record.topic, record, kind)

    def _subject(self, record: Record, route: Route, event: Event) -> Subject:
        # An empty id is no id: all events that have one would be the same event.
        named = bool(event.id) and record.origin is None
        if event.id and named and isinstance(event, Completion):
            return completion_subject(event.id)
        if event.id and named and route.unique_event_id:
            return event_subject(route.name, event.id)
        return self._record_subject(record, kind_of(event))


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


_READER = attrgetter("reader")
_NOT_SELECTED = _Passed(Ignored(IgnoredReason.NOT_SELECTED))
_NO_LONGER_SELECTED = Ignored(IgnoredReason.NO_LONGER_SELECTED)


def _read(value: bytes, record: Record, size: int, route: Route, limits: Limits) -> Event | Ignored | Rejection:
    return _too_large(size, limits) or route.reader.read(
        value, record, max_bytes=limits.record_bytes, max_depth=limits.depth
    )


def _deadline(hearing: Hearing, route: Route) -> float:
    """Until when an answer is of use, in the loop's time: never over where the route or the record has no time to say."""
    respond_by_s, since_ms = route.terms.respond_by_s, hearing.record.awaited_since_ms
    if respond_by_s is None or since_ms is None:
        return inf
    return hearing.opened_at + respond_by_s - (hearing.opened_at_ms - since_ms) / 1000


def _context_key(context: Context, record: Record, message: Message) -> str | bytes | None:
    """Which conversation a message belongs to, None where it says none: then it stands alone."""
    return record.key if context.by == "key" else field_of(message, context.by)


def _quota_key(route: Route, record: Record, event: Event) -> str:
    """Whose quota this is. What has no key shares one: without it, nobody would be limited by leaving it out."""
    own = (record.key or b"").hex() if route.quota_by == "key" else field_of(event, route.quota_by)
    return f"{route.name}/{own or ''}"


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
