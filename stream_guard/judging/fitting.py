"""How much of a content fits into one ask, and how what does not fit is divided. Pure.

A part that is still too long is divided again, so nothing here has to be exact, and each time less of it is encoded.
"""

from __future__ import annotations

from math import ceil

from msgspec.structs import replace

from stream_guard.events.content import OBFUSCATION, Judged
from stream_guard.events.normalising import normalised
from stream_guard.events.splitting import split, with_latest
from stream_guard.judging.terms import Terms, TooLong
from stream_guard.prompting.port import Renderer, Template

_SLACK = 0.85
"""The part of the room that a segment is planned to fill: texts are not equally dense."""
_CHARS_PER_TOKEN = 4
"""About as many, where the tokens of a content are not known."""


def fixed_tokens(template: Template) -> int:
    """The tokens of a prompt that are not content."""
    return len(template.prefix) + len(template.suffix)


def price(content: Judged, tokens: int) -> int:
    """What a content costs of a quota: its tokens, or a guess where there are none to count."""
    return tokens if tokens > 0 else ceil(content.chars / _CHARS_PER_TOKEN)


class Fitting:
    """`context_tokens` is the model's context, prompt and reply together, 0 where it is unknown."""

    def __init__(self, renderer: Renderer, context_tokens: int) -> None:
        self._renderer = renderer
        self._context_tokens = context_tokens

    def room(self, template: Template, terms: Terms) -> int | None:
        """How many tokens of content one ask may have, None where nothing bounds them."""
        left = self._context_tokens - fixed_tokens(template) - template.reply_tokens if self._context_tokens else None
        if terms.content_tokens is None or left is None:
            return left if terms.content_tokens is None else terms.content_tokens
        return min(left, terms.content_tokens)

    def pieces(self, template: Template, terms: Terms, content: Judged, tokens: int, most: int) -> list[Judged]:
        """A content that is too long in pieces that should fit, `most` of them. Empty where that may or can not be done.

        The normalised view gives way first, and is no reason to abstain. Then context does: the oldest turns are left out until
        all fits, or the context takes half of the room at most. If that suffices there is one piece. Where nobody knows the
        size (`tokens` is 0, and the engine found it too long), what is longer of context and text is halved.
        """
        if content.normalised:
            return [replace(content, normalised="")]
        if terms.too_long is TooLong.ABSTAIN:
            return []
        room = self.room(template, terms)
        if tokens and room is not None:
            return self._fit(template, terms, content, tokens, room, most)
        return _halved(terms, content, most)

    def _fit(
        self, template: Template, terms: Terms, content: Judged, tokens: int, room: int, most: int
    ) -> list[Judged]:
        if room < 1:
            return []
        context_tokens = self._tokens_of_context(template, content)
        text_tokens = tokens - context_tokens
        shown, context_tokens = self._fit_context(template, content, context_tokens, max(room // 2, room - text_tokens))
        if shown is not content and context_tokens + text_tokens <= room:
            return [shown]
        return _fit_text(shown, text_tokens, room - context_tokens, terms.overlap, most)

    def _tokens_of_context(self, template: Template, content: Judged) -> int:
        if not content.context:
            return 0
        (rendered,) = self._renderer.render(template, [replace(content, text="")])
        return len(rendered.prompt) - fixed_tokens(template)

    def _fit_context(self, template: Template, content: Judged, tokens: int, most: int) -> tuple[Judged, int]:
        """The content with as many of the latest turns of its context as fit, and how many tokens they are."""
        turns = _turns(content)
        if tokens > most:
            turns = _latest_within(content.context, len(content.context) * most // tokens)
        while tokens > most:
            content = with_latest(content, turns)
            tokens, turns = self._tokens_of_context(template, content), turns // 2
        return content, tokens


def _halved(terms: Terms, content: Judged, most: int) -> list[Judged]:
    if len(content.context) > len(content.text):
        return [with_latest(content, _turns(content) // 2)]
    found = split(content, 2, terms.overlap * _CHARS_PER_TOKEN) if most > 1 else []
    return found if len(found) > 1 else []


def _turns(content: Judged) -> int:
    return content.context.count("\n") + 1 if content.context else 0


def _latest_within(context: str, chars: int) -> int:
    """How many of the latest turns have no more characters than that."""
    turns = 0
    for line in reversed(context.split("\n")):
        chars -= len(line) + 1
        if chars < 0:
            break
        turns += 1
    return turns


def _fit_text(content: Judged, tokens: int, room: int, overlap: int, most: int) -> list[Judged]:
    """Segments that should fit; with their own normalised views where one was found and there may be as many segments."""
    overlap = min(overlap, room // 4)
    if room < 1 or _needed(tokens, room, overlap) > most:
        return []
    planned = max(int(room * _SLACK), 1)
    with_views = OBFUSCATION in content.signals and _needed(tokens, planned // 2, overlap) <= most
    if with_views:
        planned = max(planned // 2, 1)
    pieces = min(max(_needed(tokens, planned, overlap), 2), most)
    found = split(content, pieces, ceil(overlap * len(content.text) / tokens))
    if with_views:
        found = [normalised(segment) for segment in found]
    return found if len(found) > 1 else []


def _needed(tokens: int, room: int, overlap: int) -> int:
    """How many segments that share so many tokens it takes at least."""
    return ceil((tokens - overlap) / max(room - overlap, 1))
