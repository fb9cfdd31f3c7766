"""The canonical event: a message, a chat or a completion.

The types are msgspec structs: they decode from bytes and validate in one step, strictly. An unknown field is an
error rather than content that is dropped silently; a producer's own facts go into `attributes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
Scalar: TypeAlias = str | int | float | bool | None
EventId: TypeAlias = Annotated[str, Meta(max_length=512)]
"""Bounded, because verdicts and rulings carry it: with an id as long as its record, they would fit into no topic."""


class Part(Struct, frozen=True, omit_defaults=True):
    """One part of a content. Only `text` is judged; any other type is never dropped silently, but named in the coverage."""

    type: str
    text: str | None = None

    def __repr__(self) -> str:
        return f"Part({self.type}, {len(self.text or '')} characters)"


Content: TypeAlias = str | tuple[Part, ...]
"""What somebody wrote: a text, or parts of which some may not be text."""


def _size(content: Content) -> str:
    """What a repr may tell of a content."""
    return f"{len(content)} {'characters' if isinstance(content, str) else 'parts'}"


class Turn(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One turn of a chat."""

    role: Role
    content: Content
    name: str | None = None

    def __repr__(self) -> str:
        return f"Turn({self.role}, {_size(self.content)})"


class _Event(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", kw_only=True):
    """What every event may say of itself. `attributes` are the producer's own; routes can select by them."""

    id: EventId | None = None
    author: str | None = None
    language: str | None = None
    created_at: str | None = None
    attributes: Mapping[str, Scalar] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Message(_Event, frozen=True, tag="message"):
    """One text by one author."""

    content: Content


class Chat(_Event, frozen=True, tag="chat"):
    """A conversation so far, oldest turn first."""

    turns: tuple[Turn, ...]


class Completion(_Event, frozen=True, tag="completion"):
    """What a model wrote (`completion`) upon the turns that it was given (`prompt`)."""

    prompt: tuple[Turn, ...]
    completion: Content
    model: str | None = None


class CompletionStep(_Event, frozen=True, tag="completion_step"):
    """Reserved: one step of a completion while it is being written. Not judged yet."""

    completion_id: str
    step: int
    final: bool
    delta: str | None = None
    cumulative: str | None = None
    prompt: tuple[Turn, ...] = ()


Event: TypeAlias = Message | Chat | Completion


class View(StrEnum):
    """What of an event is judged."""

    MESSAGE = "message"
    MESSAGE_IN_CONTEXT = "message_in_context"
    """A message as the continuation of the messages before it (of a room, say), which are context."""
    LAST_TURN = "last_turn"
    """A chat's last turn; the earlier turns are context."""
    CHAT = "chat"
    """The whole chat."""
    COMPLETION = "completion"
    """The completion; the prompt's turns are context."""


KIND_OF_VIEW: Mapping[View, str] = {
    View.MESSAGE: "message",
    View.MESSAGE_IN_CONTEXT: "message",
    View.LAST_TURN: "chat",
    View.CHAT: "chat",
    View.COMPLETION: "completion",
}
