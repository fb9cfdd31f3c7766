"""The alerts: each fires on what it names and on nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream_guard.telemetry import names
from tests.alerts import promtool, rendered
from tests.alerts.cases import CASES, HALF_HOUR, LOOKALIKES, MINUTE, TWO, Case, Lookalike
from tests.alerts.courses import TURN

pytestmark = pytest.mark.kubernetes

_TOO_COARSE = {"StreamGuardNoProgress"}
"""Its ten minutes hold nothing where a step is half an hour."""


def test_promtool_finds_nothing_wrong(kubernetes_tools: Path, prometheus_tools: Path, tmp_path: Path) -> None:
    """What Helm makes are rules that Prometheus loads."""
    groups = rendered.groups(kubernetes_tools)
    said = promtool.check(prometheus_tools, tmp_path, groups)
    assert f"SUCCESS: {sum(len(group['rules']) for group in groups)} rules found" in said


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.name}")
def test_an_alert_fires_on_what_it_names(
    kubernetes_tools: Path, prometheus_tools: Path, tmp_path: Path, case: Case
) -> None:
    """It is silent before, fires with these labels and texts, and no more once it is over."""
    group, alerts = rendered.group_of(kubernetes_tools, case.alert), rendered.alerts(kubernetes_tools)
    promtool.run(prometheus_tools, tmp_path, [group], promtool.fires(case, alerts))


@pytest.mark.parametrize("case", LOOKALIKES, ids=lambda case: f"{case.alert}: {case.name}")
def test_what_only_looks_alike_fires_nothing(
    kubernetes_tools: Path, prometheus_tools: Path, tmp_path: Path, case: Lookalike
) -> None:
    """What has the look of its condition and is none leaves an alert silent."""
    group = rendered.group_of(kubernetes_tools, case.alert)
    promtool.run(prometheus_tools, tmp_path, [group], promtool.stays_quiet(case))


@pytest.mark.parametrize("minutes", [MINUTE, TWO, HALF_HOUR])
def test_no_alert_fires_where_all_is_well(
    kubernetes_tools: Path, prometheus_tools: Path, tmp_path: Path, minutes: int
) -> None:
    """Replicas that do well beside a release in a bad way: nothing fires, for hours and for more than a week."""
    wanted = {rule["alert"] for rule in rendered.alerts(kubernetes_tools)} - (
        _TOO_COARSE if minutes == HALF_HOUR else set()
    )
    silent = promtool.quiet(sorted(wanted), minutes, range(0, TURN[minutes] + 90, 5))
    promtool.run(prometheus_tools, tmp_path, rendered.groups(kubernetes_tools), silent)


def test_every_alert_has_a_case(kubernetes_tools: Path) -> None:
    """No alert is without a test that it fires, at any severity or window."""
    told = {(rule["alert"], rule["labels"].get("window", "")) for rule in rendered.alerts(kubernetes_tools)}
    assert {(case.alert, firing.labels.get("window", "")) for case in CASES for firing in case.firing} == told


def test_every_metric_that_a_rule_reads_exists(kubernetes_tools: Path) -> None:
    """No rule waits for a series that the service does not have."""
    rules = [rule for group in rendered.groups(kubernetes_tools) for rule in group["rules"]]
    known = {metric.prometheus for metric in names.METRICS} | {rule["record"] for rule in rules if "record" in rule}
    read = {name for rule in rules for name in re.findall(r"[\w:]*stream_guard\w+(?=\{)", rule["expr"])}
    assert {re.sub("_seconds_(bucket|count|sum)$", "_seconds", name) for name in read} <= known
