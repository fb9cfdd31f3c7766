"""decode -> route: which event a record is, and which route it belongs to in which view; or why none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias

from msgspec import Struct

from stream_guard.events.model import Chat, Completion, Event, View
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.events.rejection import nests_deeper
from stream_guard.records import Record, Undecodable
from stream_guard.routing import Limits, Route, Routes


class Selected(Struct, frozen=True, gc=False):
    """A route judges this view of the event."""

    event: Event
    route: Route
    view: View


class Refused(Struct, frozen=True, gc=False):
    """No case can be made of the record, which a route keeps. `event` is None where none could be read."""

    why: Rejection
    route: Route
    event: Event | None = None


class Passed(Struct, frozen=True, gc=False):
    """Nothing is to be done about the record. `route` is the one that it would have belonged to, where that is known."""

    why: Ignored
    route: Route | None = None


Found: TypeAlias = Selected | Refused | Passed

NOT_SELECTED = Passed(Ignored(IgnoredReason.NOT_SELECTED))


class Sorting:
    """Finds out. Pure: what it says of a record depends on the record and the routes alone."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def find(self, record: Record, size: int) -> Found:
        """What a record is, to which route. `size` in bytes."""
        if record.flaw and (route := self._keeper(record)) is not None:
            return Refused(Rejection(RejectionReason(record.flaw_kind), record.flaw), route)
        candidates = self._routes.candidates(record.topic, record.headers)
        if record.value is None:
            return Passed(Ignored(IgnoredReason.TOMBSTONE), candidates[0] if candidates else None)
        if not candidates:
            return NOT_SELECTED
        value = record.value if record.document is None else record.document
        if isinstance(value, Undecodable):
            return Refused(Rejection(RejectionReason.UNDECODABLE, value.detail), candidates[0])
        return self._find_event(record, size, value, candidates)

    def _keeper(self, record: Record) -> Route | None:
        """Without its headers nobody can say which route a record belongs to: the first that could be its own keeps it.

        What came by a topic of ours and does not say where it is from belongs to none: the first of all keeps it. And what was
        escalated from a topic that no route reads.
        """
        routes = self._routes.of_topic(record.topic)
        redriven = record.origin is not None and record.origin.escalated is None
        return next(iter(routes if routes or redriven else self._routes.all), None)

    def _find_event(self, record: Record, size: int, value: bytes, candidates: Sequence[Route]) -> Found:
        """Reads it as the routes do, in order: one that can't make an event of it keeps it, unless it says it is not its own.

        It is read within the loosest limits of the topic's routes, then held to those of its own.
        """
        loosest = self._routes.loosest(record.topic)
        for _, group in groupby(candidates, _READER):
            routes = tuple(group)
            event = _read(value, record, size, routes[0], loosest)
            if isinstance(event, Rejection):
                return Refused(event, routes[0])
            if not isinstance(event, Ignored) and (selected := self._routes.select(routes, event)) is not None:
                route, view = selected
                beyond = _beyond(route.limits, loosest, size, value, event)
                return Selected(event, route, view) if beyond is None else Refused(beyond, route, event)
        return NOT_SELECTED


_READER = attrgetter("reader")


def _read(value: bytes, record: Record, size: int, route: Route, limits: Limits) -> Event | Ignored | Rejection:
    return _too_large(size, limits) or route.reader.read(
        value, record, max_bytes=limits.record_bytes, max_depth=limits.depth
    )


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
