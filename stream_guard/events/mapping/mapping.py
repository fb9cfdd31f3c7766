"""Reads records whose form others chose: shapes are tried in order, and the first whose conditions hold makes the event.

What must be found is a message's text, a chat's turns with role and text, and a completion; the rest is None where it
is absent or null. What is found but can't be taken (an object for a text, an unknown role) rejects the record: an event
that was read only in part must not be judged as if it were whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, get_args

from stream_guard.events.decode import blank
from stream_guard.events.document import parse
from stream_guard.events.mapping.contents import content_field
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.scalars import Field, as_id, as_name, as_scalar, as_text, as_time, fields_reader
from stream_guard.events.mapping.shapes import (
    REST,
    ChatShape,
    CompletionShape,
    Facts,
    Ignore,
    MessageShape,
    Reject,
    Shape,
    Turns,
)
from stream_guard.events.mapping.sources import Unmapped, located, one
from stream_guard.events.model import Chat, Completion, Event, Message, Role, Turn
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.records import Record

ROLES: tuple[Role, ...] = get_args(Role)
_Make: TypeAlias = Callable[[Any, Record], Event | Ignored | Rejection]
# An event is made of one dict of fields: merging keywords into a call costs as much as all the rest of reading them.
_NO_SHAPE = Rejection(RejectionReason.UNMAPPED, "no shape of the mapping applies")
_IGNORED = Ignored(IgnoredReason.NOT_SELECTED)
_CONVERT = {"id": as_id, "author": as_name, "language": as_text, "created_at": as_time}


class MappingReader:
    """Reads JSON by a mapping."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = tuple(shapes)
        self._made = tuple((tuple(c.compiled() for c in shape.when), _maker(shape)) for shape in self.shapes)

    def read(self, value: bytes, record: Record, *, max_bytes: int, max_depth: int) -> Event | Ignored | Rejection:
        """See the port."""
        document = parse(value, max_bytes, max_depth)
        if type(document) is Rejection:
            return document
        try:
            for conditions, make in self._made:
                if not conditions or all(holds(document, record) for holds in conditions):
                    return make(document, record)
        except Unmapped as error:
            return Rejection(RejectionReason.UNMAPPED, str(error))
        except RecursionError:
            return Rejection(RejectionReason.TOO_DEEP, "nests deeper than the values of a filter can be compared")
        return _NO_SHAPE


def _maker(shape: Shape) -> _Make:
    match shape.makes:
        case MessageShape() as message:
            return _message(message)
        case ChatShape() as chat:
            return _chat(chat)
        case CompletionShape() as completion:
            return _completion(completion)
        case Ignore():
            return lambda _document, _record: _IGNORED
        case Reject(detail=detail):
            rejection = Rejection(RejectionReason.UNMAPPED, detail)
            return lambda _document, _record: rejection


def _message(shape: MessageShape) -> _Make:
    content = content_field("message.text", shape.text, shape.parts)
    facts = _facts("message", shape.facts)

    def make(document: Any, record: Record) -> Message | Rejection:
        found = facts(document, record)
        found["content"] = content(document, record)
        message = Message(**found)
        return blank(message) or message

    return make


def _chat(shape: ChatShape) -> _Make:
    turns = _turns("chat.turns", shape.turns)
    facts = _facts("chat", shape.facts)

    def make(document: Any, record: Record) -> Chat | Rejection:
        found = facts(document, record)
        found["turns"] = turns(document, record)
        if not found["turns"]:
            msg = f"chat.turns: {shape.turns.turns} finds an array without turns"
            raise Unmapped(msg)
        chat = Chat(**found)
        return blank(chat) or chat

    return make


def _completion(shape: CompletionShape) -> _Make:
    prompt = _turns("completion.prompt.turns", shape.prompt) if shape.prompt else lambda _document, _record: ()
    completion = content_field("completion.completion", shape.completion, shape.parts)
    model = Field("model", shape.model, as_text, "completion.model").reader() if shape.model else _nothing
    facts = _facts("completion", shape.facts)

    def make(document: Any, record: Record) -> Completion | Rejection:
        found = facts(document, record)
        found["prompt"] = prompt(document, record)
        found["completion"] = completion(document, record)
        found["model"] = model(document, record)
        event = Completion(**found)
        return blank(event) or event

    return make


def _facts(kind: str, facts: Facts) -> Callable[[Any, Record], dict[str, Any]]:
    """Reads the fields that any event may have."""
    return fields_reader(
        [
            Field(name, source, convert, f"{kind}.{name}")
            for name, convert in _CONVERT.items()
            if (source := getattr(facts, name)) is not None
        ],
        [Field(name, source, as_scalar, f"{kind}.attributes.{name}") for name, source in facts.attributes],
    )


def _turns(where: str, turns: Turns) -> Callable[[Any, Record], tuple[Turn, ...]]:
    find, read = _found(where, turns.turns), _turn(turns)

    def turns_of(document: Any, record: Record) -> tuple[Turn, ...]:
        found = find(document)
        made: list[Turn] = []
        try:
            for turn in found:
                made.append(read(turn, record))  # noqa: PERF401 - how many were made says which one failed
        except Unmapped as error:
            msg = f"{where}[{len(made)}].{error}"
            raise Unmapped(msg) from error
        return tuple(made)

    return turns_of


def _found(where: str, path: Path) -> Callable[[Any], Sequence[Any]]:
    """The turns that a path finds, before they are read."""
    nothing = f"{where}: {path} finds nothing"

    def found(document: Any) -> Sequence[Any]:
        values = path.values(document)
        if not values:
            raise Unmapped(nothing)
        return values[0] if path.singular and type(values[0]) is list else values

    return found


def _turn(turns: Turns) -> Callable[[Any, Record], Turn]:
    role, content = _role(turns), content_field("text", turns.text, turns.parts)
    if turns.name is None:
        return lambda turn, record: Turn(role(turn, record), content(turn, record))
    name = Field("name", turns.name, as_name, "name").reader()
    return lambda turn, record: Turn(role(turn, record), content(turn, record), name(turn, record))


def _role(turns: Turns) -> Callable[[Any, Record], Role]:
    read = one(turns.role)
    meaning: dict[str, Role] = {role: role for role in ROLES} | dict(turns.roles)
    rest = meaning.get(REST)

    def role(turn: Any, record: Record) -> Role:
        found = read(turn, record)
        if found is None:
            msg = "finds nothing"
            raise Unmapped(msg)
        known = meaning.get(found if type(found) is str else as_name(found), rest)
        if known is None:
            msg = f"finds a role that is none of {', '.join(ROLES)}, and that `roles` does not name"
            raise Unmapped(msg)
        return known

    return located("role", turns.role, role)


def _nothing(_document: Any, _record: Record) -> None:
    """A field that the mapping does not set."""
