"""The text that a model is shown of an event, and how much of the event it covers."""

from __future__ import annotations

from msgspec import Struct

from stream_guard.events.model import View


class Coverage(Struct, frozen=True, gc=False):
    """What of an event was looked at. `complete` is false as soon as anything judged was left out."""

    text_parts: int
    unsupported_parts: tuple[str, ...]
    """The types of the parts that are not text, in order; those of context turns included."""
    context_turns: int
    complete: bool


class Judged(Struct, frozen=True):
    """What is judged of an event, as the model will read it.

    `context` (JSON lines, one a turn; empty without context) and `text` are rendered so that no text can forge a turn,
    a role or the border between context and what is judged.
    """

    view: View
    context: str
    text: str
    coverage: Coverage

    def __repr__(self) -> str:
        return f"Judged({self.view}, {len(self.context)} + {len(self.text)} characters)"
