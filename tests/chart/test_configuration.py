"""guard.yaml as the chart writes it: what the service makes of it, and what a change of it restarts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from typer.testing import CliRunner

from stream_guard.cli import cli
from stream_guard.config import Settings, load_config
from stream_guard.config.references import references
from stream_guard.editions.changes import needs_restart
from stream_guard.editions.edition import compose
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer
from tests.chart.rendering import CI, POLICY, Chart, Manifest, Manifests, laid, make_values

pytestmark = pytest.mark.kubernetes


class Pod(NamedTuple):
    """The files that a pod sees, on this machine, and its environment."""

    guard: Path
    env: Mapping[str, str]


def make_pod(shape: Manifests, workload: Manifest, folder: Path) -> Pod:
    """Lays out what the workload mounts. Whatever stands under /run/secrets is there, and says nothing."""
    spec = workload["spec"]["template"]["spec"]
    for mount in _service(spec)["volumeMounts"]:
        (volume,) = (each for each in spec["volumes"] if each["name"] == mount["name"])
        for key, text in _files(shape, volume).items():
            file = folder / mount["mountPath"].lstrip("/") / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    guard = folder / "etc/stream-guard/guard.yaml"
    text = guard.read_text(encoding="utf-8")
    for path in _secrets(yaml.safe_load(text)):
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("sixteen characters or more", encoding="utf-8")
    guard.write_text(text.replace("/run/secrets", f"{folder}/run/secrets"), encoding="utf-8")
    env = {each["name"]: _given(each) for each in _service(spec)["env"]}
    assert set(references(text)) <= set(env)
    return Pod(guard, env)


def test_the_service_takes_what_the_chart_writes(shape: Manifests, tmp_path: Path) -> None:
    """Of every deployment of every shape: the whole way of a start, but for the model and the cluster."""
    for workload in shape.workloads:
        pod = make_pod(shape, workload, tmp_path / workload["metadata"]["name"])
        loaded = load_config(pod.guard, pod.env)
        policies = load_policies(loaded.policies)
        assert compose(loaded, policies, PlainRenderer()).id
        assert loaded.state_dir == Path("/var/lib/stream-guard")
        assert loaded.telemetry.http_host == "0.0.0.0"  # noqa: S104 - the pod's


def test_explain_says_what_the_pod_will_say(kubernetes_tools: Path, tmp_path: Path) -> None:
    """An operator compares the edition on the laptop with that of a pod."""
    shape = Chart(kubernetes_tools).render(next(file for file in CI if "scram" in file.name))
    pod = make_pod(shape, shape.workload, tmp_path)
    told = CliRunner(env=dict(pod.env)).invoke(cli, ["explain", "-c", str(pod.guard)])
    assert told.exit_code == 0, told.output
    assert "edition" in told.output.splitlines()[0]
    assert "sixteen" not in told.output


def test_numbers_and_words_keep_what_they_are(chart: Chart, tmp_path: Path) -> None:
    """Helm counts in floating point, and YAML 1.1 reads yes as true: neither reaches the service."""
    odd = {
        "read": {
            "mapping": {
                "chat": {"turns": "$.c[*]", "role": "$.r", "text": "$.t", "roles": {"yes": "user", "1": "assistant"}}
            }
        }
    }
    config = {"window": {"tokens": 1_500_000, "bytes": 268_435_456}, "judging": {"timeout": 1e2}, "drain": "1m30s"}
    values = make_values(config=config | {"kafka": {"start": "2026-01-31T00:00:00Z", "client": {"client.id": "1e3"}}})
    values["config"]["routes"][0] |= odd | {"judge": ["chat"]}
    shape = chart.render(values)
    loaded = load_config(make_pod(shape, shape.workload, tmp_path).guard, {})
    assert (loaded.window.tokens, loaded.window.bytes, loaded.drain) == (1_500_000, 268_435_456, 90.0)
    assert loaded.kafka.client == {"client.id": "1e3"}
    assert shape.pod["terminationGracePeriodSeconds"] == 2 * 90 + 30


@pytest.mark.parametrize(
    ("drain", "least"), [("8s", 46), (8, 46), (0.5, 31), ("1500ms", 33), ("1h30m", 10_830), (" 2 m ", 270), ("20", 70)]
)
def test_the_grace_period_follows_the_drain_however_it_is_written(chart: Chart, drain: object, least: int) -> None:
    """Twice the drain, rounded up, and half a minute."""
    assert chart.render(make_values(config={"drain": drain})).pod["terminationGracePeriodSeconds"] == least


def test_policies_come_from_the_values_from_other_config_maps_and_from_the_image(chart: Chart) -> None:
    """Each as a directory of its own, so that each is hot."""
    values = make_values(policiesFrom=["theirs"], config={"policies": ["/opt/policies"]})
    shape = chart.render(values)
    assert shape.guard["policies"] == ["policies/", "policies-theirs/", "/opt/policies"]
    mounted = {each["name"]: each["mountPath"] for each in shape.container["volumeMounts"]}
    assert (mounted["policies"], mounted["policies-theirs"]) == (
        "/etc/stream-guard/policies",
        "/etc/stream-guard/policies-theirs",
    )


def test_files_are_where_the_configuration_names_them(chart: Chart) -> None:
    """Texts and binaries, in one directory; another content restarts the pods."""
    values = make_values(files={"own.yaml": "name: own"}, binaryFiles={"chat.bin": "AAE="})
    shape = chart.render(values)
    found = shape.named("ConfigMap", "r-stream-guard-files")
    assert (found["data"], found["binaryData"]) == ({"own.yaml": "name: own"}, {"chat.bin": "AAE="})
    assert "/etc/stream-guard/files" in [each["mountPath"] for each in shape.container["volumeMounts"]]
    other = chart.render(laid(values, {"files": {"own.yaml": "name: other"}}))
    assert _template(other) != _template(shape)


REGISTRY = {"config": {"schema_registry": {"url": "https://registry:8081"}}}
ROUTE: dict[str, Any] = make_values()["config"]["routes"][0]
HOT: Mapping[str, Any] = {
    "a policy": {"policies": {"spam.md": POLICY.replace("revision: 1", "revision: 2")}},
    "another policy": {"policies": {"more.md": POLICY.replace("id: spam", "id: more")}},
    "a condition": {"config": {"routes": [ROUTE | {"when": [{"header": "x", "present": True}]}]}},
    "limits": {"config": {"routes": [ROUTE | {"limits": {"content_chars": 10}}]}},
    "a name": {"config": {"routes": [ROUTE | {"name": "other"}]}},
    "a route more": {
        "config": {"routes": [ROUTE | {"name": "first", "when": [{"field": "language", "any_of": ["en"]}]}, ROUTE]}
    },
    "a mapping": {"config": {"routes": [ROUTE | {"read": {"mapping": {"message": {"text": "$.t"}}}}]}},
    "a text": {"config": {"routes": [ROUTE | {"read": {"format": "text"}}]}},
}
COLD: Mapping[str, Any] = {
    "a topic": {"config": {"routes": [ROUTE | {"topic": "other"}]}},
    "a topic more": {"config": {"routes": [ROUTE, ROUTE | {"topic": "other", "name": "other"}]}},
    "a pattern": {"config": {"routes": [{**{k: v for k, v in ROUTE.items() if k != "topic"}, "pattern": "chat[.].*"}]}},
    "an output": {"config": {"routes": [ROUTE | {"outputs": ROUTE["outputs"] | {"rationale": "guard.rationale"}}]}},
    "an escalation": {"config": {"routes": [ROUTE | {"escalate": {"when": {"always": True}, "topic": "e", "final_by": "1m"}}]}},
    "a format": {"config": {"routes": [ROUTE | {"read": {"format": "avro", "mapping": {"message": {"text": "$.t"}}}}]}},
    "a context": {"config": {"routes": [ROUTE | {"context": {"last": 3}}]}},
    "larger records": {"config": {"routes": [ROUTE | {"limits": {"record_bytes": "2MiB"}}]}},
    "the window": {"config": {"window": {"records": 10}}},
    "a broker": {"config": {"kafka": {"bootstrap_servers": "other:9092"}}},
    "telemetry": {"config": {"telemetry": {"log_level": "debug"}}},
}  # fmt: skip


class Changed(NamedTuple):
    """A configuration, as the chart renders it and as the service reads it."""

    shape: Manifests
    settings: Settings

    @property
    def template(self) -> Any:
        """The pods': where it stays the same, none is restarted."""
        return _template(self.shape)


@pytest.fixture(scope="module")
def changed(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Changed]:
    """The least that can be installed, as "", and every change of it; each rendered once."""
    made = {}
    for name, change in {"": {}, **HOT, **COLD}.items():
        shape = chart.render(make_values(laid(REGISTRY, change)))
        guard = make_pod(shape, shape.workload, tmp_path_factory.mktemp("pod")).guard
        made[name] = Changed(shape, load_config(guard, {}))
    return made


@pytest.mark.parametrize("change", HOT)
def test_what_is_taken_over_live_restarts_nothing(changed: Mapping[str, Changed], change: str) -> None:
    """The pods stay as they are, and only ConfigMaps change."""
    assert changed[change].template == changed[""].template
    assert changed[change].shape.of("ConfigMap") != changed[""].shape.of("ConfigMap")


@pytest.mark.parametrize("change", COLD)
def test_what_is_not_taken_over_live_restarts_the_pods(changed: Mapping[str, Changed], change: str) -> None:
    """Else the service would refuse the edition and go on as before, for as long as nobody restarts it."""
    assert changed[change].template != changed[""].template


def test_the_service_refuses_no_change_for_which_the_chart_restarts_nothing(changed: Mapping[str, Changed]) -> None:
    """From whatever to whatever: where the pods stay, they take the change over. And what they refuse is not imagined."""
    refused = 0
    for began, now in permutations(changed.values(), 2):
        there = now.settings.model_copy(update={"policies": began.settings.policies})  # a pod has one folder
        findings = needs_restart(began.settings, there)
        assert not findings or began.template != now.template
        refused += bool(findings)
    assert refused > len(COLD)


def _template(shape: Manifests) -> Any:
    return shape.workload["spec"]["template"]


def _given(variable: Manifest) -> str:
    """A variable's value; what is known only in the cluster is made up."""
    if "value" in variable:
        return str(variable["value"])
    return "r-stream-guard-0" if "fieldRef" in variable["valueFrom"] else "sixteen characters or more"


def _service(spec: Manifest) -> Manifest:
    (found,) = (each for each in spec["containers"] if each["name"] == "stream-guard")
    service: Manifest = found
    return service


def _files(shape: Manifests, volume: Manifest) -> Mapping[str, str]:
    """What a volume holds; a ConfigMap of somebody else's holds one more policy."""
    name = volume.get("configMap", {}).get("name")
    if name is None:
        return {}
    found = [each for each in shape.of("ConfigMap") if each["metadata"]["name"] == name]
    return found[0].get("data", {}) if found else {"theirs.md": POLICY.replace("id: spam", "id: theirs")}


def _secrets(node: object) -> list[str]:
    if isinstance(node, Mapping):
        return [path for each in node.values() for path in _secrets(each)]
    return [node] if isinstance(node, str) and node.startswith("/run/secrets/") else []
