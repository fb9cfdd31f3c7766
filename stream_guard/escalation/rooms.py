"""How much larger than its record an escalation record may be: its topic has to take it."""

from __future__ import annotations

from stream_guard.policy.load import MAX_BYTES
from stream_guard.routing import Routes

_HEADERS = 65_536
"""Bytes of the provenance, the entries of the event's verdicts, and the batch's frame."""
_CHARACTER = 4
"""Bytes that a character of the context takes, at most."""


def escalation_rooms(routes: Routes) -> dict[str, int]:
    """By topic to escalate to, the bytes that are needed beside the record."""
    rooms: dict[str, int] = {}
    for route in routes.all:
        if route.escalation is not None and route.escalation.topic is not None:
            topic = route.escalation.topic
            rooms[topic] = max(rooms.get(topic, 0), escalation_room(route.context.chars if route.context else 0))
    return rooms


def escalation_room(context_chars: int) -> int:
    """The bytes that are needed beside a record which is shown with so many characters of context, at most."""
    return _HEADERS + MAX_BYTES + context_chars * _CHARACTER
