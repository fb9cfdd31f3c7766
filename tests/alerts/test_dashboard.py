"""The dashboard's file: what Grafana needs of it, and what a person does."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from stream_guard.telemetry import names
from tests.alerts import rendered
from tests.alerts.panels import DASHBOARD, PANELS, queries
from tests.charts import CHART

_WIDTH = 24
_VARIABLES = {"datasource", "namespace", "job", "objective"}


def test_ids_and_titles_are_told_apart() -> None:
    """No two panels share an id or a title."""
    for key in ("id", "title"):
        found = [panel[key] for panel in DASHBOARD["panels"]]
        assert len(found) == len(set(found))


def test_no_panel_covers_another() -> None:
    """All lie within the grid, each in a place of its own."""
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= _WIDTH
    covered = [(a["title"], b["title"]) for a, b in combinations(DASHBOARD["panels"], 2) if _overlap(a, b)]
    assert covered == []


def _overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    one, other = a["gridPos"], b["gridPos"]
    across: bool = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down: bool = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return across and down


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """It has a description, a unit, and a datasource that the viewer chooses."""
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert {source["uid"] for source in sources} == {"${datasource}"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_the_variables_are_those_that_are_used() -> None:
    """What a query needs can be chosen, and nothing else is asked for."""
    offered = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)", json.dumps(DASHBOARD)))
    assert offered == used == _VARIABLES


def test_the_objective_is_a_bound_of_the_histogram() -> None:
    """Only at a bound it is known how many came in time; the chart offers the same ones."""
    bounds = next(v for v in DASHBOARD["templating"]["list"] if v["name"] == "objective")["query"].split(",")
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    allowed = schema["properties"]["prometheusRule"]["properties"]["objective"]["properties"]["seconds"]["enum"]
    assert [float(bound) for bound in bounds] == [float(bound) for bound in allowed]
    assert set(map(float, allowed)) <= set(names.STAGE_DURATION.buckets)


def test_every_query_reads_metrics_that_exist() -> None:
    """By name and by label, of the chosen deployment alone."""
    metrics = {metric.prometheus: metric for metric in names.METRICS}
    for query in queries(60):
        found = re.findall(r"((?:stream_guard|messaging)\w+)\{([^}]*)\}", query.expr)
        assert found or query.expr.startswith("vector("), query
        for name, matchers in found:
            metric = metrics[re.sub("_seconds_(bucket|count|sum)$", "_seconds", name)]
            labels = set(re.findall(r"(\w+)(?:=~|!=|=)", matchers))
            assert {"namespace", "job"} <= labels
            assert labels <= {"namespace", "job", "le", *metric.labels}


@pytest.mark.kubernetes
def test_the_config_map_holds_the_file_as_it_is(kubernetes_tools: Path) -> None:
    """Grafana's own braces are not Helm's; the sidecar finds it by its label."""
    made = rendered.dashboard_object(kubernetes_tools, annotations={"grafana_folder": "Safety"}, namespace="monitoring")
    (text,) = made["data"].values()
    assert json.loads(text) == DASHBOARD
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "Safety"}
    assert made["metadata"]["namespace"] == "monitoring"
