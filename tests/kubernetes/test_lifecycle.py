"""The chart's life on a real API server, with both Helms: every values file of `helm/stream-guard/ci`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.charts import MAJORS
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.helm import Helm, HelmFailed
from tests.kubernetes.inventory import Inventory
from tests.kubernetes.namespaces import restricted_namespace
from tests.kubernetes.release import VALUES, Release

pytestmark = pytest.mark.kubernetes

AT_ONCE = 11
TOO_MANY = 100
"""GPUs, or CPUs: no node has so many."""
PATIENCE_S = 15
"""How long an upgrade that can't fit is waited for, at least. Helm takes as long for the way back, which must be enough."""


class Case(NamedTuple):
    """One life: a version of Helm, and a values file."""

    major: int
    values: Path


@pytest.fixture(scope="module")
def lives(
    cluster: ControlPlane, helms: Mapping[int, Helm], request: pytest.FixtureRequest
) -> Iterator[Mapping[Case, Future[None]]]:
    """All lives that were asked for, side by side: most of one is waiting."""
    inventory = Inventory(cluster)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {case: pool.submit(_live, helms[case.major], case.values, inventory) for case in _asked_for(request)}


def _asked_for(request: pytest.FixtureRequest) -> Iterator[Case]:
    for item in request.session.items:
        if item.path == request.path and isinstance(item, pytest.Function) and "lives" in item.fixturenames:
            parameters: Mapping[str, Any] = item.callspec.params
            yield Case(parameters["major"], parameters["values"])


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.name.removesuffix("-values.yaml"))
@pytest.mark.parametrize("major", MAJORS, ids="helm{}".format)
def test_installs_upgrades_rolls_back_and_leaves_nothing(
    lives: Mapping[Case, Future[None]], major: int, values: Path
) -> None:
    """A values file installs under Pod Security `restricted`; an upgrade that can't fit is taken back; nothing stays behind."""
    lives[Case(major, values)].result()


def _live(helm: Helm, values: Path, inventory: Inventory) -> None:
    name = f"{values.name.removesuffix('-values.yaml')}-helm{helm.major}"
    with restricted_namespace(helm.cluster, name) as namespace:
        release = Release(helm, namespace, values)
        before = inventory.of(namespace)
        _installs(release)
        started = time.monotonic()
        _upgrades(release)
        # The way back is another upgrade. On a machine that others use either takes several times as long.
        patience_s = max(PATIENCE_S, 4 * int(time.monotonic() - started))
        _takes_back_what_cannot_fit(release, patience_s)
        _goes_back(release)
        assert len(inventory.of(namespace) - before) > len(release.workloads())  # it sees what is there
        release.uninstall()
        with suppress(TimeoutError):  # the assertion names what is left
            helm.cluster.wait(lambda: inventory.of(namespace) <= before, "something is left", seconds=30)
        assert inventory.of(namespace) - before == set()
        assert inventory.beside(namespace) == set()


def _installs(release: Release) -> None:
    release.install()
    assert release.history() == ["deployed"]
    assert release.workloads()
    _play_the_autoscaler(release)
    release.await_ready()


def _upgrades(release: Release) -> None:
    replicas = release.replicas()
    release.upgrade("--set-string", "podAnnotations.round=second")
    assert release.history() == ["superseded", "deployed"]
    release.await_ready()
    assert set(release.annotations("round")) == {"second"}
    # Also where an autoscaler decides: an upgrade must not undo what it decided.
    assert release.replicas() == replicas


def _takes_back_what_cannot_fit(release: Release, seconds: int) -> None:
    fitting = release.templates()
    with pytest.raises(HelmFailed):
        release.upgrade_or_back(seconds, *_far_too_large(release.values))
    assert release.history() == ["superseded", "superseded", "failed", "deployed"]
    assert release.templates() == fitting
    release.await_ready()


def _goes_back(release: Release) -> None:
    release.rollback(1)
    assert release.history()[-1] == "deployed"
    release.await_ready()
    assert set(release.annotations("round")) == {None}


def _play_the_autoscaler(release: Release) -> None:
    """Nobody measures a load here: where something else than the chart decides on replicas, this does."""
    for name in _autoscaled(release):
        release.helm.cluster.kubectl("scale", name, "--replicas=2", "--namespace", release.namespace)


def _autoscaled(release: Release) -> Iterator[str]:
    for group, kind in (("keda.sh/v1alpha1", "scaledobjects"), ("autoscaling/v2", "horizontalpodautoscalers")):
        for each in release.helm.cluster.get(f"/apis/{group}/namespaces/{release.namespace}/{kind}")["items"]:
            yield f"deployment/{each['spec']['scaleTargetRef']['name']}"


def _far_too_large(values: Path) -> Iterator[str]:
    """Options that ask for more GPUs than any node has, in each of the deployments; for more CPUs where no GPU is needed."""
    whole = yaml.safe_load(values.read_text())
    for prefix, part in {
        "": whole,
        **{f"deployments.{name}.": d for name, d in whole.get("deployments", {}).items()},
    }.items():
        kind = {**whole["config"].get("engine", {}), **part.get("config", {}).get("engine", {})}.get("kind", "vllm")
        span = f"{prefix}config.engine.tensor_parallel_size={TOO_MANY}"
        gpus = f"{prefix}gpu.enabled=true,{prefix}gpu.count={TOO_MANY},{span}"
        yield from ("--set", gpus if kind == "vllm" else f"{prefix}resources.requests.cpu={TOO_MANY}")
