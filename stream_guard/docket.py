"""decode -> route -> screen: what a list of records comes to before anyone is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream_guard.contexts import Contexts
from stream_guard.delivery.hearing import Hearing
from stream_guard.escalation.policies import CarriedPolicies
from stream_guard.escalation.record import in_context
from stream_guard.events.content import CONTEXT_PARTIAL, Judged
from stream_guard.events.model import Completion, Event, Message, View
from stream_guard.events.normalising import normalised
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.events.render import has_text, turn_of
from stream_guard.events.render import judged as render_judged
from stream_guard.identity import Subject, VerdictId, completion_subject, event_subject, record_subject
from stream_guard.judging.case import Case, Dues, abstained
from stream_guard.prompting.port import Template
from stream_guard.records import Escalated, Lease, Record
from stream_guard.redrive.rehearing import asked_of, carried
from stream_guard.routing import Context, Route, Routes, field_of, kind_of
from stream_guard.screening import deadline_of, screen
from stream_guard.sorting import NOT_SELECTED, Found, Passed, Refused, Selected, Sorting
from stream_guard.telemetry.port import Trace, trace_headers
from stream_guard.verdicts.model import Position

UNKNOWN_KIND = "unknown"
"""The kind in the subject of a record of which no event could be made."""


class Docket:
    """Opens hearings. Pure: what it makes of a record depends on the record, the routes and the given time alone.

    And, on a route with a context, on the messages before it: `Contexts` says what of them is shown.
    """

    def __init__(self, routes: Routes, *, cluster: str, policies: CarriedPolicies | None = None) -> None:
        """`policies` make templates of those that come with escalated records, where any may come."""
        self._routes, self._sorting = routes, Sorting(routes)
        self._cluster = cluster
        self._policies = policies
        self._contexts = _contexts(routes)

    @property
    def remembers(self) -> bool:
        """Whether any route has a context, so that there may be records to remember and leases to forget."""
        return bool(self._contexts)

    def adopt(self, routes: Routes) -> None:
        """Opens what comes from now on under other routes. What is open keeps its own.

        Where these select otherwise, memory begins anew, and says so: what was remembered may lack what belongs there now.
        """
        if self._contexts and _selecting(routes) != _selecting(self._routes):
            self._contexts = _contexts(routes)
        if self._policies is not None:
            self._policies.know(policy for template in routes.templates for policy in template.policies)
        self._routes, self._sorting = routes, Sorting(routes)

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
            found = self._sorting.find(record, record.size)
            if isinstance(found, Selected) and isinstance(found.event, Message) and found.route.context is not None:
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
        found = self._sorting.find(hearing.record, hearing.size)
        if origin is not None and origin.escalated is not None:
            self._hear_escalated(hearing, origin.escalated, found)
        elif isinstance(found, Selected):
            self._open_cases(hearing, found.event, found.route, found.view)
        elif isinstance(found, Refused):
            self._reject(hearing, found.why, found.route, found.event)
        else:
            no_longer = origin is not None and found is NOT_SELECTED
            hearing.outcome, hearing.route = (_NO_LONGER_SELECTED if no_longer else found.why), found.route

    def _hear_escalated(self, hearing: Hearing, escalated: Escalated, found: Found) -> None:
        """A route says how it is read and where results go; under which policy, and in which view, came with it.

        It ends in a verdict or in a dead letter, never ignored: somebody awaits what becomes of it.
        """
        hearing.follow(escalated.policy_id, VerdictId(escalated.verdict_id), escalated.sequence)
        if isinstance(found, Refused):
            self._reject(hearing, found.why, found.route, found.event)
        elif isinstance(found, Passed) or self._policies is None:
            self._reject(hearing, _UNFIT, found.route or self._routes.all[0], None)
        elif isinstance(template := self._policies.template(escalated, kind_of(found.event)), Rejection):
            self._reject(hearing, template, found.route, found.event)
        else:
            self._open_cases(hearing, found.event, found.route, View(escalated.view), (template,))

    def _reject(self, hearing: Hearing, why: Rejection, route: Route, event: Event | None) -> None:
        hearing.route, hearing.outcome = route, why
        if event is None:
            self._identify(hearing, UNKNOWN_KIND, self._record_subject(hearing.record, UNKNOWN_KIND))
        else:
            hearing.event_id = event.id
            self._identify(hearing, kind_of(event), self._subject(hearing.record, route, event))

    def _open_cases(
        self, hearing: Hearing, event: Event, route: Route, view: View, carried: tuple[Template, ...] = ()
    ) -> None:
        templates = carried or route.together(view, asked_of(hearing, route.templates[view]))
        if not templates:
            hearing.outcome, hearing.route = _NO_LONGER_SELECTED, route
            return
        content = alone = render_judged(event, view)
        origin = hearing.record.origin
        if origin is not None and origin.escalated is not None:
            content = in_context(alone, origin.escalated)
        elif route.context is not None and isinstance(event, Message):
            content = self._in_context(hearing.record, event, route, route.context, alone)
        if route.normalise and content.chars <= route.limits.content_chars:
            content = normalised(content, route.limits.content_chars - content.chars)
        hearing.route, hearing.judged, hearing.event_id = route, content, event.id
        self._identify(hearing, kind_of(event), self._subject(hearing.record, route, event))
        traceparent = hearing.trace.traceparent if hearing.trace else None
        # What an operator redrives, or a deployment escalates, is nobody's flood.
        limited = route.terms.quota is not None and origin is None
        dues = Dues(_quota_key(route, hearing.record, event)) if limited else None
        flow, until = hearing.record.lease, deadline_of(hearing, route)
        cases = [
            Case(hearing, t, content, hearing.opened_at, traceparent, route.terms, dues, flow, until) for t in templates
        ]
        seen = alone.coverage.complete or (route.allow_unsupported and has_text(event, view))
        abstention = screen(content, seen, route, hearing.record, hearing.opened_at_ms)
        if abstention is None:
            for case in cases:
                hearing.open(case)
        else:
            hearing.screened = [outcome for case in cases for outcome in abstained(case, abstention)]

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


def _contexts(routes: Routes) -> Contexts:
    return Contexts({route.name: route.context for route in routes.all if route.context is not None})


def _selecting(routes: Routes) -> list[tuple[object, ...]]:
    """All by which routes say which messages are theirs, and what of them is shown."""
    return [
        (r.name, r.topic, tuple(r.templates), r.headers, r.fields, r.limits, r.reader, r.context) for r in routes.all
    ]


_UNFIT = Rejection(RejectionReason.NOT_ESCALATABLE, "no route here judges such a record")
_NO_LONGER_SELECTED = Ignored(IgnoredReason.NO_LONGER_SELECTED)


def _context_key(context: Context, record: Record, message: Message) -> str | bytes | None:
    """Which conversation a message belongs to, None where it says none: then it stands alone."""
    return record.key if context.by == "key" else field_of(message, context.by)


def _quota_key(route: Route, record: Record, event: Event) -> str:
    """Whose quota this is. What has no key shares one: without it, nobody would be limited by leaving it out."""
    own = (record.key or b"").hex() if route.quota_by == "key" else field_of(event, route.quota_by)
    return f"{route.name}/{own or ''}"
