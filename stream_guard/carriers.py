"""Topics of our own that carry whole records: what they hold, and how the originals come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_guard.escalation import record as escalation
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.records import Record
from stream_guard.redrive import provenance as redrive
from stream_guard.routing import Routes


def keepers(routes: Routes, topics: Sequence[str], chosen: Selection) -> dict[str, set[str]]:
    """For each topic that holds whole records of others, whose: dead letters, escalations, and the redrive topic, which holds any.

    `topics` are the inputs that are not our own.
    """
    ours = set() if chosen.escalation is None else {chosen.escalation}
    kept: dict[str, set[str]] = {} if chosen.redrive is None else {chosen.redrive: {*topics, *ours}}
    for route in routes.all:
        sources = {topic for topic in topics if route.topic.fullmatch(topic)}
        kept.setdefault(route.outputs.dead_letters, set()).update(sources, ours)
        if route.escalation is not None and route.escalation.topic is not None:
            kept.setdefault(route.escalation.topic, set()).update(sources)
    return kept


def reread(routes: Routes, chosen: Selection) -> Callable[[str], int]:
    """How many records of a topic are read again for context. None of a topic of ours, though a route's pattern may match it."""
    return lambda topic: 0 if topic in chosen.carrying else routes.reread(topic)


def restorers(chosen: Selection) -> dict[str, Callable[[Record], Record]]:
    """How the originals of records of our own topics come back, by topic.

    A dead letter of an escalated record holds what lay in the escalation topic: redriven, it comes back in two steps.
    """

    def redriven(record: Record) -> Record:
        back = redrive.restored(record)
        escalated_before = back.origin is not None and back.topic == chosen.escalation
        return escalation.restored(back) if escalated_before else back

    restore: dict[str, Callable[[Record], Record]] = {}
    if chosen.escalation is not None:
        restore[chosen.escalation] = escalation.restored
    if chosen.redrive is not None:
        restore[chosen.redrive] = redriven
    return restore
