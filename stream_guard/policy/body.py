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
    """The sections by name, and what is wrong with them."""

    sections: Mapping[str, str]
    findings: tuple[tuple[Place, str], ...]


def parse_body(text: str, file: str, first_line: int) -> Body:
    """The sections of a text that begins on that line of the file."""
    headings = list(_HEADING.finditer(text))
    starts = [*(heading.start() for heading in headings), len(text)]
    findings: list[tuple[int, str]] = [
        (bad.start(), f"character U+{ord(bad[0]):04X} is not allowed") for bad in _CONTROL.finditer(text)
    ]
    if text[: starts[0]].strip():
        findings.append((0, f"text before the first section; {_ORDER}"))
    sections: dict[str, str] = {}
    for heading, end in zip(headings, starts[1:], strict=True):
        title = heading[2]
        body = text[heading.end() : end].strip()
        if (flaw := _flaw(heading[1], title, body)) is not None:
            findings.append((heading.start(), flaw))
        elif title in sections:
            findings.append((heading.start(), f"the section {title} is repeated"))
        sections.setdefault(title, body)
    findings += _flaws_of_order(list(sections), len(text))
    return Body(sections, tuple((_place(text, at, file, first_line), what) for at, what in findings))


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


def _place(text: str, at: int, file: str, first_line: int) -> Place:
    return Place(file, first_line + text.count("\n", 0, at), at - text.rfind("\n", 0, at))
