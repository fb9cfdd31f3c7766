"""A text -> how it hides what it says, and the text without that. Pure, and linear in the text's length.

What hides nothing stays as it is: false alarms cost more than what is missed here, which the model still reads as written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from stream_guard.events.obfuscation.bidi import as_shown
from stream_guard.events.obfuscation.encoded import decoded, may_hold_encoded
from stream_guard.events.obfuscation.homoglyphs import in_plain_font, may_hold_lookalikes, without_lookalikes
from stream_guard.events.obfuscation.invisible import (
    may_hold_invisible,
    with_tags_shown,
    without_selectors,
    without_zero_width,
)
from stream_guard.events.obfuscation.kinds import Kind
from stream_guard.events.obfuscation.leetspeak import may_hold_leetspeak, without_leetspeak

UNDOING: Final = "1"
"""Raised when anything is undone otherwise than before: a model then reads something else."""


_STEPS: Final[tuple[tuple[Kind | None, Callable[[str], str]], ...]] = (
    (Kind.TAG_CHARACTERS, with_tags_shown),
    (Kind.VARIATION_SELECTORS, without_selectors),
    (Kind.BIDI, as_shown),
    (Kind.ZERO_WIDTH, without_zero_width),
    (Kind.HOMOGLYPHS, without_lookalikes),
    (None, in_plain_font),
    (Kind.ENCODED, decoded),
    (Kind.LEETSPEAK, without_leetspeak),
)
"""In this order, because one may hide another: first what is not seen, then what looks like letters, then what spells them."""
_ROUNDS: Final = 3
"""What is encoded may hide more, in any of these ways."""


class Undone(Struct, frozen=True, gc=False):
    """A text without what hid what it says.

    `kinds` may be empty: a word in a decorative font is read as letters, and hides nothing.
    """

    text: str
    kinds: tuple[Kind, ...]

    def __repr__(self) -> str:
        return f"Undone({len(self.text)} characters, {', '.join(self.kinds)})"


def is_suspect(text: str) -> bool:
    """Whether anything of a text could have to be undone: false for nearly all texts, at a few microseconds."""
    if may_hold_leetspeak(text) or may_hold_encoded(text):
        return True
    return not text.isascii() and (may_hold_invisible(text) or may_hold_lookalikes(text))


def undo(text: str) -> Undone | None:
    """The text with everything undone that hides what it says, and how it did. None where nothing does.

    It never has more characters than the text.
    """
    if not is_suspect(text):
        return None
    plain, kinds = text, set[Kind]()
    for _ in range(_ROUNDS):
        before, plain = plain, _undone_once(plain, kinds)
        if plain == before or not is_suspect(plain):
            break
    return None if plain == text else Undone(plain, tuple(kind for kind in Kind if kind in kinds))


def _undone_once(text: str, kinds: set[Kind]) -> str:
    for kind, step in _STEPS:
        before, text = text, step(text)
        if kind is not None and text != before:
            kinds.add(kind)
    return text
