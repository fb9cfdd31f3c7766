"""The text that a model is shown of an event, and how much of the event it covers."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.events.model import View

SPLIT: Final = "split"
"""A signal: the content was too long for one ask and was judged in segments, of which the strictest counted."""
CONTEXT_CUT: Final = "context_cut"
"""A signal: turns of the context were left out, the oldest first, because there was no room for them."""
CONTEXT_PARTIAL: Final = "context_partial"
"""A signal: messages that belong into the context may be missing, because they are not known any more or were too long."""
OBFUSCATION: Final = "obfuscation"
"""A signal: something hides what the content says. Beside it stands `obfuscation:<kind>` for each way that was found."""


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
    a role or the border between context and what is judged. `signals` name what bears on the verdict beside the text:
    they go into it, and the model is not shown them. `normalised` (JSON lines; mostly empty) is what of the text hides what it
    says, in plain letters, to read the text by: see `normalising.py`.
    """

    view: View
    context: str
    text: str
    coverage: Coverage
    signals: tuple[str, ...] = ()
    normalised: str = ""

    @property
    def chars(self) -> int:
        """How many characters of it a model is shown."""
        return len(self.context) + len(self.normalised) + len(self.text)

    def signalling(self, signal: str) -> Judged:
        """The same with one more signal."""
        return self if signal in self.signals else replace(self, signals=(*self.signals, signal))

    def __repr__(self) -> str:
        return f"Judged({self.view}, {len(self.context)} + {len(self.normalised)} + {len(self.text)} characters)"
