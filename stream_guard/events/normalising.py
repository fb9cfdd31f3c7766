"""What is judged, in plain letters: a view beside the original, for the model to read it by. Pure.

It shows what was written as the original does, in lines of JSON, one a turn, so that no text can forge a turn or the view's
own end; of several turns, only those that differ from the original. Names stay as they are: they are not what is judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from stream_guard.events.content import OBFUSCATION, Judged
from stream_guard.events.model import Content, Part, Turn, View
from stream_guard.events.obfuscation.kinds import Kind
from stream_guard.events.obfuscation.undo import is_suspect, undo
from stream_guard.events.render import lines_of
from stream_guard.events.splitting import turns_in

LOOKED_AT: Final = 20_000
"""Characters of a content that are looked at: a flood of the most awkward long ones must not hold up the loop for seconds."""


def normalised(content: Judged, most: int | None = None) -> Judged:
    """The same with its normalised view, and the signals of what that undid.

    Without a view where there is nothing to undo, and where the view would have more than `most` characters: its room is
    what original and context leave. Of a longer content than `LOOKED_AT`, the latest turns count.
    """
    if not is_suspect(content.text):
        return content
    written = [Turn("user", content.text)] if content.view is View.MESSAGE else turns_in(content.text)
    look = _Look()
    differing = [turn for turn in map(look.at, reversed(written)) if turn is not None]
    if not differing:
        return content
    if look.found:
        for signal in (OBFUSCATION, *(f"{OBFUSCATION}:{kind}" for kind in Kind if kind in look.found)):
            content = content.signalling(signal)
    lines = lines_of(reversed(differing))
    return content if most is not None and len(lines) > most else replace(content, normalised=lines)


class _Look:
    """One look at a content, turn by turn."""

    def __init__(self) -> None:
        self.found: set[Kind] = set()
        self._left = LOOKED_AT

    def at(self, turn: Turn) -> Turn | None:
        """The turn in plain letters, None where it is in plain letters."""
        content = turn.content
        plain: Content = self._text(content) if isinstance(content, str) else tuple(self._parts(content))
        return None if plain == content else Turn(turn.role, plain, turn.name)

    def _parts(self, parts: Iterable[Part]) -> Iterable[Part]:
        for part in parts:
            yield Part(part.type, self._text(part.text)) if part.text else part

    def _text(self, text: str) -> str:
        looked_at = text[: self._left]
        self._left -= len(looked_at)
        undone = undo(looked_at)
        if undone is None:
            return text
        self.found.update(undone.kinds)
        return undone.text + text[len(looked_at) :]
