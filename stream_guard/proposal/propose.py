"""From sampled records to a proposal of how to read their topic. Pure; never raises, whatever the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Any

from msgspec import Struct

from stream_guard.events.reader import Format
from stream_guard.proposal.changes import new_only, with_deletes
from stream_guard.proposal.fields import Found, nameable
from stream_guard.proposal.looks import Look
from stream_guard.proposal.measure import Tally, measure
from stream_guard.proposal.paths import written
from stream_guard.proposal.profile import profile
from stream_guard.proposal.pruning import pruned
from stream_guard.proposal.shapes import Shape, shapes_of
from stream_guard.proposal.sight import Envelope, Form, Sight, data_of, sight
from stream_guard.records import Record

_MOST = 0.9


class Sort(StrEnum):
    """What a topic turned out to hold."""

    CANONICAL = "canonical"
    """Our own events."""
    OPENAI = "openai_chat"
    """Requests to, or responses of, OpenAI's chat API."""
    MAPPED = "mapped"
    """JSON that others made, and that a mapping reads."""
    UNMAPPED = "unmapped"
    """JSON in which no text was found."""
    TEXT = "text"
    """Plain text."""
    FRAMED = "framed"
    """Values of a schema registry that only its schemas make readable."""
    BINARY = "binary"
    """Form of no format that is known."""
    EMPTY = "empty"
    """Nothing at all."""


class Proposal(Struct, frozen=True):
    """How a topic could be read, and what speaks for it. Holds no sampled content."""

    sort: Sort
    sampled: Mapping[Form, int]
    """How many records were of which bytes."""
    read: Mapping[str, Any]
    """The `read:` section; empty for our own events."""
    shapes: tuple[Shape, ...] = ()
    envelope: Envelope | None = None
    tally: Tally = Tally()
    """What that section makes of the sample; nothing where only a registry could say."""
    notes: tuple[str, ...] = ()
    """What the reader of the proposal ought to know."""

    @property
    def records(self) -> int:
        """Records that were looked at, tombstones among them."""
        return sum(self.sampled.values())

    @property
    def valued(self) -> int:
        """Records that have a value."""
        return self.records - self.sampled.get(Form.TOMBSTONE, 0)

    @property
    def found(self) -> tuple[Found, ...]:
        """All fields that were found, shape by shape."""
        return tuple(found for shape in self.shapes if shape.body is not None for found in shape.body.found)

    @property
    def judge(self) -> tuple[str, ...]:
        """What of the events a route should judge: all that may come, since a kind that no route judges is passed over."""
        mapped = {shape.body.kind for shape in self.shapes if shape.body is not None}
        kinds = mapped or _KINDS.get(self.sort, set(_VIEWS))
        # Nobody knows whether a foreign conversation comes again with its next turn: then all of it must be judged.
        return tuple("chat" if mapped and kind == "chat" else view for kind, view in _VIEWS.items() if kind in kinds)


_VIEWS: Mapping[str, str] = {"message": "message", "chat": "last_turn", "completion": "completion"}
_KINDS: Mapping[Sort, AbstractSet[str]] = {Sort.TEXT: {"message"}, Sort.OPENAI: {"chat", "completion"}}
"""Kinds of events where no mapping of our making says which there are; elsewhere all."""
BLANK = Proposal(Sort.EMPTY, {}, {})
"""What is proposed where nothing was looked at: our own events."""


def propose(records: Sequence[Record]) -> Proposal:
    """How the topic of these records could be read."""
    sample = [sight(record) for record in records]
    sampled = Counter(seen.form for seen in sample)
    valued = [seen for seen in sample if seen.form not in {Form.TOMBSTONE, Form.EMPTY}]
    if not valued:
        return Proposal(Sort.EMPTY, dict(sampled), {})
    main, count = Counter(seen.form for seen in valued).most_common(1)[0]
    chosen = [seen for seen in valued if seen.form is main]
    proposal = _PROPOSERS[main](chosen)
    mixed = len(valued) - count
    notes = [
        *proposal.notes,
        *([f"{mixed} of {len(valued)} records are not {main}: this can't read them"] if mixed else []),
    ]
    tally = proposal.tally if proposal.sort is Sort.FRAMED else measure(proposal.read, sample)
    return Proposal(
        proposal.sort, dict(sampled), proposal.read, proposal.shapes, proposal.envelope, tally, tuple(notes)
    )


def _of_text(chosen: Sequence[Sight]) -> Proposal:
    envelope = _envelope(chosen)
    read = {"format": str(Format.TEXT)} if envelope is None else {"envelope": "cloudevents"}
    return Proposal(Sort.TEXT, {}, read, envelope=envelope)


def _of_binary(_: Sequence[Sight]) -> Proposal:
    note = "the values are neither JSON nor text nor in a schema registry's frame: stream-guard can't read such a topic"
    return Proposal(Sort.BINARY, {}, {}, notes=(note,))


def _of_framed(chosen: Sequence[Sight]) -> Proposal:
    """JSON Schema leaves the JSON readable; Avro and Protobuf are read by their schemas alone."""
    readable = [seen for seen in chosen if isinstance(seen.document, dict | list)]
    if len(readable) < _MOST * len(chosen):
        note = "the values begin with the frame of a schema registry; Avro or Protobuf, which only its schemas tell"
        return Proposal(Sort.FRAMED, {}, {"format": str(Format.AVRO)}, notes=(note,))
    inner = _of_json(readable)
    note = "the values are JSON in the frame of a schema registry"
    return Proposal(
        inner.sort, {}, {"format": str(Format.JSON_SCHEMA), **inner.read}, inner.shapes, notes=(note, *inner.notes)
    )


def _of_json(chosen: Sequence[Sight]) -> Proposal:
    envelope = _envelope(chosen)
    outer: dict[str, Any] = {} if envelope is None else {"envelope": "cloudevents"}
    ready: tuple[tuple[Sort, dict[str, Any]], ...] = (
        (Sort.CANONICAL, outer),
        (Sort.OPENAI, {**outer, "mapping": "openai_chat"}),
    )
    for sort, read in ready:
        if _plausible(sort, chosen) and measure(read, chosen).read >= _MOST * len(chosen):
            return Proposal(sort, {}, read, envelope=envelope)
    return _mapped(chosen, outer, envelope)


def _mapped(chosen: Sequence[Sight], outer: Mapping[str, Any], envelope: Envelope | None) -> Proposal:
    documents = [new_only(data_of(seen)) for seen in chosen]
    shapes, notes = shapes_of(documents), _notes(documents)
    if not any(shape.body for shape in shapes):
        return Proposal(Sort.UNMAPPED, {}, outer, envelope=envelope, notes=notes)
    shapes, left_out = pruned(with_deletes(shapes, documents), outer, chosen)
    read = {**outer, "mapping": [shape.mapping for shape in shapes]}
    return Proposal(Sort.MAPPED, {}, read, shapes, envelope, notes=(*notes, *left_out))


_PROPOSERS = {
    Form.JSON: _of_json,
    Form.TEXT: _of_text,
    Form.FRAMED: _of_framed,
    Form.BINARY: _of_binary,
}


def _envelope(chosen: Sequence[Sight]) -> Envelope | None:
    envelope, count = Counter(seen.envelope for seen in chosen).most_common(1)[0]
    return envelope if count >= _MOST * len(chosen) else None


def _plausible(sort: Sort, chosen: Sequence[Sight]) -> bool:
    """Whether the documents have the fields that make this form what it is: turns alone are no request."""
    return sort is Sort.CANONICAL or sum(_speaks_openai(data_of(seen)) for seen in chosen) >= _MOST * len(chosen)


def _speaks_openai(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    if isinstance(document.get("choices"), list) or {"model", "messages"} <= document.keys():
        return True
    return any(isinstance(document.get(name), dict) and "choices" in document[name] for name in ("response", "output"))


def _notes(documents: Sequence[Any]) -> tuple[str, ...]:
    found = profile(documents)
    encoded = [
        field
        for field in found.fields.values()
        if field.portion(Look.ENCODED) > _MOST and not field.below_array and nameable(found, field)
    ]
    return tuple(f"{written(f.path)} holds JSON inside a text: a mapping can't look into it" for f in encoded[:3])
