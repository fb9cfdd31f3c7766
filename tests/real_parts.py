"""Where CI is set, the tests on real parts are required: one that is skipped, or none at all, fails the run."""

from __future__ import annotations

from collections import Counter

import pytest

REAL_PARTS = ("registry", "kubernetes", "kafka", "vllm")


class RequiredRealParts:
    """Watches the tests that carry one of these marks, and fails the run where they did not all run."""

    def __init__(self) -> None:
        self._ran: Counter[str] = Counter()
        self._skipped: list[str] = []

    @property
    def complaints(self) -> list[str]:
        """Why the run does not count."""
        missing = [f"no test marked {mark} ran" for mark in REAL_PARTS if not self._ran[mark]]
        return missing + [f"skipped: {test}" for test in self._skipped]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts what ran and notes what was skipped."""
        marks = [mark for mark in REAL_PARTS if mark in report.keywords]
        if marks and report.skipped:
            self._skipped.append(report.nodeid)
        elif report.when == "call":
            self._ran.update(marks)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turns a run without the real parts into a failure."""
        if self.complaints and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says why."""
        for complaint in self.complaints:
            terminalreporter.write_line(f"CI requires the real parts: {complaint}", red=True)
