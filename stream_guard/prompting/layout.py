"""How policy and content are laid out for a model that was trained on one form of prompt, or is best asked in one.

A layout is trusted text with three placeholders: `{policy}`, `{question}` (a short form of the policy) and `{content}`,
which comes once and last, so that everything before it can be encoded once and cached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from stream_guard.engines.port import Turn
from stream_guard.prompting.chat_template import Piece, pieces_of, slot
from stream_guard.prompting.port import Margins

POLICY, QUESTION, CONTENT = "policy", "question", "content"
PLACEHOLDERS = (POLICY, QUESTION, CONTENT)
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")
_WORD = re.compile(r"\{([A-Za-z_]+)\}")
_BLANK = " \t\r\n"


class Examples(StrEnum):
    """Where a policy's examples are shown."""

    TURNS = "turns"
    """Each as a user turn and the answer."""
    POLICY = "policy"
    """In the text of the policy."""
    NONE = "none"


class ChatLayout(Struct, frozen=True):
    """Turns for the model's own chat template. Without `system` there is no system turn."""

    system: str | None
    user: str
    examples: Examples


class TextLayout(Struct, frozen=True):
    """One text that the model goes on with; no chat template."""

    text: str
    examples: Examples


Layout: TypeAlias = ChatLayout | TextLayout
Texts: TypeAlias = Callable[[str], str]
"""The text for a placeholder of the policy."""
Encode: TypeAlias = Callable[[str], Sequence[int]]
"""The ids of a trusted text."""


def flaws(layout: Layout) -> Iterator[tuple[str, str]]:
    """What is wrong with a layout: in which of its fields, and why."""
    if isinstance(layout, TextLayout):
        yield from _flaws_of("text", [layout.text])
        if layout.examples is Examples.TURNS:
            yield "examples", "a text has no turns: use policy or none"
        return
    yield from _flaws_of("user", [layout.system or "", layout.user])
    if CONTENT in placeholders(layout.system or ""):
        yield "system", "{content} belongs into user: what stands here is encoded once for all contents"
    if layout.examples is Examples.TURNS and set(placeholders(layout.user)) - {CONTENT}:
        yield "examples", "as turns they would repeat the policy: let system hold it, or use policy or none"


def _flaws_of(last: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    unknown = [word for text in texts for word in _WORD.findall(text) if word not in PLACEHOLDERS]
    for word in unknown:
        yield last, f"{{{word}}} stands for nothing; there are {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}"
    names = placeholders(texts[-1])
    if names.count(CONTENT) != 1:
        yield last, "must hold {content} exactly once"
    elif names[-1] != CONTENT:
        yield last, "{content} must come last: what stands before it is encoded once and cached"
    if not any(name != CONTENT for text in texts for name in placeholders(text)):
        yield last, "nothing holds {policy} or {question}: the model would not know what it is asked"


def placeholders(text: str) -> list[str]:
    """The names of the placeholders in a text, in order."""
    return _PLACEHOLDER.findall(text)


class Slots:
    """Numbers the places of a layout that are filled, and keeps what fills them; the content's comes last and has none."""

    def __init__(self, texts: Texts) -> None:
        self._of = texts
        self.texts: list[str] = []

    def fill(self, text: str, content: str | None = None) -> str:
        """The text with slots for its placeholders. `content` fills its own where this is not the one to be judged."""

        def replaced(found: re.Match[str]) -> str:
            if found[1] == CONTENT and content is None:
                return slot(len(self.texts))
            return self.hold(content if found[1] == CONTENT and content is not None else self._of(found[1]))

        return _PLACEHOLDER.sub(replaced, text)

    def hold(self, text: str) -> str:
        """A slot for a text."""
        self.texts.append(text)
        return slot(len(self.texts) - 1)


def turns_of(layout: ChatLayout, slots: Slots, shown: Sequence[tuple[str, str]]) -> list[Turn]:
    """The turns, with slots. `shown` pairs contents of examples with their answers."""
    turns = [] if layout.system is None else [Turn("system", slots.fill(layout.system))]
    for content, answer in shown:
        turns += [Turn("user", slots.fill(layout.user, content)), Turn("assistant", slots.hold(answer))]
    return [*turns, Turn("user", slots.fill(layout.user))]


def pieces_of_text(layout: TextLayout, slots: Slots) -> list[Piece]:
    """The pieces of a text that the model goes on with."""
    return pieces_of(slots.fill(layout.text))


class Stretch(Struct, frozen=True):
    """A slot with the trusted text before it, and the white space that is encoded together with what fills it."""

    trusted: str
    slot: int
    margins: Margins


def stretches(pieces: Sequence[Piece], encode: Encode) -> tuple[list[Stretch], str]:
    """Slots, and the trusted text after the last one, cut so that the ids are those of the whole text encoded at once.

    Tokens span borders: of `Document: maps` the space belongs to the word, of a line end after a full stop some vocabularies
    make one token. Where, differs between them; so plain words are tried. White space alone ever changes sides, and that is
    never a control token.
    """
    found: list[Stretch] = []
    trusted = str(pieces[0])
    for number, after in zip(pieces[1::2], map(str, pieces[2::2]), strict=True):
        lead = _lead(trusted, encode)
        tail = _tail(after, "" if number == pieces[-2] else _NEXT, encode)
        found.append(
            Stretch(trusted[: len(trusted) - lead], int(number), Margins(trusted[len(trusted) - lead :], after[:tail]))
        )
        trusted = after[tail:]
    return found, trusted


_NEXT = "word"
_BEGINNINGS = ("word", "Word", "7", "(")
_ENDINGS = ("word", "7", "word.", "word)")
"""Texts that a slot may be filled with, as they begin and end."""


def _lead(before: str, encode: Encode) -> int:
    """How many blanks at the end of a trusted text are best encoded with what follows: as few as do no worse."""

    def agreeing(blanks: int) -> int:
        kept, lead = before[: len(before) - blanks], before[len(before) - blanks :]
        return sum([*encode(kept), *encode(lead + text)] == list(encode(before + text)) for text in _BEGINNINGS)

    most = len(before) - len(before.rstrip(_BLANK))
    return 0 if not most else max(range(most + 1), key=lambda blanks: (agreeing(blanks), -blanks))


def _tail(after: str, then: str, encode: Encode) -> int:
    """The same of the blanks at the beginning of a trusted text, and what stands before it."""

    def agreeing(blanks: int) -> int:
        tail, kept = after[:blanks], after[blanks:] + then
        return sum([*encode(text + tail), *encode(kept)] == list(encode(text + after + then)) for text in _ENDINGS)

    most = len(after) - len(after.lstrip(_BLANK))
    return 0 if not most else max(range(most + 1), key=lambda blanks: (agreeing(blanks), -blanks))
