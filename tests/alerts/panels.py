"""The dashboard as data: its panels, and their queries as Grafana would ask them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.alerts.rendered import JOB, NAMESPACE
from tests.charts import CHART

DASHBOARD: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


class Query(NamedTuple):
    """One query of a panel."""

    panel: str
    legend: str
    expr: str
    table: bool


def queries(range_s: int, rate_s: int = 10, objective: str = "30") -> Iterator[Query]:
    """Every query, its variables filled: over a range of so many seconds, rates over so many."""
    filled = {
        "$__rate_interval": f"{rate_s}s", "$__range": f"{range_s}s", "$namespace": NAMESPACE, "$job": JOB, "$objective": objective,
    }  # fmt: skip
    for panel in PANELS:
        for target in panel["targets"]:
            expr = target["expr"]
            for variable, value in filled.items():
                expr = expr.replace(variable, value)
            yield Query(panel["title"], target["legendFormat"], expr, bool(target["instant"]))
