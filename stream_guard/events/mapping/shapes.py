"""The mapping language: what a foreign record may look like, and where in it an event's fields are.

A mapping is a tuple of shapes, tried in order. These are descriptions; `mapping.py` makes a reader of them.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from stream_guard.events.mapping.conditions import Condition
from stream_guard.events.mapping.contents import Parts
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.sources import Source
from stream_guard.events.model import Role

REST = "*"
"""In `roles`: every role that is not named."""


class Facts(Struct, frozen=True, kw_only=True):
    """What any event may say of itself."""

    id: Source | None = None
    author: Source | None = None
    language: Source | None = None
    created_at: Source | None = None
    attributes: tuple[tuple[str, Source], ...] = ()


class Turns(Struct, frozen=True, kw_only=True):
    """Where turns are. All but `turns` is relative to a turn, which is `$`."""

    turns: Path
    """Several values, each a turn; or one array of turns."""
    role: Source
    text: Source
    name: Source | None = None
    roles: tuple[tuple[str, Role], ...] = ()
    """What the record's roles mean, besides our own; `*` for all others."""
    parts: Parts = ()
    """What a turn holds besides its text, by type."""


class MessageShape(Struct, frozen=True, kw_only=True):
    """The record is a message."""

    text: Source
    parts: Parts = ()
    facts: Facts = Facts()


class ChatShape(Struct, frozen=True, kw_only=True):
    """The record is a chat."""

    turns: Turns
    facts: Facts = Facts()


class CompletionShape(Struct, frozen=True, kw_only=True):
    """The record is a completion."""

    completion: Source
    prompt: Turns | None = None
    parts: Parts = ()
    """What the completion holds besides its text, by type."""
    model: Source | None = None
    facts: Facts = Facts()


class Ignore(Struct, frozen=True):
    """The record needs no judgement."""


class Reject(Struct, frozen=True):
    """The record is a dead letter."""

    detail: str
    """Why."""


Makes: TypeAlias = MessageShape | ChatShape | CompletionShape | Ignore | Reject


class Shape(Struct, frozen=True):
    """What becomes of a record for which all conditions hold."""

    makes: Makes
    when: tuple[Condition, ...] = ()
