"""The values of `prometheusRule`: each does what its comment says, and what is wrong is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.alerts import promtool, rendered

pytestmark = pytest.mark.kubernetes

_THRESHOLDS = {
    "lagSeconds": 777, "retentionSeconds": 1_209_600, "podStart": "32m", "modelLoad": "33m", "rollout": "34m", "engineRestarts": 773, "deadLetterShare": 0.077,
    "deadLetterAgeSeconds": 7_777_777, "badReplyShare": 0.0777, "abstentionShare": 0.0077, "minimumRecords": 771,
    "driftFactor": 7.5, "driftMinimum": 772,
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), _THRESHOLDS.items())
def test_a_threshold_is_the_one_of_the_values(kubernetes_tools: Path, name: str, value: Any) -> None:
    """It stands in a rule as it was given, large numbers without an exponent."""
    rules = str(rendered.groups(kubernetes_tools, thresholds={name: value}))
    assert str(value) in rules
    assert str(value) not in str(rendered.groups(kubernetes_tools))


@pytest.mark.parametrize("seconds", [0.25, 2.5, 60, 3600])
def test_the_objective_may_be_any_bound(
    kubernetes_tools: Path, prometheus_tools: Path, tmp_path: Path, seconds: float
) -> None:
    """Fractions too, and promtool takes it; a bucket is found as Python and as Prometheus write its bound."""
    groups = rendered.groups(kubernetes_tools, objective={"seconds": seconds, "target": 0.999})
    promtool.check(prometheus_tools, tmp_path, groups)
    escaped = str(seconds).replace(".", r"\\.")
    assert f'le=~"{escaped}(\\\\.0)?"' in groups[0]["rules"][0]["expr"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"objective": {"seconds": 20}}, "seconds"),
        ({"objective": {"target": 0.9}}, "target"),
        ({"objective": {"target": 1}}, "target"),
        ({"thresholds": {"lagRecords": 5}}, "lagRecords"),
        ({"thresholds": {"modelLoad": "10 minutes"}}, "modelLoad"),
        ({"thresholds": {"podStart": ""}}, "podStart"),
        ({"disabled": ["StreamGuardLag"]}, "disabled"),
        ({"alertLabels": {"severity": "high"}}, "severity"),
    ],
    ids=str,
)
def test_wrong_values_are_refused(kubernetes_tools: Path, values: dict[str, Any], told: str) -> None:
    """With the place of what is wrong."""
    with pytest.raises(rendered.HelmRefused, match=told):
        rendered.rule_object(kubernetes_tools, **values)


def test_labels_severities_and_addresses_are_the_operators(kubernetes_tools: Path) -> None:
    """What Prometheus selects by, what Alertmanager routes by, and where the runbooks are."""
    made = rendered.rule_object(
        kubernetes_tools, labels={"release": "monitoring"}, severities={"page": "critical", "ticket": "warning"},
        alertLabels={"team": "safety"}, runbookBaseUrl="https://runbooks.example/guard/",
    )  # fmt: skip
    alerts = [rule for group in made["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert made["metadata"]["labels"]["release"] == "monitoring"
    assert {rule["labels"]["severity"] for rule in alerts} == {"critical", "warning"}
    assert {rule["labels"]["team"] for rule in alerts} == {"safety"}
    for rule in alerts:
        assert rule["annotations"]["runbook_url"] == f"https://runbooks.example/guard/{rule['alert']}.md"


def test_an_alert_that_is_not_wanted_is_not_there(kubernetes_tools: Path) -> None:
    """And topics without retention have no alert about it."""
    unwanted = {"StreamGuardVerdictsDrift", "StreamGuardLagNearRetention"}
    made = rendered.alerts(kubernetes_tools, disabled=["StreamGuardVerdictsDrift"], thresholds={"retentionSeconds": 0})
    every = {rule["alert"] for rule in rendered.alerts(kubernetes_tools)}
    assert {rule["alert"] for rule in made} == every - unwanted


def test_several_deployments_are_watched_each(kubernetes_tools: Path, prometheus_tools: Path, tmp_path: Path) -> None:
    """All are selected, and each that is gone is missed by name."""
    deployments: dict[str, Any] = {name: {"config": {"kafka": {"group": name}}} for name in ("posts", "chats")}
    deployments["chats"] |= {"podMonitor": {"enabled": False}, "serviceMonitor": {"enabled": True}}
    made = rendered.rule_object(kubernetes_tools, chart={"deployments": deployments})
    groups = made["spec"]["groups"]
    promtool.check(prometheus_tools, tmp_path, groups)
    absent = _absent(groups)
    names = {f"{rendered.NAME}-posts", f"{rendered.NAME}-chats"}
    assert set(absent) == names
    assert all(f'(safety/)?{name}"' in rule["expr"] for name, rule in absent.items())
    # As the monitor of each makes it of its name.
    assert absent[f"{rendered.NAME}-posts"]["labels"]["job"] == f"safety/{rendered.NAME}-posts"
    assert absent[f"{rendered.NAME}-chats"]["labels"]["job"] == f"{rendered.NAME}-chats"
    assert f"({rendered.NAME}-chats|{rendered.NAME}-posts)" in str(groups)


def test_a_selector_takes_the_place_of_ours(kubernetes_tools: Path) -> None:
    """For whoever scrapes without a monitor of the operator."""
    made = str(rendered.groups(kubernetes_tools, selector='job="guard"'))
    assert 'stream_guard_lag_seconds{job="guard"}' in made
    assert "namespace=" not in made.replace("namespace=~", "")


def test_nobody_is_missed_who_may_be_scaled_to_none(kubernetes_tools: Path) -> None:
    """Who may be scaled to none is not missed; the others are, and all are watched while they are there."""
    zero: dict[str, Any] = {"by": "keda", "minReplicas": 0, "recordsPerSecond": 9, "keda": {"scaleToZero": True}}
    scaled: dict[str, Any] = {
        "posts": {"scaling": zero},
        "chats": {"scaling": {"replicas": 0}},
        "mails": {"scaling": {**zero, "minReplicas": 2}},
    }
    deployments = {name: {"config": {"kafka": {"group": name}}, **values} for name, values in scaled.items()}
    groups = rendered.rule_object(kubernetes_tools, chart={"deployments": deployments})["spec"]["groups"]
    assert set(_absent(groups)) == {f"{rendered.NAME}-mails"}
    assert all(f"{rendered.NAME}-{name}" in str(groups) for name in scaled)
    none = {"scaling": {"replicas": 0}}
    assert _absent(rendered.rule_object(kubernetes_tools, chart=none, selector='job="guard"')["spec"]["groups"]) == {}


def test_a_model_may_load_for_as_long_as_its_startup_probe_lets_it(kubernetes_tools: Path) -> None:
    """The longest of all deployments, in minutes where it is some; whoever says otherwise is right."""
    deployments = {
        name: {"config": {"kafka": {"group": name}}, "probes": {"startup": {"seconds": seconds}}}
        for name, seconds in (("posts", 4500), ("chats", 600))
    }
    for chart, thresholds, told in (
        ({}, {}, "[30m] offset 30m"),
        ({"deployments": deployments}, {}, "[75m] offset 75m"),
        ({"probes": {"startup": {"seconds": 90}}}, {}, "[90s] offset 90s"),
        ({"deployments": deployments}, {"modelLoad": "1h30m"}, "[1h30m] offset 1h30m"),
    ):
        made = rendered.rule_object(kubernetes_tools, chart=chart, thresholds=thresholds)
        rules = {
            rule["alert"]: rule["expr"]
            for group in made["spec"]["groups"]
            for rule in group["rules"]
            if "alert" in rule
        }
        for alert in ("StreamGuardEngineDown", "StreamGuardReplicaEngineDown", "StreamGuardNothingAssigned"):
            assert told in rules[alert]


def _absent(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The rules that miss somebody, by whom."""
    rules = (rule for group in groups for rule in group["rules"])
    return {rule["labels"]["deployment"]: rule for rule in rules if rule.get("alert") == "StreamGuardAbsent"}
