"""What a check found: one sentence, how grave it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from stream_guard.errors import Place


class Severity(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    """`run` starts, and something is likely to go otherwise than hoped."""
    ERROR = "error"
    """`run` would refuse to start, halt, or not do what it is there for."""


class Finding(Struct, frozen=True):
    """One finding. `place` is where in a file it stands, None for what is no matter of a file."""

    severity: Severity
    sentence: str
    advice: str = ""
    """What to do, where there is something to do."""
    place: Place | None = None


class Section(Struct, frozen=True):
    """The findings on one subject."""

    subject: str
    findings: tuple[Finding, ...]


class Report(Struct, frozen=True):
    """All that was found."""

    sections: tuple[Section, ...]

    def count(self, severity: Severity) -> int:
        """How many findings are so grave."""
        return sum(found.severity is severity for section in self.sections for found in section.findings)

    def __add__(self, other: Report) -> Report:
        return Report((*self.sections, *other.sections))


def section(subject: str, findings: Iterable[Finding]) -> Section:
    """The findings on a subject."""
    return Section(subject, tuple(findings))


def ok(sentence: str) -> Finding:
    """All is well."""
    return Finding(Severity.OK, sentence)


def warning(sentence: str, advice: str = "", place: Place | None = None) -> Finding:
    """Something to look at."""
    return Finding(Severity.WARNING, sentence, advice, place)


def error(sentence: str, advice: str = "", place: Place | None = None) -> Finding:
    """Something to mend."""
    return Finding(Severity.ERROR, sentence, advice, place)
