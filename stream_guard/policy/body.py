"""The text of a policy document: its sections, each exactly once and in the order of the guide.

Examples and the form of the answer are not among them: the renderer writes both from the front matter, so that they
exist once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from stream_guard.errors import Place

SECTIONS = ("Instruction", "Definitions", "Criteria")

_HEADING = re.compile(r"^(#{1,2})[ \t]+(.*?)[ \t]*$", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_ORDER = "the sections must be ## " + ", ## ".join(SECTIONS)


class Body(NamedTuple):
    """The sections by name, where each one's text begins, and what is wrong with them."""

    sections: Mapping[str, str]
    starts: Mapping[str, Place]
    findings: tuple[tuple[Place, str], ...]


NO_BODY = Body({}, {}, ())


def parse_body(text: str, file: str, first_line: int) -> Body:
    """The sections of a text that begins on that line of the file."""
    headings = list(_HEADING.finditer(text))
    borders = [*(heading.start() for heading in headings), len(text)]
    findings: list[tuple[int, str]] = [
        (bad.start(), f"character U+{ord(bad[0]):04X} is not allowed") for bad in _CONTROL.finditer(text)
    ]
    if text[: borders[0]].strip():
        findings.append((0, f"text before the first section; {_ORDER}"))
    sections: dict[str, str] = {}
    starts: dict[str, int] = {}
    for heading, end in zip(headings, borders[1:], strict=True):
        title = heading[2]
        whole = text[heading.end() : end]
        body = whole.strip()
        if (flaw := _flaw(heading[1], title, body)) is not None:
            findings.append((heading.start(), flaw))
        elif title in sections:
            findings.append((heading.start(), f"the section {title} is repeated"))
        sections.setdefault(title, body)
        starts.setdefault(title, heading.end() + len(whole) - len(whole.lstrip()))
    findings += _flaws_of_order(list(sections), len(text))
    first = Place(file, first_line, 1)
    return Body(
        sections,
        {title: place_within(first, text, at) for title, at in starts.items()},
        tuple((place_within(first, text, at), what) for at, what in findings),
    )


def place_within(start: Place, text: str, at: int) -> Place:
    """The place of a character of a text that begins at `start`, which has line and column."""
    line, column = start.line or 1, start.column or 1
    lines = text.count("\n", 0, at)
    return Place(start.file, line + lines, at - text.rfind("\n", 0, at) if lines else column + at)


def _flaw(marks: str, title: str, body: str) -> str | None:
    if marks != "##" or title not in SECTIONS:
        return f"unknown section; {_ORDER}"
    return None if body else f"the section {title} is empty"


def _flaws_of_order(titles: list[str], end: int) -> list[tuple[int, str]]:
    known = [title for title in titles if title in SECTIONS]
    missing = [title for title in SECTIONS if title not in known]
    if missing:
        return [(end, f"the section {title} is missing") for title in missing]
    return [] if known == list(SECTIONS) else [(0, f"the sections are not in their order; {_ORDER}")]
