"""What is wrong in the chart or in its values is said before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.charts import CHART, MAJORS
from tests.kubernetes.control_plane import ControlPlane, Refused
from tests.kubernetes.helm import Helm, HelmFailed
from tests.kubernetes.namespaces import restricted_namespace
from tests.kubernetes.release import VALUES, Release

pytestmark = pytest.mark.kubernetes

ONE_GPU = CHART / "ci" / "gpu-20b-values.yaml"
STRICTLY = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-")


@pytest.fixture(scope="module")
def namespace(cluster: ControlPlane) -> Iterator[str]:
    """One for all of these tests: none of them installs anything."""
    with restricted_namespace(cluster, "validation") as name:
        yield name


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_the_api_server_knows_every_field(
    cluster: ControlPlane, helms: Mapping[int, Helm], namespace: str, values: Path
) -> None:
    """Strict validation by the real API server finds no unknown field, no duplicate, and nothing to warn of."""
    manifest = Release(helms[4], namespace, values).template()
    assert "kind: Deployment" in manifest or "kind: StatefulSet" in manifest
    cluster.kubectl(*STRICTLY, "--namespace", namespace, manifest=manifest)


def test_a_misspelt_field_is_named(cluster: ControlPlane, helms: Mapping[int, Helm], namespace: str) -> None:
    """The same validation says which field does not exist: it would find one in the chart."""
    manifest = Release(helms[4], namespace, ONE_GPU).template()
    misspelt = manifest.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem")
    assert misspelt != manifest
    with pytest.raises(
        Refused, match=r'\[name="stream-guard"\]\.securityContext\.readOnlyRootFileSystem: field not declared'
    ):
        cluster.kubectl(*STRICTLY, "--namespace", namespace, manifest=misspelt)


def test_pod_security_is_enforced(cluster: ControlPlane, namespace: str) -> None:
    """A pod that wants to be root is refused where the chart's pods are taken."""
    pod = {"metadata": {"name": "root"}, "spec": {"containers": [{"name": "root", "image": "root"}]}}
    with pytest.raises(Refused, match='violates PodSecurity \\\\"restricted'):
        cluster.create(f"/api/v1/namespaces/{namespace}/pods", pod)


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("gpu.cuont=1", "cuont"),
        ("gpu.count=0.5", "gpu.count"),
        ("scaling.by=sometimes", "scaling.by"),
        ("scaling.replicas=two", "scaling.replicas"),
        ("image.repository=", "image.repository"),
    ],
)
@pytest.mark.parametrize("major", MAJORS, ids="helm{}".format)
def test_a_wrong_value_is_refused_by_name(
    helms: Mapping[int, Helm], namespace: str, major: int, option: str, complaint: str
) -> None:
    """Helm refuses what the schema does not know, says which value, and installs nothing."""
    release = Release(helms[major], namespace, ONE_GPU, name=f"wrong-helm{major}")
    with pytest.raises(HelmFailed) as refusal:
        release.install("--set", option)
    # Helm 3 writes gpu.count, Helm 4 /gpu/count.
    assert re.sub(r"/", ".", str(refusal.value)).count(complaint), str(refusal.value)
    assert "stream-guard" in str(refusal.value)
    assert release.workloads() == []
