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


@pytest.fixture(params=CI, ids=lambda file: file.stem)
def shape(request: pytest.FixtureRequest, kubernetes_tools: Path) -> Manifests:
    """What each file of ci/ comes to, by Helm 3: `test_both_helms_make_the_same_of_it` promises that it is the same by Helm 4."""
    return ci_manifests(kubernetes_tools, request.param, MAJORS[0])
