"""What of the values becomes of a pod."""

from __future__ import annotations

from typing import Any

import pytest

from stream_guard import __version__
from tests.chart.rendering import Chart, Manifests, container, laid, make_gpu_values, make_values

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def full(chart: Chart) -> Manifests:
    """All at once that a pod can have more of."""
    return chart.render(
        make_gpu_values(
            image={"tag": "1.2.3", "digest": f"sha256:{'a' * 64}", "pullPolicy": "Always"},
            imagePullSecrets=[{"name": "registry"}],
            env=[{"name": "MORE", "value": "1"}],
            envFrom=[{"secretRef": {"name": "whole"}}],
            secretEnv={"PASSWORD": {"secret": "kafka", "key": "pass.word"}},
            secretFiles={"kafka": {"secret": "kafka-tls", "items": [{"key": "a", "path": "b"}]}},
            otel={"endpoint": "http://collector:4318", "protocol": "http/protobuf", "resourceAttributes": {"team": "safety"}},
            runtimeClassName="nvidia",
            priorityClassName="judges",
            schedulerName="mine",
            affinity={"nodeAffinity": {}},
            nodeSelector={"pool": "gpu"},
            tolerations=[{"key": "pool", "operator": "Exists"}],
            topologySpreadConstraints=[
                {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"x": "y"}}}
            ],
            annotations={"a": "b"},
            podAnnotations={"c": "d"},
            podLabels={"e": "f"},
            initContainers=[{"name": "first", "image": "x"}],
            extraContainers=[{"name": "beside", "image": "x"}],
            extraVolumes=[{"name": "more", "emptyDir": {}}],
            extraVolumeMounts=[{"name": "more", "mountPath": "/more"}],
            sharedMemory={"enabled": True, "sizeLimit": "1Gi"},
            serviceAccount={"name": "judge", "annotations": {"role": "r"}},
            service={"enabled": True, "annotations": {"g": "h"}},
            probes={"startup": {"seconds": 3601, "periodSeconds": 30}},
            model={"from": "init", "claim": "models", "init": {"image": "hub:1", "args": ["get"]}},
        )
    )  # fmt: skip


def test_a_digest_wins_over_a_tag_and_the_tag_over_the_version(chart: Chart, full: Manifests) -> None:
    """What was scanned is what runs."""
    assert full.container["image"] == f"registry.example/stream-guard@sha256:{'a' * 64}"
    assert chart.render(make_values(image={"tag": "1.2.3"})).container["image"] == "registry.example/stream-guard:1.2.3"
    assert chart.render(make_values()).container["image"] == f"registry.example/stream-guard:{__version__}"


def test_where_it_runs_is_the_operators_to_say(full: Manifests) -> None:
    """Pool, runtime, priority, spread; the GPU's toleration stays beside one's own."""
    pod = full.pod
    assert (pod["runtimeClassName"], pod["priorityClassName"], pod["schedulerName"]) == ("nvidia", "judges", "mine")
    assert [each["key"] for each in pod["tolerations"]] == ["nvidia.com/gpu", "pool"]
    assert (pod["nodeSelector"], pod["affinity"]) == ({"pool": "gpu"}, {"nodeAffinity": {}})
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": {"x": "y"}}
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert (pod["serviceAccountName"], full.only("ServiceAccount")["metadata"]["annotations"]) == (
        "judge",
        {"role": "r"},
    )


def test_what_is_added_stands_beside_what_the_chart_has(full: Manifests) -> None:
    """Containers, volumes, labels, annotations."""
    pod, template = full.pod, full.workload["spec"]["template"]["metadata"]
    assert [each["name"] for each in pod["containers"]] == ["stream-guard", "beside"]
    assert [each["name"] for each in pod["initContainers"]] == ["first", "model"]
    assert {"more", "tmp", "cache", "state", "model", "shm"} <= {each["name"] for each in pod["volumes"]}
    assert "/more" in [each["mountPath"] for each in full.container["volumeMounts"]]
    assert (template["labels"]["e"], template["annotations"]["c"]) == ("f", "d")
    assert full.workload["metadata"]["annotations"]["a"] == "b"
    assert full.only("Service")["metadata"]["annotations"] == {"g": "h"}


def test_secrets_are_variables_and_files_by_reference(full: Manifests) -> None:
    """Nobody but the group of the pod reads the files."""
    (secret,) = (env for env in full.container["env"] if env["name"] == "PASSWORD")
    assert secret["valueFrom"] == {"secretKeyRef": {"name": "kafka", "key": "pass.word"}}
    assert full.container["envFrom"] == [{"secretRef": {"name": "whole"}}]
    (volume,) = (each for each in full.pod["volumes"] if each["name"] == "secret-kafka")
    assert volume["secret"] == {"secretName": "kafka-tls", "defaultMode": 0o440, "items": [{"key": "a", "path": "b"}]}


def test_telemetry_knows_whose_it_is(full: Manifests, chart: Chart) -> None:
    """The pod and its namespace come from the cluster, before the variables that refer to them."""
    names = [env["name"] for env in full.container["env"]]
    env = {each["name"]: each.get("value") for each in full.container["env"]}
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert env["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    told = env["OTEL_RESOURCE_ATTRIBUTES"]
    assert (
        told
        == "k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),service.instance.id=$(POD_NAME),team=safety"
    )
    assert names.index("POD_NAME") < names.index("OTEL_RESOURCE_ATTRIBUTES")
    silent = {each["name"] for each in chart.render(make_values()).container["env"]}
    assert not {name for name in silent if name.startswith("OTEL_")}


def test_a_model_that_is_brought_is_written_by_its_container_alone(full: Manifests) -> None:
    """The service reads it."""
    mounts = {each["name"]: each for each in full.container["volumeMounts"]}
    (brings,) = (each for each in full.pod["initContainers"] if each["name"] == "model")
    assert mounts["model"]["readOnly"]
    assert "readOnly" not in next(each for each in brings["volumeMounts"] if each["name"] == "model")
    (volume,) = (each for each in full.pod["volumes"] if each["name"] == "model")
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": False}
    assert (brings["image"], brings["args"]) == ("hub:1", ["get"])


def test_a_startup_that_does_not_fit_its_period_is_rounded_up(full: Manifests) -> None:
    """No model has less time to load than was said; and a rollout waits for it."""
    assert full.container["startupProbe"]["failureThreshold"] == 121
    assert full.workload["spec"]["progressDeadlineSeconds"] == 3901


@pytest.mark.parametrize(
    ("values", "shared"),
    [
        ({}, False),
        ({"sharedMemory": {"enabled": True}}, True),
        ({"config": {"engine": {"tensor_parallel_size": 4}}}, True),
        ({"config": {"engine": {"tensor_parallel_size": 4}}, "sharedMemory": {"enabled": False}}, False),
        ({"config": {"engine": {"extra": {"pipeline_parallel_size": 2}}}}, True),
    ],
)
def test_memory_is_shared_where_the_engine_spans_gpus(chart: Chart, values: dict[str, Any], shared: bool) -> None:
    """Unless somebody says otherwise."""
    assert ("shm" in {each["name"] for each in chart.render(make_gpu_values(values)).pod["volumes"]}) == shared


def test_mig_slices_are_whole_too(chart: Chart) -> None:
    """Another resource takes the place of the GPU."""
    shape = chart.render(make_gpu_values(gpu={"resource": "nvidia.com/mig-3g.40gb"}))
    assert shape.container["resources"]["limits"] == {"memory": "24Gi", "nvidia.com/mig-3g.40gb": 1}


def test_an_upgrade_that_adds_a_deployment_can_attach_it(chart: Chart) -> None:
    """Once, by saying so; and whoever attaches by hand can leave it out."""
    latest = make_values(config={"kafka": {"start": "latest"}})
    hooks = [
        each
        for each in chart.render(laid(latest, {"attach": {"hook": "pre-upgrade"}})).all
        if "attach" in each["metadata"]["name"]
    ]
    assert {each["metadata"]["annotations"]["helm.sh/hook"] for each in hooks} == {"pre-upgrade"}
    assert chart.render(laid(latest, {"attach": {"enabled": False}})).of("Job") == []
    assert chart.render(make_values(config={"kafka": {"start": "2026-01-31T00:00:00Z"}})).of("Job") == []


def test_who_attaches_needs_no_gpu(chart: Chart) -> None:
    """It goes where the service goes, whose image is there then; or anywhere, with a smaller one, and waits for its pull."""
    latest = make_gpu_values(config={"kafka": {"start": "latest"}}, nodeSelector={"pool": "gpu"})
    same = chart.render(latest)
    job = same.only("Job")["spec"]["template"]["spec"]
    assert (job["nodeSelector"], job["tolerations"]) == (same.pod["nodeSelector"], same.pod["tolerations"])
    assert container(job, "attach")["image"] == same.container["image"]
    elsewhere = {"image": "slim:1", "nodeSelector": {}, "tolerations": [{"key": "pool", "operator": "Exists"}]}
    spec = chart.render(laid(latest, {"attach": elsewhere})).only("Job")["spec"]
    job = spec["template"]["spec"]
    assert ("nodeSelector" in job, job["tolerations"]) == (False, elsewhere["tolerations"])
    assert container(job, "attach")["image"] == "slim:1"
    assert "nvidia.com/gpu" not in container(job, "attach")["resources"]["limits"]
    assert spec["activeDeadlineSeconds"] >= 1800


@pytest.mark.parametrize(
    ("values", "disk"),
    [
        ({}, "13Gi"),
        ({"emptyDirs": {"tmp": "512Mi"}}, "11776Mi"),
        ({"emptyDirs": {"tmp": "1G", "cache": "1G", "state": "1G"}}, "3000000000"),
        ({"config": {"state_dir": None}}, "12Gi"),
        ({"sharedMemory": {"enabled": True, "sizeLimit": "64Gi"}}, "13Gi"),
        ({"model": {"from": "init", "init": {"args": ["x"]}, "sizeLimit": "1Ti"}}, "1037Gi"),
        ({"model": {"from": "init", "init": {"args": ["x"]}, "claim": "models"}}, "13Gi"),
        ({"resources": {"requests": {"ephemeral-storage": "3Gi"}}}, "3Gi"),
        ({"resources": {"limits": {"ephemeral-storage": "9Gi"}}}, None),
    ],
    ids=str,
)
def test_what_may_be_written_is_asked_for(chart: Chart, values: dict[str, Any], disk: str | None) -> None:
    """Else a node is full before its pods are. What is in memory or in a claim is none of the disk's; a limit is a request too."""
    requests = chart.render(make_gpu_values(values)).container["resources"]["requests"]
    assert requests.get("ephemeral-storage") == disk
    assert (requests["cpu"], requests["memory"]) == ("4", "24Gi")
