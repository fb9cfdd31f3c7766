"""A content that is too long -> segments of it, or the same with less context: pure, and nothing that is judged gets lost.

What is shown as turns is cut between two of them where one ends near by, else within a turn's text: the turn is decoded,
and each piece of it encoded anew as a turn of the same role and name. A segment is therefore rendered as injectively as
the whole: it never ends within a line of JSON, and no text can forge a turn by where it is cut.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TypeAlias

from msgspec import Struct
from msgspec.json import Decoder
from msgspec.structs import replace

from stream_guard.events.content import CONTEXT_CUT, Judged
from stream_guard.events.model import Content, Part, Role, Turn, View
from stream_guard.events.render import lines_of

_Span: TypeAlias = tuple[int, int]

_WORD = 48
"""How many characters a cut moves at most to stand between two words."""
_CLUSTER = 8
"""And to stand between two letters, where one is written with several characters."""
_UNSEEN = "\n"
"""Stands in the text that is cut for what has none: a turn that says nothing, a part that is no text."""


def split(whole: Judged, pieces: int, overlap: int) -> list[Judged]:
    """Overlapping segments that have every character of the text between them, in order.

    There are `pieces` of them, about equally long, but never more than the text has characters. `overlap` is how many
    characters two neighbours share at least: fewer where it would be more than half of a segment. Everything else of
    the whole (context, coverage, signals) stands in each, but for its normalised view.
    """
    whole = replace(whole, normalised="")
    if whole.view is View.MESSAGE:
        text = whole.text
        return [replace(whole, text=text[start:end]) for start, end in _spans(text, (), pieces, overlap)]
    strip = _Strip(turns_in(whole.text))
    return [replace(whole, text=strip.lines(span)) for span in _spans(strip.text, strip.starts, pieces, overlap)]


def with_latest(whole: Judged, turns: int) -> Judged:
    """The same with so many turns of its context, the latest. It signals that and covers less, if it had more."""
    lines = whole.context.split("\n") if whole.context else []
    left_out = turns_in("\n".join(lines[: len(lines) - turns])) if turns < len(lines) else []
    if not left_out:
        return whole
    contents = [turn.content for turn in left_out]
    others = sum(part.type != "text" for content in contents if not isinstance(content, str) for part in content)
    seen = whole.coverage
    coverage = replace(
        seen,
        text_parts=seen.text_parts - sum(1 if isinstance(c, str) else len(c) for c in contents) + others,
        unsupported_parts=seen.unsupported_parts[others:],
        context_turns=turns,
    )
    context = "\n".join(lines[len(lines) - turns :])
    return replace(whole, context=context, coverage=coverage).signalling(CONTEXT_CUT)


class _Line(Struct):
    role: Role
    content: str | list[str | dict[str, str]]
    name: str | None = None


_DECODE_LINE = Decoder(_Line).decode


def turns_in(lines: str) -> list[Turn]:
    """The turns of which these are the lines, as far as lines show them."""
    return [_turn(_DECODE_LINE(line)) for line in lines.split("\n")]


def _turn(line: _Line) -> Turn:
    content = line.content
    shown: Content = content if isinstance(content, str) else tuple(map(_part, content))
    return Turn(line.role, shown, line.name)


def _part(shown: str | dict[str, str]) -> Part:
    return Part("text", shown) if isinstance(shown, str) else Part(shown["type"])


class _Strip:
    """Turns laid end to end, so that one position says where a cut is. Each takes at least one, whatever it says."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        texts = [_text(turn.content) for turn in turns]
        self._turns = turns
        self.text = "".join(texts)
        self.starts = list(accumulate(map(len, texts), initial=0))
        """Where each turn begins, and the end."""

    def lines(self, span: _Span) -> str:
        """The lines of what lies between two positions."""
        start, end = span
        first, beyond = bisect_right(self.starts, start) - 1, bisect_right(self.starts, end - 1)
        return lines_of(
            Turn(turn.role, _within(turn.content, start - at, end - at), turn.name)
            for turn, at in zip(self._turns[first:beyond], self.starts[first:beyond], strict=True)
        )


def _text(content: Content) -> str:
    if isinstance(content, str):
        return content or _UNSEEN
    return "".join(part.text or _UNSEEN for part in content) or _UNSEEN


def _within(content: Content, start: int, end: int) -> Content:
    if isinstance(content, str):
        return content[max(start, 0) : max(end, 0)]
    return tuple(_parts_within(content, start, end))


def _parts_within(parts: Sequence[Part], start: int, end: int) -> Iterator[Part]:
    at = 0
    for part in parts:
        after = at + len(part.text or _UNSEEN)
        if at < end and after > start:
            yield part if not part.text else Part(part.type, part.text[max(start - at, 0) : end - at])
        at = after


def _spans(text: str, turns: Sequence[int], pieces: int, overlap: int) -> list[_Span]:
    """Where the segments begin and end. `turns` are the positions at which turns begin."""
    pieces = max(1, min(pieces, len(text)))
    overlap = min(overlap, len(text) // (pieces + 1))
    step = (len(text) - overlap) / pieces
    spans, start = [], 0
    for number in range(1, pieces):
        end = _near(text, turns, overlap + int(number * step), int(step) // 8)
        spans.append((start, end))
        start = _near(text, turns, end - overlap, int(step) // 16)
    return [*spans, (start, len(text))]


def _near(text: str, turns: Sequence[int], at: int, reach: int) -> int:
    """The best place for a cut at `at` or up to `reach` before: between turns, else words, else letters."""
    turn = turns[bisect_right(turns, at) - 1] if turns else 0
    if turn > max(at - reach, 0):
        return turn
    words = range(at, max(at - min(reach, _WORD), 0), -1)
    letters = range(at, max(at - min(reach, _CLUSTER), 0), -1)
    word = next((place for place in words if text[place - 1].isspace()), None)
    return word or next((place for place in letters if not _belongs_together(text[place - 1], text[place])), at)


_JOINER = "\u200d"


def _belongs_together(one: str, other: str) -> bool:
    """Whether two characters write one letter or one picture. Cheap, so not all of Unicode's rules."""
    if one < "\u0300" and other < "\u0300":
        return False
    return _JOINER in (one, other) or bool(unicodedata.combining(other)) or _modifies(other)


def _modifies(character: str) -> bool:
    """Variation selectors, and the skin tones of emoji."""
    return "\ufe00" <= character <= "\ufe0f" or "\U0001f3fb" <= character <= "\U0001f3ff"
