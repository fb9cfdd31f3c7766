"""Writes a document of ours from one that others wrote. What that does not say is a TODO, never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from stream_guard.authoring.foreign import ForeignCategory, ForeignPolicy, read_foreign
from stream_guard.errors import Place, PolicyError
from stream_guard.marked_yaml import Finding, written
from stream_guard.policy.files import policy_files, slug
from stream_guard.policy.labelled import IN_A_PACK
from stream_guard.policy.load import FENCE, MAX_BYTES, TOO_LARGE
from stream_guard.policy.reading import read_text

TODO = "TODO"


class Adopted(Struct, frozen=True):
    """A document for `source`. `undecided` says what is left to its author, `labelled` is the pack's table of contents."""

    source: Path
    id: str
    text: str
    undecided: tuple[str, ...]
    labelled: Path | None


def adopt(paths: list[Path]) -> list[Adopted]:
    """A document for each of these files and packs. Raises PolicyError where one can't be read, or has our front matter."""
    findings: list[Finding] = []
    adopted: list[Adopted] = []
    taken: dict[str, Path] = {}
    for path in policy_files(paths, findings):
        try:
            document = _adopted(path, read_text(path, MAX_BYTES, TOO_LARGE))
        except PolicyError as error:
            findings += error.findings
            continue
        if (first := taken.setdefault(document.id, path)) is not path:
            findings.append((Place(str(path)), f"the id {document.id} is taken by {first}"))
        adopted.append(document)
    if findings:
        raise PolicyError(*findings)
    return adopted


def _adopted(path: Path, text: str) -> Adopted:
    if text.split("\n", 1)[0].rstrip() == FENCE:
        raise PolicyError((Place(str(path), 1, 1), "has front matter already: load it as it is"))
    found = read_foreign(text)
    policy_id = re.sub(r"[^a-z0-9]+", "-", slug(path).casefold()).strip("-")[:64].strip("-") or "policy"
    undecided = ("owner", *_undecided(found))
    return Adopted(path, policy_id, _document(path, policy_id, found), undecided, _labelled(path))


def _labelled(path: Path) -> Path | None:
    """The pack's table: of the policy's name, under `datasets/` beside the policies or beside their folder."""
    tables = (folder / IN_A_PACK / f"{slug(path)}.csv" for folder in (path.parent, *path.parent.parents[:2]))
    return next((table for table in tables if table.is_file()), None)


def _undecided(found: ForeignPolicy) -> Iterator[str]:
    violating = _violating(found)
    for category in violating:
        yield f"severity and decision of {category.id}"
    if len(violating) > 1:
        yield "yes_means"
    missing = {
        "the categories": found.categories,
        "the examples": found.examples,
        "the title": found.title,
        **{f"the section {name}": text for name, text in _body(found).items()},
    }
    yield from (what for what, there in missing.items() if not there)


def _violating(found: ForeignPolicy) -> list[ForeignCategory]:
    """Those that the document does not permit, or says nothing of."""
    return [category for category in found.categories if not category.permitted]


def _document(path: Path, policy_id: str, found: ForeignPolicy) -> str:
    source = " ".join(f"{path.parent.name}/{path.name}".split())  # a name may hold a line end
    examples = [{"content": each.content, "expect": each.category, "shown": True} for each in found.examples]
    lines = [
        FENCE,
        f"# Made by `stream-guard policy import` of {source}, whose licence goes on to hold. Each {TODO}",
        "# is a decision that the document leaves to you: `stream-guard policy lint` finds them.",
        f"id: {policy_id}",
        "revision: 1",
        f"owner: {TODO}",
        f"title: {written(found.title or TODO)}",
        "output: category  # also: binary, and rationale, which cites the rules",
        "categories:" if found.categories else f"categories: []  # {TODO}",
        *(line for category in found.categories for line in _category(category)),
        *([f"yes_means: {TODO}"] if len(_violating(found)) > 1 else []),
        "examples:" if examples else f"examples: []  # {TODO}",
        *(f"  - {written(example)}" for example in examples),
        FENCE,
    ]
    sections = [f"## {name}\n\n{_lowered(text) or TODO}\n" for name, text in _body(found).items()]
    return "\n".join([*lines, *sections])


def _category(category: ForeignCategory) -> Iterator[str]:
    yield f"  - id: {written(category.id)}"
    yield f"    title: {written(category.title)}"
    if category.permitted:
        yield "    severity: 0"
        yield "    decision: allow"
    else:
        unsaid = category.permitted is None
        yield f"    severity: {TODO}  # 1 to 4{', or 0 for the one that is permitted' if unsaid else ''}"
        yield f"    decision: {TODO}  # flag, review or block{', or allow for the one that is permitted' if unsaid else ''}"
    if category.rules:
        yield "    rules:"
        yield from (f"      {rule}: {written(text)}" for rule, text in category.rules.items())


def _body(found: ForeignPolicy) -> dict[str, str]:
    """The sections. Criteria begin with what is said of each category beside its rules."""
    said = [f"{category.id}: {category.text}" for category in found.categories if category.text]
    criteria = "\n\n".join([*said, *found.criteria])
    return {"Instruction": found.instruction, "Definitions": found.definitions, "Criteria": criteria}


def _lowered(text: str) -> str:
    """The text with headings that can't be taken for those of sections."""
    return re.sub(r"^#{1,2}(?=[ \t])", "###", text, flags=re.MULTILINE)
