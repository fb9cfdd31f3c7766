"""What holds for every shape in ci/. Helm 3 and Helm 4 make the same of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_guard.config.kafka import is_secret
from tests.chart.rendering import (
    CI,
    NAMESPACE,
    Chart,
    Manifest,
    Manifests,
    Values,
    ci_manifests,
    container,
    make_values,
)
from tests.charts import CHART, MAJORS

pytestmark = pytest.mark.kubernetes

SHAPES = {
    "cpu-demo", "escalation", "gpu-120b-tensor-parallel", "gpu-20b", "hpa", "kafka-mtls", "kafka-oauthbearer", "kafka-scram", "keda",
    "route-groups", "static-membership",
}  # fmt: skip
GPU = "nvidia.com/gpu"


def test_there_is_a_file_for_each_shape() -> None:
    """What the README promises to have been installed is there."""
    assert {file.name.removesuffix("-values.yaml") for file in CI} == SHAPES


@pytest.mark.parametrize("file", CI, ids=lambda file: file.stem)
def test_both_helms_make_the_same_of_it(kubernetes_tools: Path, file: Path) -> None:
    """Who changes from Helm 3 to Helm 4 changes nothing in the cluster."""
    three, four = (ci_manifests(kubernetes_tools, file, major) for major in MAJORS)
    assert sorted(map(_name, three.all)) == sorted(map(_name, four.all))
    assert sorted(map(str, three.all)) == sorted(map(str, four.all))


def test_all_of_it_is_in_the_namespace_of_the_release_and_can_be_told_apart(shape: Manifests) -> None:
    """Nothing is named twice, and everything says whose it is."""
    assert len({_name(each) for each in shape.all}) == len(shape.all)
    for each in shape.all:
        assert each["metadata"]["namespace"] == NAMESPACE
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "r"


def test_a_pod_has_longer_to_end_than_its_drain_takes(shape: Manifests) -> None:
    """Twice the drain, where the broker is away, and then the engine's end."""
    for workload in shape.workloads:
        drain = _guard(shape, workload).get("drain", 8)
        seconds = float(str(drain).removesuffix("s"))
        assert workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 2 * seconds + 30


def test_gpus_are_whole_and_as_many_as_the_engine_spans(shape: Manifests) -> None:
    """An engine on fewer waits for ever; on more, some idle."""
    for workload in shape.workloads:
        engine, limits = _guard(shape, workload)["engine"], _container(workload)["resources"]["limits"]
        if engine["kind"] == "vllm":
            assert limits[GPU] == engine.get("tensor_parallel_size", 1)
            assert type(limits[GPU]) is int
        else:
            assert GPU not in limits


def test_engines_of_several_gpus_have_shared_memory(shape: Manifests) -> None:
    """Their processes talk through it; the container runtime's own 64 MB are too few."""
    for workload in shape.workloads:
        volumes = {each["name"]: each for each in workload["spec"]["template"]["spec"]["volumes"]}
        mounted = [each["mountPath"] for each in _container(workload)["volumeMounts"]]
        spans = _guard(shape, workload)["engine"].get("tensor_parallel_size", 1) > 1
        assert ("/dev/shm" in mounted) == spans  # noqa: S108 - the pod's
        assert not spans or volumes["shm"]["emptyDir"]["medium"] == "Memory"


def test_no_secret_is_in_a_config_map(shape: Manifests) -> None:
    """Secrets come by reference: as a variable, or as a file."""
    for workload in shape.workloads:
        kafka = _guard(shape, workload)["kafka"]
        for section in ("client", "consumer", "producer"):
            for option, value in kafka.get(section, {}).items():
                assert not is_secret(option) or re.fullmatch(r"\$\{\w+\}", str(value))
    assert "Secret" not in {each["kind"] for each in shape.all}
    for pod in shape.pods:
        for each in pod["containers"] + pod.get("initContainers", []):
            named = [env["name"] for env in each["env"] if "value" in env]
            assert [name for name in named if re.search(r"TOKEN$|PASSWORD|SECRET|KEY$", name)] == []


def test_nothing_is_mounted_by_sub_path(shape: Manifests) -> None:
    """What is would never change again: neither a policy nor a certificate."""
    mounts = [mount for pod in shape.pods for each in _containers(pod) for mount in each["volumeMounts"]]
    assert mounts
    assert [mount for mount in mounts if "subPath" in mount or "subPathExpr" in mount] == []


def test_every_mount_has_its_volume_and_every_volume_is_mounted(shape: Manifests) -> None:
    """A name without the other half keeps the pod from starting, or is forgotten."""
    for pod in shape.pods:
        mounted = {mount["name"] for each in _containers(pod) for mount in each["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        paths = [[mount["mountPath"] for mount in each["volumeMounts"]] for each in _containers(pod)]
        assert all(len(set(each)) == len(each) for each in paths)


def test_pods_may_do_nothing_but_their_work(shape: Manifests) -> None:
    """Pod Security `restricted`, a read-only root, and no token of the API server."""
    for pod in shape.pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 2000)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for each in _containers(pod):
            own = each["securityContext"]
            assert own == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in each["resources"]["limits"]
        assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)
    assert shape.only("ServiceAccount")["automountServiceAccountToken"] is False


def test_nothing_is_downloaded_at_run_time(shape: Manifests) -> None:
    """The service has no way to the hub; an init container that brings the model has."""
    for workload in shape.workloads:
        assert _env(_container(workload))["HF_HUB_OFFLINE"] == "1"
        for each in workload["spec"]["template"]["spec"].get("initContainers", []):
            assert _env(each)["HF_HUB_OFFLINE"] == "0"


def test_what_caches_writes_where_it_may(shape: Manifests) -> None:
    """The root is read-only: home and caches are volumes."""
    for workload in shape.workloads:
        own = _container(workload)
        written = [mount["mountPath"] for mount in own["volumeMounts"] if not mount.get("readOnly")]
        env = _env(own)
        for name in ("HOME", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
            assert any(f"{env[name]}/".startswith(f"{path}/") for path in written)
        assert {"/tmp", _guard(shape, workload)["state_dir"]} <= set(written)  # noqa: S108 - the pod's


def test_probes_ask_what_they_are_for(shape: Manifests) -> None:
    """Loading is bounded by /started alone; a pause (registry, engine, broker) restarts nothing."""
    for workload in shape.workloads:
        own, loads = _container(workload), _guard(shape, workload)["engine"]["kind"] == "vllm"
        startup, liveness, readiness = (own[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness"))
        assert startup["httpGet"] == {"path": "/started" if loads else "/live", "port": "http"}
        assert liveness["httpGet"] == {"path": "/live", "port": "http"}
        assert readiness["httpGet"] == {"path": "/ready", "port": "http"}
        assert startup["failureThreshold"] * startup["periodSeconds"] >= 1800
        (port,) = own["ports"]
        telemetry = _guard(shape, workload)["telemetry"]
        assert (port["name"], port["containerPort"]) == ("http", telemetry["http_port"])
        assert telemetry["http_host"] == "0.0.0.0"  # noqa: S104 - the pod's


def test_a_rollout_needs_no_gpu_to_spare_and_the_model_has_time_to_load(shape: Manifests) -> None:
    """On a full pool a pod more than there were would wait for ever."""
    for workload in shape.of("Deployment"):
        spec = workload["spec"]
        one = spec.get("replicas") == 1
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        assert spec["strategy"] == ({"type": "Recreate"} if one else rolling)
        startup = _container(workload)["startupProbe"]
        assert spec["progressDeadlineSeconds"] > startup["failureThreshold"] * startup["periodSeconds"]


def test_a_deployment_that_is_scaled_names_no_number(shape: Manifests) -> None:
    """Else each upgrade would undo what the autoscaler decided."""
    targets = {each["spec"]["scaleTargetRef"]["name"] for each in shape.of("ScaledObject", "HorizontalPodAutoscaler")}
    assert {each["metadata"]["name"] for each in shape.workloads if "replicas" not in each["spec"]} == targets


def test_selectors_meet_their_own_pods_and_no_others(shape: Manifests) -> None:
    """Of a workload, a budget, a policy of the network, a monitor, a service, a spread."""
    pods = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in shape.workloads}
    for each in shape.all:
        for selector in _selectors(each):
            met = {name for name, labels in pods.items() if selector.items() <= labels.items()}
            assert met == ({each["metadata"]["name"]} & pods.keys()), _name(each)
    for name, labels in pods.items():
        (workload,) = (each for each in shape.workloads if each["metadata"]["name"] == name)
        assert "helm.sh/chart" not in labels, "a new chart alone would load the model again"
        for spread in workload["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"].items() <= labels.items()


def test_every_deployment_has_its_budget_and_its_walls(shape: Manifests) -> None:
    """Evictions take one pod at a time, and any that is not ready; nobody gets in or out but by a rule."""
    for workload in shape.workloads:
        name = workload["metadata"]["name"]
        budget = shape.named("PodDisruptionBudget", name)["spec"]
        assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
        network = shape.named("NetworkPolicy", name)["spec"]
        assert sorted(network["policyTypes"]) == ["Egress", "Ingress"]
        (enters,) = network["ingress"]
        assert enters["ports"] == [{"protocol": "TCP", "port": "http"}]
        assert all(rule["ports"] for rule in network["egress"])
        ports = {port["port"] for rule in network["egress"] for port in rule["ports"]}
        servers = _guard(shape, workload)["kafka"]["bootstrap_servers"].split(",")
        assert {53, *(int(server.rpartition(":")[2]) for server in servers)} <= ports


def test_no_variable_is_told_twice(shape: Manifests) -> None:
    """Server-side apply takes neither of two."""
    for pod in shape.pods:
        for each in _containers(pod):
            names = [env["name"] for env in each.get("env", [])]
            assert len(set(names)) == len(names)


def test_whoever_begins_at_the_end_attaches_once_at_the_install(shape: Manifests) -> None:
    """In a Job that loads no model, with all it needs as hooks of its own, of which nothing is left."""
    latest = {each["metadata"]["name"] for each in shape.workloads if _guard(shape, each)["kafka"]["start"] == "latest"}
    keda = {each["metadata"]["name"] for each in shape.of("ScaledObject")}
    jobs = {each["metadata"]["name"]: each for each in shape.of("Job")}
    assert set(jobs) == {f"{name}-attach" for name in latest | keda}
    hooks = [each for each in shape.all if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    for each in hooks:
        notes = each["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-install"
        assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    made = {_name(each): int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in hooks}
    for name, job in jobs.items():
        pod = job["spec"]["template"]["spec"]
        assert container(pod, "attach")["args"][0] == "attach"
        assert "serviceAccountName" not in pod
        needed = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
        own = [each for each in needed if each.startswith(name)]
        assert own
        assert all(made["ConfigMap", each] < made["Job", name] for each in own)


def test_the_notes_name_every_deployment(kubernetes_tools: Path, tmp_path: Path) -> None:
    """Helm shows them after an install; a template that fails there would fail the install."""
    chart = Chart(kubernetes_tools, _with_notes(tmp_path))
    for file in CI:
        shown = chart.render(file)
        notes = shown.only("Notes")["text"]
        for workload in shown.workloads:
            assert f"{workload['kind'].lower()}/{workload['metadata']['name']}\n" in notes
        assert "stream-guard top" in notes


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": {"kafka": {"start": "latest"}}}, "Its pods refuse to start until it ran."),
        ({"scaling": {"by": "keda", "recordsPerSecond": 9}}, "KEDA does not know where its group stands until it ran."),
        ({"config": {"kafka": {"start": "latest"}}, "attach": {"hook": "pre-upgrade"}}, None),
        ({}, None),
    ],
    ids=str,
)
def test_an_upgrade_says_whom_nobody_attached(
    kubernetes_tools: Path, tmp_path: Path, values: Values, said: str | None
) -> None:
    """Of a deployment that is not there yet: an upgrade adds it, or the install failed."""
    chart = Chart(kubernetes_tools, _with_notes(tmp_path))
    notes = chart.render(make_values(values), flags=("--is-upgrade",)).only("Notes")["text"]
    assert ("--set attach.hook=pre-upgrade" in notes) == bool(said)
    assert (said or "") in notes
    assert "attach.hook" not in chart.render(make_values(values)).only("Notes")["text"]


def _with_notes(folder: Path) -> Path:
    """The chart, with a template that says what NOTES.txt says."""
    whole = folder / "whole"
    for path in CHART.rglob("*"):
        if path.is_file() and path.parent.name != "ci":
            target = whole / path.relative_to(CHART)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    notes = '{{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}'
    extra = f"kind: Notes\nmetadata: {{name: notes}}\ntext: {notes}\n"
    (whole / "templates" / "shown.yaml").write_text(extra, encoding="utf-8")
    return whole


def _name(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _guard(shape: Manifests, workload: Manifest) -> Any:
    return yaml.safe_load(shape.named("ConfigMap", f"{workload['metadata']['name']}-config")["data"]["guard.yaml"])


def _container(workload: Manifest) -> Manifest:
    return container(workload["spec"]["template"]["spec"])


def _containers(pod: Manifest) -> list[Manifest]:
    return [*pod["containers"], *pod.get("initContainers", [])]


def _env(each: Manifest) -> dict[str, Any]:
    return {env["name"]: env.get("value") for env in each["env"]}


def _selectors(manifest: Manifest) -> Iterator[dict[str, str]]:
    spec = manifest.get("spec", {})
    if manifest["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget", "PodMonitor", "ServiceMonitor"):
        yield spec["selector"]["matchLabels"]
    elif manifest["kind"] == "NetworkPolicy":
        yield spec["podSelector"]["matchLabels"]
    elif manifest["kind"] == "Service":
        yield spec["selector"]
