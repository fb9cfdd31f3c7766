"""Tests of rules as promtool runs them: files that are made of cases."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.alerts.cases import Case, Firing, Lookalike
from tests.alerts.courses import TURN, Course, healthy
from tests.alerts.rendered import JOB, NAMESPACE

_AGGREGATED = {"namespace": NAMESPACE, "job": JOB}


def check(tools: Path, folder: Path, groups: Sequence[Mapping[str, Any]]) -> str:
    """What `promtool check rules` says. Raises AssertionError where it does not like them."""
    return _run(tools, "check", "rules", "--lint=all", "--lint-fatal", str(_rules(folder, groups)))


def run(tools: Path, folder: Path, groups: Sequence[Mapping[str, Any]], test: Mapping[str, Any]) -> None:
    """Runs a test. Raises AssertionError with what promtool says of it where it fails."""
    _rules(folder, groups)
    file = folder / "tests.yaml"
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": test["interval"], "tests": [test]}
    file.write_text(json.dumps(whole))
    _run(tools, "test", "rules", str(file))


def quiet(
    names: Iterable[str], minutes: int, at: Iterable[int], changes: Mapping[str, Course] | None = None
) -> dict[str, Any]:
    """A test that none of these alerts fires at these steps."""
    steps = list(at)
    return _test(
        minutes, max(steps), changes or {}, [_expect(name, step, minutes, []) for name in names for step in steps]
    )


def fires(case: Case, rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A test that its alert is silent before, fires as it is to, and ends where it is to."""
    found = [_alert(firing, case.alert, rules) for firing in case.firing]
    turn, last = TURN[case.minutes], max(case.at, case.over or 0)
    silent = [turn + case.quiet, *([turn + case.over] if case.over else [])]
    expected = [_expect(case.alert, step, case.minutes, []) for step in (turn - 1, *silent)]
    return _test(
        case.minutes, turn + last, case.changes, [*expected, _expect(case.alert, turn + case.at, case.minutes, found)]
    )


def stays_quiet(case: Lookalike) -> dict[str, Any]:
    """A test that its alert never fires."""
    return quiet([case.alert], case.minutes, range(TURN[case.minutes], TURN[case.minutes] + case.until), case.changes)


def _alert(firing: Firing, name: str, rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An alert as promtool expects it: all labels, and its texts with the placeholders filled."""
    (rule,) = (r for r in rules if r["alert"] == name and r["labels"].get("window") == firing.labels.get("window"))
    labels = _AGGREGATED | dict(firing.labels)

    def filled(found: re.Match[str]) -> str:
        return labels[found["label"]] if found["label"] else firing.value

    texts = {
        key: re.sub(r"\{\{ \$(labels\.(?P<label>\w+)|value( \| \w+)?) \}\}", filled, text)
        for key, text in rule["annotations"].items()
    }
    return {"exp_labels": labels | {"severity": firing.severity}, "exp_annotations": texts}


def _expect(name: str, step: int, minutes: int, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"alertname": name, "eval_time": f"{step * minutes}m", "exp_alerts": list(found)}


def _test(minutes: int, last: int, changes: Mapping[str, Course], expected: Sequence[Any]) -> dict[str, Any]:
    courses = healthy() | dict(changes)
    written = [
        {"series": series, "values": " ".join(course.samples(TURN[minutes], last + 1))}
        for series, course in courses.items()
    ]
    return {"interval": f"{minutes}m", "input_series": written, "alert_rule_test": list(expected)}


def _rules(folder: Path, groups: Sequence[Mapping[str, Any]]) -> Path:
    path = folder / "rules.yaml"
    path.write_text(json.dumps({"groups": list(groups)}))  # JSON is YAML
    return path


def _run(tools: Path, *command: str) -> str:
    done = subprocess.run([str(tools / "promtool"), *command], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout + done.stderr
