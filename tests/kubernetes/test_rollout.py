"""What a rollout does where every GPU is taken."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.charts import CHART, MAJORS
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.helm import Helm, HelmFailed
from tests.kubernetes.namespaces import restricted_namespace
from tests.kubernetes.nodes import make_node
from tests.kubernetes.release import Release

pytestmark = pytest.mark.kubernetes

ONE_GPU = CHART / "ci" / "gpu-20b-values.yaml"
STUCK_S = 10
"""How long a rollout that is stuck is watched."""


@dataclass(frozen=True)
class FullPool:
    """A release whose pods hold every GPU of the nodes that they may run on."""

    release: Release
    options: tuple[str, ...]

    def upgrade(self, seconds: int, *options: str) -> None:
        """Replaces every pod. Raises HelmFailed where that is not done in time."""
        changed = ("--set-string", "podAnnotations.round=second")
        self.release.upgrade(*self.options, *changed, *options, "--timeout", f"{seconds}s")


@pytest.fixture
def full_pool(cluster: ControlPlane, helms: Mapping[int, Helm], request: pytest.FixtureRequest) -> Iterator[FullPool]:
    """A node of its own for one release of as many pods as it has GPUs."""
    major, gpus = request.param
    name = f"pool-{uuid.uuid4().hex[:8]}"
    cluster.add_nodes(make_node(name, gpus=gpus, pool=name))
    with restricted_namespace(cluster, name) as namespace:
        options = ("--set", f"scaling.replicas={gpus},nodeSelector.pool={name}")
        pool = FullPool(Release(helms[major], namespace, ONE_GPU), options)
        pool.release.install(*options)
        pool.release.await_ready()
        yield pool
    cluster.delete(f"/api/v1/nodes/{name}")


@pytest.mark.parametrize(
    "full_pool", [(major, gpus) for major in MAJORS for gpus in (1, 2)], indirect=True, ids="helm{0[0]}-{0[1]}".format
)
def test_a_rollout_comes_to_its_end(full_pool: FullPool) -> None:
    """Old pods go before new ones come: no GPU must be free for an upgrade."""
    full_pool.upgrade(60)
    full_pool.release.await_ready()
    assert full_pool.release.annotations("round") == ["second"]


@pytest.mark.parametrize("full_pool", [(4, 2)], indirect=True, ids=["two"])
def test_a_rollout_with_a_surge_would_not(full_pool: FullPool) -> None:
    """What Kubernetes does by default waits for a GPU that never comes free: the chart's strategy is what prevents it."""
    surge = "rollout.type=RollingUpdate,rollout.maxSurge=1,rollout.maxUnavailable=0"
    with pytest.raises(HelmFailed):
        full_pool.upgrade(STUCK_S, "--set", surge)
    (reason,) = full_pool.release.waiting()
    assert "1 Insufficient nvidia.com/gpu" in reason
