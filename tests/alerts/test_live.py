"""Real replicas, a real Prometheus: alerts fire where something is wrong, and every panel of the dashboard has data.

`STREAM_GUARD_DASHBOARD=board.png python -m pytest tests/alerts/test_live.py` also draws the dashboard as this run fills it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.alerts import rendered
from tests.alerts.drawing import draw
from tests.alerts.live_run import WELL_S, Observed, observed_run
from tests.alerts.panels import Query, queries
from tests.alerts.prometheus import hastened
from tests.fixtures_kafka import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.kubernetes, pytest.mark.slow, pytest.mark.timeout(600)]

PICTURE = "STREAM_GUARD_DASHBOARD"
SLOWER = {("StreamGuardVerdictsDrift", ""), ("StreamGuardObjectiveBurns", "3d")}
"""Rules, and their windows, that wait for longer than a test can: one compares with a past that no test has, both are for days."""

SOON = {"modelLoad": "10m", "rollout": "10m"}
"""Of `thresholds`: nothing loads here, and nothing is rolled out."""


@pytest.fixture(scope="module")
def observed(
    kafka: Kafka, kubernetes_tools: Path, prometheus_tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    """One run for all tests of this file."""
    rules = hastened(rendered.groups(kubernetes_tools, thresholds=SOON))
    with observed_run(kafka, tmp_path_factory.mktemp("live"), prometheus_tools, rules) as run:
        if picture := os.environ.get(PICTURE):
            draw(run.prometheus, run.began, run.ended, Path(picture))
        yield run


def test_no_alert_fires_while_all_is_well(observed: Observed, kubernetes_tools: Path) -> None:
    """Two replicas that judge are nothing to be woken for; and it took longer than what would wake somebody waits for."""
    assert observed.fired["nothing"] == set()
    rules = [
        rule
        for group in hastened(rendered.groups(kubernetes_tools, thresholds=SOON))
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert {_name(rule) for rule in rules if 1.5 * int(rule["for"].removesuffix("ms")) / 1000 > WELL_S} == SLOWER


def _name(rule: Mapping[str, Any]) -> tuple[str, str]:
    return rule["alert"], rule["labels"].get("window", "")


def test_an_engine_that_is_away_is_told(observed: Observed) -> None:
    """It is down, and records wait; no other alert says what is not so."""
    assert observed.fired["engine"] - {"StreamGuardLagging", "StreamGuardObjectiveBurns"} == {
        "StreamGuardEngineDown",
        "StreamGuardNoProgress",
    }


def test_replicas_that_do_not_judge_alike_are_told(observed: Observed) -> None:
    """One refuses an edit, so that two texts of a policy are in force."""
    assert observed.fired["edit"] >= {"StreamGuardEditionRefused", "StreamGuardPoliciesDiffer"}


def test_garbage_is_told(observed: Observed) -> None:
    """Too much is dead-lettered, and for a reason that is new."""
    assert observed.fired["garbage"] >= {"StreamGuardDeadLetters", "StreamGuardDeadLetterReasonNew"}


def test_an_alert_reads_as_a_sentence(observed: Observed) -> None:
    """Prometheus fills the texts: no placeholder and no error of its own is left."""
    alerts = observed.prometheus.alerts()
    assert alerts
    for alert in alerts:
        texts = " ".join(alert["annotations"].values())
        assert [left for left in ("{{", "<error", "<no value>") if left in texts] == [], texts


@pytest.mark.parametrize("query", list(queries(120)), ids=lambda query: f"{query.panel}: {query.legend}")
def test_a_panel_has_data(observed: Observed, query: Query) -> None:
    """Its query is one that Prometheus takes, and finds what the run left."""
    if query.table:
        found = observed.prometheus.ask("query", query=query.expr, time=observed.ended)["result"]
    else:
        found = observed.prometheus.ask(
            "query_range", query=query.expr, start=observed.began, end=observed.ended, step="2s"
        )["result"]
    numbers = [value for series in found for _, value in series.get("values", [series.get("value")])]
    assert [value for value in numbers if value != "NaN"], query.expr


@pytest.mark.parametrize("expr", rendered.runbook_queries())
def test_a_query_of_a_runbook_is_one(observed: Observed, expr: str) -> None:
    """Prometheus takes it as it stands."""
    observed.prometheus.ask("query", query=expr)
