"""Labelled contents from a CSV file, as policy packs of the ROOST Model Community hold them.

A notice may stand first. Then a header: a column of texts, the column of their labels, and perhaps a second such pair,
which holds replies to the texts. The header's own words vary; a column of labels is one whose last word says so.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from stream_guard.errors import Place, PolicyError
from stream_guard.marked_yaml import Finding
from stream_guard.policy.document import Example, ExampleTurn, Policy, PolicyId
from stream_guard.policy.reading import read_text

MAX_BYTES = 64 * 1024 * 1024
IN_A_PACK = "datasets"
_TOO_LARGE = f"labelled contents may have at most {MAX_BYTES} bytes"

_LABEL_WORDS = frozenset({"label", "classification", "category", "expect", "expected"})
_REPLY_WORDS = frozenset(
    {"response", "responses", "generation", "generations", "reply", "replies", "completion", "completions"}
)
_FIRST_LINES = 5
"""The header is among so many."""
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,32}")
"""What a label may look like: whatever does not may be a content, and is never quoted."""
_NO_HEADER = "has no header with a column of texts and, right of it, a column named label or classification"

_Cells: TypeAlias = tuple[int, list[str]]
"""The line on which a row begins, and its cells."""


class Labelled(Struct, frozen=True):
    """One labelled content: its line in the file, and the label as it stands there. Its repr shows no content."""

    line: int
    content: str | tuple[ExampleTurn, ...]
    label: str

    def __repr__(self) -> str:
        return f"Labelled(line {self.line})"


class LabelledSet(Struct, frozen=True):
    """All labelled contents of a file; `unlabelled` counts the contents beside an empty label, which are left out."""

    file: str
    rows: tuple[Labelled, ...]
    unlabelled: int

    def under(self, policy: Policy) -> list[tuple[int, Example]]:
        """The contents as examples of a policy, each with its line. Raises PolicyError for labels that it lacks."""
        unknown = [row for row in self.rows if policy.category(row.label) is None]
        if unknown:
            known = ", ".join(category.id for category in policy.categories)
            raise PolicyError(
                *((Place(self.file, r.line), f"{_named(r)} is no category of {policy.id}: {known}") for r in unknown)
            )
        return [(row.line, Example(row.content, row.label)) for row in self.rows]


def labelled_sets(paths: Sequence[Path], policies: Sequence[Policy]) -> dict[PolicyId, LabelledSet]:
    """The labelled contents of policies. Of a folder, or a pack's `datasets/`, the file `<policy id>.csv` of each; a file is
    that of the policy of its name, or of the only one.

    Raises PolicyError with everything that is wrong; what belongs to no policy is.
    """
    ids = [policy.id for policy in policies]
    sets: dict[PolicyId, LabelledSet] = {}
    findings: list[Finding] = []
    for path in paths:
        if path.is_dir():
            places = [(each, folder / f"{each}.csv") for folder in (path, path / IN_A_PACK) for each in ids]
            files = {each: place for each, place in places if place.is_file()}
        else:
            files = {each: path for each in ids if each == path.stem or len(ids) == 1}
        if not files:
            findings.append((Place(str(path)), f"is for none of the policies: {', '.join(ids)}"))
        for policy, file in files.items():
            try:
                sets[policy] = load_labelled(file)
            except PolicyError as error:
                findings += error.findings
    if findings:
        raise PolicyError(*findings)
    return sets


def load_labelled(path: Path) -> LabelledSet:
    """The labelled contents in a file. Raises PolicyError with everything that is wrong; it never quotes a content."""
    return parse_labelled(read_text(path, MAX_BYTES, _TOO_LARGE), str(path))


def parse_labelled(text: str, file: str) -> LabelledSet:
    """The labelled contents in a text; `file` names it in findings. Raises PolicyError with everything that is wrong."""
    lines = _lines(text, file)
    columns = next((found for _, cells in islice(lines, _FIRST_LINES) if (found := _label_columns(cells))), None)
    if columns is None:
        raise PolicyError((Place(file, 1), _NO_HEADER))
    rows: list[Labelled] = []
    findings: list[Finding] = []
    unlabelled = 0
    for line, cells in lines:
        for column in columns:
            text_of, label = _cell(cells, column - 1), _cell(cells, column)
            if text_of and label:
                rows.append(Labelled(line, _content(cells, column, columns[0]), label))
            elif label:
                findings.append((Place(file, line), "a label without a text"))
            unlabelled += bool(text_of and not label)
    if not rows and not findings:
        findings.append((Place(file), "holds no labelled contents"))
    if findings:
        raise PolicyError(*findings)
    return LabelledSet(file, tuple(rows), unlabelled)


def _lines(text: str, file: str) -> Iterator[_Cells]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    try:
        for cells in reader:
            yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise PolicyError((Place(file, begins), f"is not CSV: {error}")) from error


def _label_columns(cells: Sequence[str]) -> list[int]:
    """The columns of labels, if this is a header. A notice that is cut at its commas says no such word by itself."""
    words = [cell.casefold().replace("_", " ").split() for cell in cells]
    found = [at for at, said in enumerate(words) if at and said and said[-1] in _LABEL_WORDS and words[at - 1]]
    return [*found[:1], *(at for at in found[1:] if _REPLY_WORDS & set(words[at - 1]))]


def _cell(cells: Sequence[str], at: int) -> str:
    return cells[at].strip() if at < len(cells) else ""


def _content(cells: Sequence[str], column: int, first: int) -> str | tuple[ExampleTurn, ...]:
    """A text; or what a model replied to the row's first text, as a chat of both."""
    text, asked = cells[column - 1], _cell(cells, first - 1)
    if column == first or not asked:
        return text
    return (ExampleTurn("user", asked), ExampleTurn("assistant", text))


def _named(row: Labelled) -> str:
    return f"the label {row.label}" if _LABEL.fullmatch(row.label) else "the label"
