"""What Helm says after an upgrade: of what this upgrade alone did, or did not do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping

import pytest

from tests.charts import CHART, MAJORS
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.helm import Helm, HelmFailed
from tests.kubernetes.namespaces import restricted_namespace
from tests.kubernetes.release import Release

pytestmark = pytest.mark.kubernetes

NO_GPU = CHART / "ci" / "cpu-demo-values.yaml"
LATEST = ("--set", "config.kafka.start=latest")
IN_VAIN_S = 5
"""How long an install is waited for that can't succeed."""


@pytest.fixture
def release(cluster: ControlPlane, helms: Mapping[int, Helm], request: pytest.FixtureRequest) -> Iterator[Release]:
    """One that is not installed yet, in a namespace of its own."""
    with restricted_namespace(cluster, f"notes-{uuid.uuid4().hex[:8]}") as namespace:
        yield Release(helms[request.param], namespace, NO_GPU)


@pytest.mark.parametrize("by", ["keda", "hpa"])
@pytest.mark.parametrize("release", MAJORS, indirect=True, ids="helm{}".format)
def test_an_upgrade_that_leaves_one_replica_says_so(release: Release, by: str) -> None:
    """The number goes with the line that named it. The notes have the command that brings it back; the next upgrade leaves it."""
    release.install("--set", "scaling.replicas=3")
    scaled = ("--set", f"scaling.by={by},scaling.recordsPerSecond=9")
    said = release.upgrade(*scaled)
    assert release.replicas() == [1]
    (command,) = (
        line.strip() for line in said.splitlines() if line.strip().startswith("kubectl") and " scale " in line
    )
    release.helm.cluster.kubectl(*command.split()[1:])
    assert release.replicas() == [3]
    assert " scale " not in release.upgrade(*scaled)
    assert release.replicas() == [3]


@pytest.mark.parametrize("release", MAJORS, indirect=True, ids="helm{}".format)
def test_after_an_install_that_failed_nobody_attaches_by_himself(release: Release) -> None:
    """To Helm what follows is an upgrade, which runs no hook of an install. Whoever says so gets the Job, and hears no more of it."""
    with pytest.raises(HelmFailed):
        release.install(*LATEST, "--set", "attach.resources.requests.cpu=1000", "--timeout", f"{IN_VAIN_S}s")
    assert release.workloads() == []
    said = release.upgrade(*LATEST)
    assert len(release.workloads()) == 1
    assert "Say `--set attach.hook=pre-upgrade` in one upgrade." in said
    assert "attach.hook" not in release.upgrade(*LATEST, "--set", "attach.hook=pre-upgrade")
    assert "attach.hook" not in release.upgrade(*LATEST)
