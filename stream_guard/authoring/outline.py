"""The rules of a policy, wherever they stand: declared in the front matter, or written as a list under Criteria."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from stream_guard.authoring.passages import declared_place, sections
from stream_guard.errors import Place
from stream_guard.policy.document import Category, Policy
from stream_guard.policy.load import Draft

_BULLET = re.compile(r"[ \t]*[-*][ \t]+(?P<text>.*)")
_ID = re.compile(r"(?:\*\*)?(?P<id>[A-Za-z]+[0-9][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*)(?:\*\*)?:?[ \t]+(?P<text>.*)")
_SERIES = re.compile(r"[A-Z]{2,}[0-9]")
"""How an id begins that belongs to no category by its name: FR1, FR2. One letter is too little: a reader under age is U18."""
_WORDS = re.compile(r"\w+")


class Line(Struct, frozen=True):
    """One rule: its id where it has one, the category it stands under where that can be told, and its words."""

    id: str | None
    category: Category | None
    words: tuple[str, ...]
    place: Place
    declared: bool

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        return self.id or (f"a rule of {self.category.id}" if self.category else "a rule")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, without case and marks."""
    return tuple(_WORDS.findall(text.casefold()))


def outline(draft: Draft, policy: Policy) -> list[Line]:
    """All rules, those of the front matter first."""
    return [*_declared(draft, policy), *_written(draft, policy)]


def _declared(draft: Draft, policy: Policy) -> Iterator[Line]:
    for index, category in enumerate(policy.categories):
        for rule in category.rules:
            place = declared_place(draft, "categories", index, "rules", rule.id)
            yield Line(rule.id, category, words_of(rule.text), place, declared=True)


def _written(draft: Draft, policy: Policy) -> Iterator[Line]:
    criteria = next(passage for passage in sections(draft) if passage.where == "Criteria")
    at, under = 0, None
    for line in criteria.text.split("\n"):
        if (bullet := _BULLET.fullmatch(line)) is not None:
            rule_id, text = _named(policy, bullet["text"])
            place = criteria.place(at + bullet.start("text"))
            yield Line(rule_id, _of_id(policy, rule_id) or under, words_of(text), place, declared=False)
        elif line.strip() and not line.startswith((" ", "\t")):  # an indented line goes on with a rule
            under = _heading(policy, line)
        at += len(line) + 1


def _named(policy: Policy, text: str) -> tuple[str | None, str]:
    """The id that a rule begins with, if it does, and its words."""
    named = _ID.fullmatch(text)
    if named is None or not (_of_id(policy, named["id"]) or _SERIES.match(named["id"])):
        return None, text
    return named["id"], named["text"]


def _heading(policy: Policy, line: str) -> Category | None:
    """The category that a line introduces, if it names one and ends in a colon."""
    if not line.rstrip().rstrip("*").endswith(":"):
        return None
    named = [
        category for category in policy.categories if re.search(rf"(?<![\w.]){re.escape(category.id)}(?![\w])", line)
    ]
    return named[0] if len(named) == 1 else None


def _of_id(policy: Policy, rule_id: str | None) -> Category | None:
    return next((c for c in policy.categories if rule_id and re.match(rf"{re.escape(c.id)}[._-]", rule_id)), None)
