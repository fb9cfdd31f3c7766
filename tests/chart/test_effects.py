"""No value is without effect: each is changed, where it matters, and what Helm makes of the chart must change, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import pytest
import yaml

from tests.chart.rendering import Chart, Manifests, Refused, laid, make_gpu_values, make_values
from tests.chart.value_tables import VALUES

pytestmark = pytest.mark.kubernetes

Keys: TypeAlias = tuple[str, ...]
_ENGINE = {"kind": "openai", "base_url": "https://engine.example/v1", "model": "m", "profile": "gpt-oss"}
_KEDA = {"by": "keda", "recordsPerSecond": 20}
_INIT = {"model": {"from": "init", "init": {"args": ["get"]}}}
WHERE: Mapping[str, Mapping[str, Any]] = {
    "image.tag": {"image": {"tag": "1", "digest": ""}},
    "otel": {"otel": {"endpoint": "http://collector:4317"}},
    "sharedMemory": {"sharedMemory": {"enabled": True}},
    "model": _INIT,
    "model.from": laid(_INIT, {"model": {"claim": "models"}}),
    "model.mountPath": laid(_INIT, {"config": {"engine": {"model": "/models/one/m"}}}),
    "pdb.minAvailable": {"pdb": {"maxUnavailable": None}},
    "model.claim": {"model": {"from": "pvc", "claim": "models"}},
    "scaling": {"scaling": _KEDA},
    "scaling.replicas": {"scaling": {"by": "fixed"}},
    "scaling.hpa": {"scaling": {"by": "hpa", "recordsPerSecond": 20}},
    "networkPolicy.registry": {"config": {"schema_registry": {"url": "https://registry.example"}}},
    "networkPolicy.otlp": {"otel": {"endpoint": "http://collector:4317"}},
    "networkPolicy.engine": {"config": {"engine": _ENGINE}, "gpu": {"enabled": False}},
    "networkPolicy.tokens": {"config": {"kafka": {"client": {"sasl.oauthbearer.token.endpoint.url": "https://x.example"}}}},
    "networkPolicy.model": _INIT,
    "rollout.maxSurge": {"rollout": {"type": "RollingUpdate"}},
    "rollout.maxUnavailable": {"rollout": {"type": "RollingUpdate"}},
    "attach": {"config": {"kafka": {"start": "latest"}}},
    "service": {"service": {"enabled": True}},
    "podMonitor": {"podMonitor": {"enabled": True}},
    "serviceMonitor": {"serviceMonitor": {"enabled": True}},
}  # fmt: skip
"""What must be so for a value to matter: the entry of the longest beginning of its path holds."""
OTHER: Mapping[str, Any] = {
    "image.digest": f"sha256:{'a' * 64}",
    "image.pullPolicy": "Always",
    "policies": {"other.md": "---\n"},
    "secretEnv": {"NAME": {"secret": "s", "key": "k"}},
    "secretFiles": {"name": {"secret": "s"}},
    "policiesFrom": ["theirs"],
    "env": [{"name": "NAME", "value": "x"}],
    "otel.endpoint": "http://other:4317",
    "otel.protocol": "http/protobuf",
    "otel.sampler": "always_on",
    "gpu.resource": "example.com/gpu",
    "sharedMemory.enabled": False,
    "model.from": "pvc",
    "model.mountPath": "/models/one",
    "model.init.command": ["bring"],
    "model.init.args": ["other"],
    "model.init.env": [{"name": "NAME", "value": "x"}],
    "scaling.by": "hpa",
    "scaling.recordsPerSecond": 30,
    "scaling.keda.secrets": [{"parameter": "p", "secret": "s", "key": "k"}],
    "scaling.keda.authenticationRef": {"name": "mine"},
    "scaling.behavior.scaleUp.selectPolicy": "Min",
    "scaling.behavior.scaleDown.selectPolicy": "Min",
    "rollout.type": "RollingUpdate",
    "rollout.progressDeadlineSeconds": 2000,
    "terminationGracePeriodSeconds": 1000,
    "pdb.minAvailable": 1,
    "networkPolicy.dnsPorts": [1234],
    "networkPolicy.kafka.ports": [1234],
    "networkPolicy.registry.ports": [1234],
    "networkPolicy.otlp.ports": [1234],
    "networkPolicy.engine.ports": [1234],
    "networkPolicy.tokens.ports": [1234],
    "attach.hook": "pre-upgrade",
    "attach.tolerations": [{"operator": "Exists"}],
    "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}],
    "prometheusRule.disabled": ["StreamGuardLagging"],
    "prometheusRule.objective.seconds": 60,
    "prometheusRule.thresholds.modelLoad": "20m",
    "prometheusRule.objective.target": 0.95,
    "imagePullSecrets": [{"name": "x"}],
}
"""What takes the place of a default where `_changed` would make of it what the chart refuses."""
REFUSED: Mapping[str, tuple[Any, Any, Mapping[str, Any]]] = {
    "gpu.count": (1, 2, {}),
    "scaling.partitions": (9, 8, {"scaling": {"replicas": 9}}),
    "scaling.keda.scaleToZero": (True, False, {"scaling": {**_KEDA, "minReplicas": 0}}),
}
"""Values that only say what else may be: one that is fine, one that is refused, and where."""
_PEERS = ("from", "dns", "to")
_RELEASE = ("nameOverride", "fullnameOverride", "serviceAccount", "prometheusRule", "dashboard")
"""Values that all deployments have in common: changed one a rendering."""


def _leaves(path: Keys, node: Any) -> Iterator[tuple[Keys, Any]]:
    """Where each value that is no section stands, and its default."""
    if isinstance(node, dict) and node:
        for key, each in node.items():
            yield from _leaves((*path, key), each)
    else:
        yield path, node


LEAVES = [
    (path, default)
    for path, default in _leaves((), yaml.safe_load(VALUES.read_text(encoding="utf-8")))
    if path != ("deployments",) and ".".join(path) not in REFUSED
]
OWN = {f"v{number:03}": leaf for number, leaf in enumerate(leaf for leaf in LEAVES if leaf[0][0] not in _RELEASE)}
"""What a deployment may change, by the name of the deployment that does."""
SCENES = {scene: f"s{number:03}" for number, scene in enumerate(("", *WHERE))}
"""The deployment that has the defaults where these values matter."""


def _changed(path: Keys, now: Any) -> Any:
    """Another value than there is now."""
    name = ".".join(path)
    if name in OTHER:
        return OTHER[name]
    if path[-1] in _PEERS:
        return [{"podSelector": {"matchLabels": {"a": "b"}}}]
    return _another(now)


def _another(now: Any) -> Any:
    match now:
        case bool():
            changed: Any = not now
        case float():
            changed = now / 2
        case int():
            changed = now + 1
        case str() if now[:1].isdigit():  # an amount with a unit
            changed = re.sub(r"^\d+", lambda found: str(int(found[0]) + 1), now)
        case str():
            changed = f"{now}x"
        case list():
            changed = [{"name": "x"}]
        case _:
            changed = {"x": "y"}
    return changed


def _now(path: Keys, default: Any, where: Any) -> Any:
    """What holds where `where` is laid over the defaults."""
    for key in path:
        if key not in where:
            return default
        where = where[key]
    return where


def _scene(path: Keys) -> str:
    """The entry of WHERE that holds for a value; empty where it matters anyway."""
    names = (".".join(path[:length]) for length in range(len(path), 0, -1))
    return next((name for name in names if name in WHERE), "")


def _at(path: Keys, value: Any) -> dict[str, Any]:
    return {path[0]: _at(path[1:], value)} if path else value


def _laid_over(there: Mapping[str, Any], leaf: tuple[Keys, Any]) -> dict[str, Any]:
    """The same with this value changed."""
    path, default = leaf
    return laid(there, _at(path, _changed(path, _now(path, default, there))))


def _made(manifests: Manifests, name: str) -> list[str]:
    """What comes of a deployment, its own name left out. That its pods would be restarted is no effect: it is to tell of one."""
    components = {name, f"{name}-attach"}
    own = [
        each for each in manifests.all if each["metadata"]["labels"].get("app.kubernetes.io/component") in components
    ]
    return [
        re.sub(r'"checksum/restart": "\w+"', "", json.dumps(each, sort_keys=True)).replace(name, "") for each in own
    ]


@pytest.fixture(scope="module")
def made(chart: Chart) -> Manifests:
    """A deployment for each scene, and one for each value, where that is changed."""
    deployments = {name: WHERE.get(scene, {}) for scene, name in SCENES.items()}
    deployments |= {name: _laid_over(WHERE.get(_scene(leaf[0]), {}), leaf) for name, leaf in OWN.items()}
    groups = {name: laid({"config": {"kafka": {"group": name}}}, there) for name, there in deployments.items()}
    return chart.render(make_gpu_values(deployments=groups))


@pytest.mark.parametrize("name", OWN, ids=lambda name: ".".join(OWN[name][0]))
def test_no_value_of_a_deployment_is_without_effect(made: Manifests, name: str) -> None:
    """Who sets one that nothing comes of is not told."""
    before, after = _made(made, SCENES[_scene(OWN[name][0])]), _made(made, name)
    assert all('"containers"' in "".join(each) for each in (before, after))
    assert before != after


@pytest.mark.parametrize(
    "leaf", [leaf for leaf in LEAVES if leaf[0][0] in _RELEASE], ids=lambda leaf: ".".join(leaf[0])
)
def test_no_value_of_the_release_is_without_effect(chart: Chart, leaf: tuple[Keys, Any]) -> None:
    """The same of what all deployments have in common."""
    there = make_values(podMonitor={"enabled": True}, prometheusRule={"enabled": True}, dashboard={"enabled": True})
    assert chart.render(there).text != chart.render(_laid_over(there, leaf)).text


@pytest.mark.parametrize("name", REFUSED)
def test_no_value_that_only_bounds_others_is_without_effect(chart: Chart, name: str) -> None:
    """One is taken, the other one is not."""
    fine, wrong, where = REFUSED[name]
    path = tuple(name.split("."))
    assert chart.render(make_gpu_values(laid(where, _at(path, fine)))).workloads
    with pytest.raises(Refused, match="can't be installed"):
        chart.render(make_gpu_values(laid(where, _at(path, wrong))))
