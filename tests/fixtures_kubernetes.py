"""The fixtures `kubernetes_tools` and `cluster`: programs built from source once, and one real control plane for the session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.charts import MAJORS
from tests.kubernetes import tools
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.custom_resources import KEDA, PROMETHEUS_OPERATOR
from tests.kubernetes.helm import Helm
from tests.kubernetes.nodes import make_node

_NODES = (
    *(make_node(f"cpu-{number}") for number in range(2)),
    *(make_node(f"gpu-{number}", gpus=2) for number in range(16)),
    *(make_node(f"gpu-large-{number}", gpus=8) for number in range(4)),
)
"""Enough for all releases that are there at once; each is as large as a node of that kind often is."""
_PATIENCE_S = 600
"""To start it, and for what a test waits for; a machine that others use takes several times as long."""
_SHARED = Path(__file__).parent / "kubernetes" / "manifests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives tests of a cluster time to start it, and to build it where that was never done: whichever comes first waits for it."""
    seconds = tools.kubernetes().build_s + _PATIENCE_S
    for item in items:
        if "kubernetes_tools" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(seconds))


@pytest.fixture(scope="session")
def kubernetes_tools() -> Path:
    """The folder with kubebox, kwok, kubeconform, helm3 and helm4; built on first use."""
    module = tools.kubernetes()
    if module.missing and (reason := tools.why_not()):
        pytest.skip(reason)
    return module.build()


@pytest.fixture(scope="session")
def cluster(kubernetes_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server, scheduler and controllers, and nodes with GPUs that only exist on paper: their pods run nothing."""
    with ControlPlane(kubernetes_tools, tmp_path_factory.mktemp("kubernetes")) as started:
        started.start_nodes()
        started.add_nodes(*_NODES)
        for published in (KEDA, PROMETHEUS_OPERATOR):
            started.apply(*published.files())
        started.apply(*sorted(_SHARED.glob("*.yaml")))
        yield started


@pytest.fixture(scope="session")
def helms(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Helm]:
    """Helm 3 and Helm 4."""
    return {major: Helm(major, cluster, tmp_path_factory.mktemp(f"helm{major}")) for major in MAJORS}
