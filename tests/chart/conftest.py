"""What the tests of the chart share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.rendering import CI, Chart, Manifests, ci_manifests
from tests.charts import MAJORS


@pytest.fixture(scope="session")
def chart(kubernetes_tools: Path) -> Chart:
    """The chart, and both Helms."""
    return Chart(kubernetes_tools)


@pytest.fixture(
    params=[(file, major) for file in CI for major in MAJORS], ids=lambda case: f"{case[0].stem}-helm{case[1]}"
)
def shape(request: pytest.FixtureRequest, kubernetes_tools: Path) -> Manifests:
    """What each file of ci/ comes to, by each Helm."""
    file, major = request.param
    return ci_manifests(kubernetes_tools, file, major)
