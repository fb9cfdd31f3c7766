"""Several deployments of one release, and what each makes of the values that all have."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.chart.rendering import Chart, Manifests, container, make_gpu_values

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def both(chart: Chart) -> Manifests:
    """Two, of which the second differs in a number, a list, a word, an engine, and in what is nothing."""
    values = make_gpu_values(
        config={"window": {"records": 500, "asks": 64}, "engine": {"max_model_len": 8192}, "redrive": {"topic": "again"}},
        tolerations=[{"key": "pool", "operator": "Exists"}],
        nodeSelector={"pool": "gpu"},
        pdb={"enabled": True},
        podMonitor={"enabled": True},
        deployments={
            "first": {"config": {"kafka": {"group": "first"}}},
            "second": {
                "config": {
                    "kafka": {"group": "second"},
                    "window": {"records": 100},
                    "engine": {"kind": "openai", "base_url": "https://engine.example/v1", "model": "m", "profile": "gpt-oss"},
                    "redrive": None,
                },
                "tolerations": [],
                "gpu": {"enabled": False},
                "pdb": {"enabled": False},
                "scaling": {"replicas": 0},
                "resources": {"limits": {"memory": "4Gi"}},
            },
        },
    )  # fmt: skip
    return chart.render(values)


def _guard(shape: Manifests, name: str) -> Any:
    return yaml.safe_load(shape.named("ConfigMap", f"r-stream-guard-{name}-config")["data"]["guard.yaml"])


def test_maps_are_merged_and_all_else_is_replaced(both: Manifests) -> None:
    """What one does not say holds as all have it."""
    first, second = _guard(both, "first"), _guard(both, "second")
    assert (first["window"], second["window"]) == ({"records": 500, "asks": 64}, {"records": 100, "asks": 64})
    assert first["routes"] == second["routes"]
    pods = [
        both.named("Deployment", f"r-stream-guard-{name}")["spec"]["template"]["spec"] for name in ("first", "second")
    ]
    assert [len(pod.get("tolerations", [])) for pod in pods] == [2, 0]
    assert [pod["nodeSelector"] for pod in pods] == [{"pool": "gpu"}] * 2
    resources = container(pods[1])["resources"]
    assert (resources["limits"], resources["requests"]["memory"]) == ({"memory": "4Gi"}, "24Gi")


def test_an_engine_of_another_kind_brings_nothing_of_the_other(both: Manifests) -> None:
    """Its settings would be refused."""
    assert set(_guard(both, "second")["engine"]) == {"kind", "base_url", "model", "profile"}
    assert _guard(both, "first")["engine"]["max_model_len"] == 8192


def test_no_and_none_and_null_count(both: Manifests) -> None:
    """They are values like any, where a value may be that."""
    assert [each["metadata"]["name"] for each in both.of("PodDisruptionBudget")] == ["r-stream-guard-first"]
    assert both.named("Deployment", "r-stream-guard-second")["spec"]["replicas"] == 0
    assert _guard(both, "first")["redrive"] == {"topic": "again"}
    assert _guard(both, "second").get("redrive") is None


def test_each_has_its_own_of_everything_but_the_account(both: Manifests) -> None:
    """So that one can be changed, scaled and watched without the other."""
    for kind in ("Deployment", "NetworkPolicy", "PodMonitor"):
        assert [each["metadata"]["name"] for each in both.of(kind)] == ["r-stream-guard-first", "r-stream-guard-second"]
    accounts = {each["spec"]["template"]["spec"]["serviceAccountName"] for each in both.workloads}
    assert accounts == {both.only("ServiceAccount")["metadata"]["name"]}


def test_a_change_of_one_leaves_the_others_pods_alone(chart: Chart, both: Manifests) -> None:
    """A model is not loaded again because another deployment got more room."""
    values = make_gpu_values(
        deployments={name: {"config": {"kafka": {"group": name}}} for name in ("a", "b")},
    )
    before = chart.render(values)
    values["deployments"]["b"]["config"]["window"] = {"records": 7}
    after = chart.render(values)
    assert before.named("Deployment", "r-stream-guard-a") == after.named("Deployment", "r-stream-guard-a")
    assert before.named("Deployment", "r-stream-guard-b") != after.named("Deployment", "r-stream-guard-b")


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("guard", {}, "guard-stream-guard"),
        ("my-stream-guard", {}, "my-stream-guard"),
        ("r", {"nameOverride": "judge"}, "r-judge"),
        ("r", {"fullnameOverride": "judge"}, "judge"),
        ("a" * 53, {}, f"{'a' * 40}"),
    ],
)
def test_names_follow_the_release(chart: Chart, release: str, values: dict[str, Any], name: str) -> None:
    """And leave room for what is put behind them: a label takes 63 characters."""
    shape = chart.render(make_gpu_values(values), release=release)
    assert shape.workload["metadata"]["name"] == name
