"""The texts of a document that a model reads as rules, each with the place of every character of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from stream_guard.errors import Place
from stream_guard.policy.body import place_within
from stream_guard.policy.load import Draft

_QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|„[^“\n]*“|«[^»\n]*»')


class Passage(Struct, frozen=True):
    """A text and what it is. Of a text in the front matter only its beginning is known: YAML may have folded it."""

    where: str
    text: str
    start: Place
    folded: bool = False

    @property
    def unquoted(self) -> str:
        """The text with spaces in the place of what it quotes: that is said by others."""
        return _QUOTED.sub(lambda quoted: " " * len(quoted[0]), self.text)

    def place(self, at: int) -> Place:
        """Where a character of it stands."""
        return self.start if self.folded else place_within(self.start, self.text, at)


def sections(draft: Draft) -> Iterator[Passage]:
    """The sections, as far as there are any: also of a document that can't be loaded."""
    for title, text in draft.body.sections.items():
        yield Passage(title, text, draft.body.starts[title])


def passages(draft: Draft) -> Iterator[Passage]:
    """The sections, and the titles and rules of categories where the document could be loaded."""
    yield from sections(draft)
    if draft.policy is None:
        return
    for index, category in enumerate(draft.policy.categories):
        title = declared_place(draft, "categories", index, "title")
        yield Passage(f"the title of {category.id}", category.title, title, folded=True)
        for rule in category.rules:
            place = declared_place(draft, "categories", index, "rules", rule.id)
            yield Passage(f"the rule {rule.id}", rule.text, place, folded=True)


def declared_place(draft: Draft, *loc: str | int) -> Place:
    """Where something of the front matter stands."""
    return Place(draft.file) if draft.front is None else draft.front.place(loc)
