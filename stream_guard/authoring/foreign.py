"""A policy as packs of the ROOST Model Community write it: a prompt in Markdown, read for what it says of categories.

    # Title (#XX)
    ## Goal                               what to do
    ## Definitions
    ## Allowed Content (XX0 - Harmless)   a category: a text, its rules as `- XX0.a ...`, and `Output: VALID` or `INVALID`
    ## Label Format                       `- XX0: what it is`, and examples as `- "text" -> XX0`
    ## Ambiguity and Escalation

Whatever is none of this is kept as it stands: nothing that the author wrote is lost, and nothing is added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

_TITLE = re.compile(r"^#[ \t]+(?P<title>\S.*)$", re.MULTILINE)
_TAG = re.compile(r"\(#[^()]*\)$")
_SECTION = re.compile(r"^##[ \t]+(?P<title>\S.*)$", re.MULTILINE)
_CATEGORY = re.compile(
    r"^(?P<heading>.*)\((?P<id>[A-Za-z]+[0-9]+)(?:[ \t]*[-:\u2013\u2014][ \t]*(?P<short>[^()\s][^()]*))?\)$"
)
_RULE = re.compile(r"[-*][ \t]+(?:\*\*)?(?P<id>[A-Za-z]+[0-9]+\.[A-Za-z0-9]+)(?:\*\*)?:?[ \t]+(?P<text>\S.*)")
_LABEL = re.compile(r"[-*][ \t]+[`*]*(?P<id>[A-Za-z]+[0-9]+)[`*]*[ \t]*[-:\u2013\u2014][ \t]*(?P<title>\S.*?)\.?")
_EXAMPLE = re.compile(r"[-*][ \t]+[\"“](?P<content>.+)[\"”][ \t]*(?:->|→|=>)[ \t]*[`*]*(?P<id>[A-Za-z]+[0-9]+)[`*]*")
_OUTPUT = re.compile(r"(?:\*\*)?Output:?(?:\*\*)?:?[ \t]*[`*]*(?P<word>VALID|INVALID)\b.*")
_LIST_HEADING = re.compile(r"examples?:?", re.IGNORECASE)


class ForeignCategory(Struct, frozen=True):
    """A category as far as the document tells. `permitted` is None where it does not say whether it violates.

    `rules` are texts by id, `text` is what else is said of it.
    """

    id: str
    title: str
    permitted: bool | None = None
    rules: Mapping[str, str] = MappingProxyType({})
    text: str = ""


class ForeignExample(NamedTuple):
    """An example with the id of the category that the document gives it."""

    content: str
    category: str


class ForeignPolicy(Struct, frozen=True):
    """All that was found in a document. `criteria` is what is said of all categories, part by part."""

    title: str | None
    categories: tuple[ForeignCategory, ...]
    examples: tuple[ForeignExample, ...]
    instruction: str
    definitions: str
    criteria: tuple[str, ...]


def read_foreign(text: str) -> ForeignPolicy:
    """What a document holds. Never raises: what is not understood is among the criteria, or the instruction."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    title = _TITLE.search(text)
    before, *sections = _sections(text if title is None else text[: title.start()] + text[title.end() :])
    instruction, definitions, criteria, labels = [before[1]], list[str](), list[str](), list[str]()
    categories: dict[str, ForeignCategory] = {}
    for heading, body in sections:
        kind = heading.casefold()
        if (category := _CATEGORY.match(heading)) is not None:
            categories[category["id"]] = _category(
                category["id"], category["short"] or category["heading"].rstrip(), body
            )
        elif kind in _INSTRUCTIONS:
            instruction.append(body)
        elif kind.startswith("definition"):
            definitions.append(body)
        elif "label" in kind or kind.startswith(("output", "answer", "example")):
            labels += map(str.strip, body.split("\n"))
        else:
            criteria.append(body if kind.startswith(_ENDINGS) else f"### {heading}\n{body}")
    return ForeignPolicy(
        title=_TAG.sub("", title["title"].rstrip()).rstrip() if title else None,
        categories=tuple(_named(categories, labels)),
        examples=tuple(_examples(labels)),
        instruction="\n\n".join(filter(None, instruction)),
        definitions="\n\n".join(definitions),
        criteria=tuple(criteria),
    )


_INSTRUCTIONS = frozenset(
    {"goal", "goals", "scope", "instruction", "instructions", "task", "role", "objective", "purpose"}
)
_ENDINGS = ("ambiguity", "escalation", "precedence", "criteria")


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Heading and body of each section; first what stands before them all."""
    headings = list(_SECTION.finditer(text))
    borders = [*(heading.start() for heading in headings), len(text)]
    yield "", text[: borders[0]].strip()
    for heading, end in zip(headings, borders[1:], strict=True):
        yield heading["title"].rstrip(), text[heading.end() : end].strip()


def _category(category_id: str, title: str, body: str) -> ForeignCategory:
    rules: dict[str, str] = {}
    permitted: bool | None = None
    rest: list[str] = []
    for line in body.split("\n"):
        if (rule := _RULE.fullmatch(line.strip())) is not None:
            rules[rule["id"]] = rule["text"]
        elif (output := _OUTPUT.fullmatch(line.strip())) is not None:
            permitted = output["word"] == "VALID"
        elif not _LIST_HEADING.fullmatch(line.strip()):
            rest.append(line)
    return ForeignCategory(category_id, title, permitted, rules, _paragraphs(rest))


def _paragraphs(lines: Iterable[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _examples(lines: Iterable[str]) -> Iterator[ForeignExample]:
    for line in lines:
        if (example := _EXAMPLE.fullmatch(line)) is not None:
            yield ForeignExample(example["content"], example["id"])


def _named(categories: Mapping[str, ForeignCategory], lines: Iterable[str]) -> Iterator[ForeignCategory]:
    """The categories, by the titles that the section on labels gives them, and those that only it names.

    What else such a section says is how to answer, which is ours to say.
    """
    labels = [label for line in lines if not _EXAMPLE.fullmatch(line) and (label := _LABEL.fullmatch(line))]
    titles = {label["id"]: label["title"] for label in labels}
    for category in categories.values():
        yield replace(category, title=titles.get(category.id, category.title))
    for category_id in (each for each in titles if each not in categories):
        yield ForeignCategory(category_id, titles[category_id])
