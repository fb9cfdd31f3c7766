"""Wrong values, and what is said of them: by the schema, or by a template where two values are right only apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import pytest

from tests.chart.rendering import Chart, Refused, Values, make_gpu_values, make_values
from tests.charts import MAJORS

pytestmark = pytest.mark.kubernetes

Case: TypeAlias = tuple[Values, str]
"""Values, and what must be said of them."""


def _of_a_route(**settings: Any) -> Values:
    return make_values(config={"routes": [make_values()["config"]["routes"][0] | settings]})


BY_SCHEMA: Mapping[str, Case] = {
    "half a GPU": (make_gpu_values(gpu={"count": 0.5}), "at '/gpu/count': got number, want null or integer"),
    "no GPU": (make_gpu_values(gpu={"count": 0}), "at '/gpu/count': minimum: got 0, want 1"),
    "a text for a GPU": (make_gpu_values(gpu={"count": "1"}), "at '/gpu/count': got string, want null or integer"),
    "a misspelt value": (make_values(scalin={}), "at '': additional properties 'scalin' not allowed"),
    "another chart's value": (
        make_values(deployments={"a": {"replicaCount": 2}}),
        "at '/deployments/a': additional properties 'replicaCount' not allowed",
    ),
    "a misspelt setting": (
        make_values(config={"kafka": {"bootstrap_server": "x"}}),
        "at '/config/kafka': additional properties 'bootstrap_server' not allowed",
    ),
    "a misspelt setting of an engine": (
        make_gpu_values(config={"engine": {"modle": "x"}}),
        "at '/config/engine': additional properties 'modle' not allowed",
    ),
    "a misspelt setting of one deployment": (
        make_values(deployments={"a": {"config": {"window": {"record": 1}}}}),
        "at '/deployments/a/config/window': additional properties 'record' not allowed",
    ),
    "no such engine": (
        make_values(config={"engine": {"kind": "vlm"}}),
        "at '/config/engine/kind': value must be one of 'vllm', 'openai', 'scripted'",
    ),
    "a route that lacks what it needs": (
        make_values(config={"routes": [{"name": "chat", "topic": "chat"}]}),
        "at '/config/routes/0': missing properties 'judge', 'policies', 'outputs'",
    ),
    "a choice that there is none of": (_of_a_route(publish="some"), "at '/config/routes/0/publish'"),
    "a policy that is none": (make_values(policies={"spam.txt": "x"}), "at '/policies': additional properties 'spam.txt' not allowed"),
    "a name that is none": (make_values(deployments={"A b": {}}), "at '/deployments': additional properties 'A b' not allowed"),
    "a secret as a text": (make_values(secretEnv={"PASSWORD": "hunter2"}), "at '/secretEnv/PASSWORD': got string, want object"),
    "a key that is missing": (make_values(secretEnv={"PASSWORD": {"secret": "s"}}), "at '/secretEnv/PASSWORD': missing property 'key'"),
    "a number of pods below none": (make_values(scaling={"replicas": -1}), "at '/scaling/replicas': minimum: got -1, want 0"),
    "two ways of scaling": (make_values(scaling={"by": "both"}), "at '/scaling/by': value must be one of 'fixed', 'keda', 'hpa'"),
    "a startup that no model makes": (make_values(probes={"startup": {"seconds": 5}}), "at '/probes/startup/seconds': minimum: got 5, want 60"),
    "a peer that is none": (make_values(networkPolicy={"from": [{"namespace": "x"}]}), "at '/networkPolicy/from/0': additional properties 'namespace' not allowed"),
    "memory without a size": (make_values(emptyDirs={"tmp": "much"}), "at '/emptyDirs/tmp'"),
    "a digest that is none": (make_values(image={"digest": "sha256:abc"}), "at '/image/digest'"),
}  # fmt: skip

TOGETHER: Mapping[str, Case] = {
    "latest": (make_values(image={"tag": "latest"}), "image.tag: latest is another image tomorrow"),
    "a grace period shorter than the drain": (
        make_values(terminationGracePeriodSeconds=45),
        "terminationGracePeriodSeconds: 45 is less than 46, twice the drain of 8s and 30",
    ),
    "a drain that became longer": (
        make_values(terminationGracePeriodSeconds=60, config={"drain": "1m"}),
        "terminationGracePeriodSeconds: 60 is less than 150",
    ),
    "a rollout that is given up while the model loads": (
        make_values(rollout={"progressDeadlineSeconds": 1800}),
        "rollout.progressDeadlineSeconds: 1800 is no more than probes.startup.seconds (1800)",
    ),
    "a rollout that can't move": (make_values(rollout={"maxUnavailable": 0}), "rollout: maxSurge and maxUnavailable are both 0"),
    "fewer GPUs than the engine spans": (
        make_gpu_values(gpu={"count": 1}, config={"engine": {"tensor_parallel_size": 2}}),
        "gpu.count: 1, but the engine spans 2",
    ),
    "more GPUs than the engine spans": (make_gpu_values(gpu={"count": 2}), "gpu.count: 2, but the engine spans 1"),
    "GPUs among the resources": (
        make_gpu_values(resources={"limits": {"nvidia.com/gpu": "0.5"}}),
        "resources.limits.nvidia.com/gpu: GPUs are asked for by gpu.count",
    ),
    "a GPU for an engine elsewhere": (make_values(gpu={"enabled": True}), "gpu.enabled: the engine scripted computes nothing in the pod"),
    "a password in the configuration": (
        make_values(config={"kafka": {"client": {"sasl.password": "hunter2"}}}),
        "config.kafka.client.sasl.password: a secret would stand in a ConfigMap",
    ),
    "a key in the configuration": (
        make_values(config={"content_hash_key": "0123456789abcdef"}),
        "config.content_hash_key: a secret would stand in a ConfigMap",
    ),
    "half a reference": (
        make_values(config={"content_hash_key": "0123456789abcdef-${KEY}"}, secretEnv={"KEY": {"secret": "s", "key": "k"}}),
        "config.content_hash_key: a secret would stand in a ConfigMap",
    ),
    "a registry's password": (
        make_values(config={"schema_registry": {"url": "https://registry", "username": "u", "password": "hunter2"}}),
        "config.schema_registry.password: a secret would stand in a ConfigMap",
    ),
    "a token in the environment": (make_values(env=[{"name": "HF_TOKEN", "value": "hf_x"}]), "env HF_TOKEN: a secret would stand in the manifest"),
    "a reference to nothing": (
        make_values(config={"kafka": {"client": {"sasl.password": "${PASSWORD}"}}}),
        "config refers to ${PASSWORD}, which nothing sets",
    ),
    "a file of no volume": (
        make_values(config={"kafka": {"client_files": {"sasl.password": "/run/secrets/kafka/password"}}}),
        "nothing is mounted at /run/secrets/kafka/password; name the secret under secretFiles.kafka",
    ),
    "a port that nobody reaches": (
        make_values(config={"telemetry": {"http_host": "127.0.0.1"}}),
        "config.telemetry.http_host: the kubelet can't reach 127.0.0.1",
    ),
    "a port that nobody knows": (make_values(config={"telemetry": {"http_port": 0}}), "config.telemetry.http_port: probes need a port that is known"),
    "no rate to scale by": (make_values(scaling={"by": "keda"}), "scaling.recordsPerSecond: say how many records one replica judges"),
    "none by default": (
        make_values(scaling={"by": "keda", "minReplicas": 0, "recordsPerSecond": 9}),
        "scaling.minReplicas: 0 needs scaling.by: keda and scaling.keda.scaleToZero: true",
    ),
    "none under an HPA": (
        make_values(scaling={"by": "hpa", "minReplicas": 0, "recordsPerSecond": 9, "keda": {"scaleToZero": True}}),
        "scaling.minReplicas: 0 needs scaling.by: keda",
    ),
    "more replicas than partitions": (
        make_values(scaling={"replicas": 9, "partitions": 6}),
        "scaling.replicas: 9 replicas for 6 partitions: 3 would hold GPUs and read nothing",
    ),
    "fewer at most than at least": (
        make_values(scaling={"by": "keda", "recordsPerSecond": 9, "minReplicas": 3, "maxReplicas": 2}),
        "scaling.maxReplicas: 2 is less than scaling.minReplicas, 3",
    ),
    "one name for all replicas": (
        make_values(config={"kafka": {"instance_id": "a"}}),
        "config.kafka.instance_id: all replicas would have this one name",
    ),
    "one group for two deployments": (
        make_values(deployments={"a": {}, "b": {}}),
        "deployments: a and b have the consumer group stream-guard",
    ),
    "a claim without a name": (make_gpu_values(model={"from": "pvc"}), "model.claim: name the claim that holds the model"),
    "a model beside its volume": (
        make_gpu_values(model={"from": "pvc", "claim": "c"}, config={"engine": {"model": "/opt/m"}}),
        "config.engine.model: /opt/m is not in /models",
    ),
    "an init container that does nothing": (make_gpu_values(model={"from": "init"}), "model.init: say how the model is brought"),
    "a model that is nowhere": (make_gpu_values(config={"engine": {"model": "models/m"}}), "config.engine.model: must be the absolute path"),
    "brokers that nobody can tell": (
        make_values(config={"kafka": {"bootstrap_servers": "${BROKERS}"}}, env=[{"name": "BROKERS", "value": "k:1"}]),
        "networkPolicy.kafka.ports: the brokers' ports can't be told from ${BROKERS}",
    ),
    "an engine whose port nobody can tell": (
        make_values(
            config={"engine": {"kind": "openai", "base_url": "${ENGINE_URL}", "model": "m", "profile": "gpt-oss"}},
            env=[{"name": "ENGINE_URL", "value": "http://x:8000"}],
        ),
        "networkPolicy.engine.ports: the port can't be told from ${ENGINE_URL} (config.engine.base_url); name it",
    ),
    "a registry whose port nobody can tell": (
        make_values(
            config={"schema_registry": {"url": "https://one.example, https://${REGISTRY}/path"}},
            env=[{"name": "REGISTRY", "value": "x:8081"}],
        ),
        "networkPolicy.registry.ports: the port can't be told from https://${REGISTRY}/path (config.schema_registry.url)",
    ),
    "tokens from a port that nobody can tell": (
        make_values(
            config={"kafka": {"client": {"sasl.oauthbearer.token.endpoint.url": "${TOKENS}"}}},
            env=[{"name": "TOKENS", "value": "https://x/token"}],
        ),
        "networkPolicy.tokens.ports: the port can't be told from ${TOKENS}",
    ),
    "a collector whose port nobody can tell": (
        make_values(secretEnv={"OTEL_EXPORTER_OTLP_ENDPOINT": {"secret": "s", "key": "k"}}),
        "networkPolicy.otlp.ports: the port can't be told from ${OTEL_EXPORTER_OTLP_ENDPOINT} (env OTEL_EXPORTER_OTLP_ENDPOINT)",
    ),
    "a variable of the chart's": (
        make_values(env=[{"name": "HF_HUB_OFFLINE", "value": "0"}]),
        "env HF_HUB_OFFLINE: is set already",
    ),
    "a variable of a value's": (
        make_values(otel={"endpoint": "http://collector:4317"}, env=[{"name": "OTEL_TRACES_SAMPLER", "value": "always_on"}]),
        "env OTEL_TRACES_SAMPLER: is set already",
    ),
    "a variable and a secret of one name": (
        make_values(env=[{"name": "A", "value": "b"}], secretEnv={"A": {"secret": "s", "key": "k"}}),
        "env A: is set already",
    ),
    "a variable of the init container's": (
        make_gpu_values(model={"from": "init", "init": {"args": ["x"], "env": [{"name": "HF_HUB_OFFLINE", "value": "0"}]}}),
        "model.init.env HF_HUB_OFFLINE: is set already",
    ),
    "alerts of what nobody scrapes": (
        make_values(prometheusRule={"enabled": True}),
        "prometheusRule: nothing scrapes these pods",
    ),
    "two monitors": (
        make_values(podMonitor={"enabled": True}, serviceMonitor={"enabled": True}),
        "podMonitor and serviceMonitor: enable one of them",
    ),
    "two budgets": (make_values(pdb={"minAvailable": 1}), "pdb: either maxUnavailable or minAvailable"),
}  # fmt: skip


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("case", BY_SCHEMA.values(), ids=BY_SCHEMA)
def test_the_schema_says_what_is_wrong_and_where(chart: Chart, case: Case, major: int) -> None:
    """Before anything is rendered, and with either Helm."""
    values, said = case
    with pytest.raises(Refused) as refused:
        chart.render(values, major)
    assert said in str(refused.value)


@pytest.mark.parametrize("case", TOGETHER.values(), ids=TOGETHER)
def test_what_two_values_mean_together_is_said_in_a_sentence(chart: Chart, case: Case) -> None:
    """It names the value, and what to do about it; and it is the only thing that is wrong."""
    values, said = case
    with pytest.raises(Refused) as refused:
        chart.render(values)
    findings = [line for line in str(refused.value).splitlines() if line.startswith("- ")]
    assert len(findings) == 1
    assert findings[0].startswith(f"- {said}") or said in findings[0]


@pytest.mark.parametrize("major", MAJORS)
def test_all_that_is_missing_is_told_at_once(chart: Chart, major: int) -> None:
    """A first install needs one attempt to hear of everything, not six."""
    with pytest.raises(Refused) as refused:
        chart.render({}, major)
    said = str(refused.value)
    for name in ("image.repository", "config.kafka.bootstrap_servers", "config.kafka.start", "config.engine.kind", "config.routes", "policies"):  # fmt: skip
        assert f"- {name}: " in said


def test_a_finding_names_its_deployment(chart: Chart) -> None:
    """Several may each have their own mistake."""
    wrong = {
        "a": {"terminationGracePeriodSeconds": 1, "podMonitor": {"enabled": True}},
        "b": {"config": {"kafka": {"group": "b", "instance_id": "x"}}},
    }
    with pytest.raises(Refused) as refused:
        chart.render(make_values(deployments=wrong, prometheusRule={"enabled": True}))
    assert "- deployments.b: prometheusRule: nothing scrapes these pods" in str(refused.value)
    assert "- deployments.a: prometheusRule" not in str(refused.value)
    assert "- deployments.a: terminationGracePeriodSeconds: 1 is less than 46" in str(refused.value)
    assert "- deployments.b: config.kafka.instance_id: " in str(refused.value)
