"""Where CI is set, the tests on real parts are required: one that is skipped, or none at all, fails the run.

A machine that is not root's, or can't have the packages, can do without the image and the node: a person says so by setting
STREAM_GUARD_CI_WITHOUT=image,node, and the run says that they were not required.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pytest

REAL_PARTS = ("image", "node", "registry", "kubernetes", "kafka", "vllm")
WITHOUT = "STREAM_GUARD_CI_WITHOUT"
_OPTIONAL = ("image", "node")


def excused(text: str) -> frozenset[str]:
    """The parts that a person does without, as the variable names them. Raises UsageError where it names what can't be left out."""
    named = frozenset(filter(None, map(str.strip, text.split(","))))
    if wrong := sorted(named.difference(_OPTIONAL)):
        raise pytest.UsageError(f"{WITHOUT}={text}: {', '.join(wrong)}: only {' and '.join(_OPTIONAL)} can be left out")
    return named


class RequiredRealParts:
    """Watches the tests that carry one of these marks, and fails the run where they did not all run."""

    def __init__(self, without: Collection[str] = ()) -> None:
        """Tests that carry a mark `without` which CI may be are not watched."""
        self._without = sorted(without)
        self._required = [mark for mark in REAL_PARTS if mark not in without]
        self._ran: Counter[str] = Counter()
        self._skipped: list[str] = []

    @property
    def complaints(self) -> list[str]:
        """Why the run does not count."""
        missing = [f"no test marked {mark} ran" for mark in self._required if not self._ran[mark]]
        return missing + [f"skipped: {test}" for test in self._skipped]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts what ran and notes what was skipped."""
        marks = [mark for mark in REAL_PARTS if mark in report.keywords]
        if marks and report.skipped and not set(marks) & set(self._without):
            self._skipped.append(report.nodeid)
        elif report.when == "call" and not report.skipped:
            self._ran.update(marks)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turns a run without the real parts into a failure."""
        if self.complaints and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says why, and what was not required."""
        for complaint in self.complaints:
            terminalreporter.write_line(f"CI requires the real parts: {complaint}", red=True)
        if self.complaints and not self._without:
            terminalreporter.write_line(
                f"A machine that can't have the image or the node: {WITHOUT}={','.join(_OPTIONAL)}"
            )
        if self._without:
            terminalreporter.write_line(f"{WITHOUT}: not required here: {', '.join(self._without)}", yellow=True)
