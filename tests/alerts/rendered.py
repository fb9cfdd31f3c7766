"""The rules and the dashboard, as Helm makes them of the chart."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.charts import CHART
from tests.service import POLICY

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
NAMESPACE, RELEASE = "safety", "guard"
NAME = f"{RELEASE}-stream-guard"
JOB = f"{NAMESPACE}/{NAME}"
"""What a PodMonitor of that name makes of it."""

_INSTALLABLE = {
    "image": {"repository": "stream-guard"},
    "gpu": {"enabled": False},
    "config": {
        "kafka": {"bootstrap_servers": "kafka:9092", "group": "guard", "start": "earliest"},
        "engine": {"kind": "scripted"},
        "routes": [{"name": "chat", "topic": "posts", "judge": ["message"], "policies": ["adverts"], "outputs": {"verdicts": "posts.verdicts", "rulings": "posts.rulings", "dead_letters": "posts.letters"}}],
    },
    "policies": {"adverts.md": POLICY},
    "podMonitor": {"enabled": True},
}  # fmt: skip
"""What the chart can't do without."""


class HelmRefused(RuntimeError):
    """Helm does not render; the message is Helm's own."""


@cache
def _template(tools: Path, template: str, values: str) -> str:
    command = [str(tools / "helm3"), "template", RELEASE, str(CHART), "-n", NAMESPACE, "-s", f"templates/{template}"]
    done = subprocess.run([*command, "-f", "-"], input=values, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise HelmRefused(done.stderr)
    return done.stdout


def rule_object(tools: Path, *, chart: Mapping[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """The PrometheusRule, with these values of `prometheusRule`, and these of the chart. Raises HelmRefused."""
    whole = {**_INSTALLABLE, **(chart or {}), "prometheusRule": {"enabled": True, **values}}
    found: dict[str, Any] = yaml.safe_load(_template(tools, "prometheusrule.yaml", json.dumps(whole)))
    return found


def groups(tools: Path, **values: Any) -> list[dict[str, Any]]:
    """Its groups of rules: what a rules file of Prometheus holds."""
    found: list[dict[str, Any]] = rule_object(tools, **values)["spec"]["groups"]
    return found


def alerts(tools: Path, **values: Any) -> list[dict[str, Any]]:
    """Its alerts."""
    return [rule for group in groups(tools, **values) for rule in group["rules"] if "alert" in rule]


def group_of(tools: Path, alert: str) -> dict[str, Any]:
    """The group that an alert is in, with what is recorded for it."""
    return next(group for group in groups(tools) if any(rule.get("alert") == alert for rule in group["rules"]))


def dashboard_object(tools: Path, **values: Any) -> dict[str, Any]:
    """The ConfigMap of the dashboard, with these values of `dashboard`."""
    found: dict[str, Any] = yaml.safe_load(
        _template(tools, "dashboard.yaml", json.dumps(_INSTALLABLE | {"dashboard": {"enabled": True} | values}))
    )
    return found


def runbook_queries() -> list[str]:
    """What the runbooks ask Prometheus."""
    texts = [page.read_text(encoding="utf-8") for page in sorted(RUNBOOKS.glob("*.md"))]
    return [query.strip() for text in texts for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL)]
