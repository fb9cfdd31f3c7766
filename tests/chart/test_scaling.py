"""How many replicas there are, and how they come and go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.rendering import Chart, Manifests, make_gpu_values, make_values

pytestmark = pytest.mark.kubernetes

KEDA = {"by": "keda", "recordsPerSecond": 12.5, "backlogSeconds": 90, "maxReplicas": 4}


def _trigger(shape: Manifests) -> dict[str, Any]:
    (trigger,) = shape.only("ScaledObject")["spec"]["triggers"]
    assert trigger["type"] == "kafka"
    found: dict[str, Any] = trigger
    return found


def test_the_lag_that_calls_for_a_replica_is_what_one_judges_in_time(chart: Chart) -> None:
    """A measured rate and the seconds that may wait; every option of the scaler is a text."""
    shape = chart.render(make_values(scaling=KEDA))
    metadata = _trigger(shape)["metadata"]
    assert metadata == {
        "bootstrapServers": "kafka:9092",
        "consumerGroup": "stream-guard",
        "topic": "chat.messages",
        "lagThreshold": "1125",
        "offsetResetPolicy": "earliest",
        "allowIdleConsumers": "false",
        "excludePersistentLag": "false",
        "scaleToZeroOnInvalidOffset": "false",
    }
    spec = shape.only("ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 4)
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    assert "authenticationRef" not in _trigger(shape)


def test_replicas_come_before_they_are_missed_and_go_one_by_one(chart: Chart) -> None:
    """The same for KEDA and for an HPA: both are an HPA in the end."""
    scaled = chart.render(make_values(scaling=KEDA))
    told = scaled.only("ScaledObject")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    hpa = chart.render(make_values(scaling=KEDA | {"by": "hpa"})).only("HorizontalPodAutoscaler")["spec"]
    assert told == hpa["behavior"]
    down = told["scaleDown"]
    assert (down["stabilizationWindowSeconds"], down["policies"]) == (
        600,
        [{"type": "Pods", "value": 1, "periodSeconds": 300}],
    )
    (metric,) = hpa["metrics"]
    assert metric["pods"]["metric"]["name"] == "stream_guard_backlog_records"
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "1125"}


def test_an_hpa_takes_other_metrics(chart: Chart) -> None:
    """Then nothing needs to be measured: the CPU, say, of an engine on the CPU."""
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    spec = chart.render(make_values(scaling={"by": "hpa", "hpa": {"metrics": [cpu]}})).only("HorizontalPodAutoscaler")[
        "spec"
    ]
    assert (spec["metrics"], spec["minReplicas"], spec["maxReplicas"]) == ([cpu], 1, 5)


def test_several_topics_are_one_sum(chart: Chart) -> None:
    """An HPA goes by the topic that is the furthest behind: each is asked for by its name, and their lags are added up."""
    values = make_values(scaling=KEDA, config={"redrive": {"topic": "guard.redrive"}, "kafka": {"start": "latest"}})
    spec = chart.render(values).only("ScaledObject")["spec"]
    told = {each["name"]: each["metadata"] for each in spec["triggers"]}
    assert {name: metadata["topic"] for name, metadata in told.items()} == {
        "topic0": "chat.messages",
        "topic1": "guard.redrive",
    }
    assert {metadata["offsetResetPolicy"] for metadata in told.values()} == {"latest"}
    assert spec["advanced"]["scalingModifiers"] == {
        "formula": "topic0 + topic1",
        "target": "1125",
        "metricType": "AverageValue",
    }


def test_one_topic_needs_no_sum(chart: Chart) -> None:
    """Nothing is told to KEDA but what is to be done."""
    spec = chart.render(make_values(scaling=KEDA)).only("ScaledObject")["spec"]
    assert set(spec["advanced"]) == {"horizontalPodAutoscalerConfig"}


def test_topics_that_a_pattern_finds_are_those_that_the_group_has_offsets_of(chart: Chart) -> None:
    """Their names are known to nobody before; and the group has offsets before KEDA looks, wherever it starts."""
    route = {key: value for key, value in make_values()["config"]["routes"][0].items() if key != "topic"}
    shape = chart.render(make_values(scaling=KEDA, config={"routes": [route | {"pattern": "chat[.].*"}]}))
    assert "topic" not in _trigger(shape)["metadata"]
    assert "scalingModifiers" not in shape.only("ScaledObject")["spec"]["advanced"]
    assert shape.only("Job")["metadata"]["annotations"]["helm.sh/hook"] == "pre-install"
    assert chart.render(make_values(scaling={"by": "fixed"})).of("Job") == []


def test_who_only_judges_what_is_escalated_is_scaled_by_that(chart: Chart) -> None:
    """The topics of its routes are not read."""
    route = make_values()["config"]["routes"][0] | {"subscribe": False}
    values = make_values(scaling=KEDA, config={"routes": [route], "escalation": {"topic": "guard.escalations"}})
    assert _trigger(chart.render(values))["metadata"]["topic"] == "guard.escalations"


def test_the_scaler_has_credentials_of_its_own_by_reference(chart: Chart) -> None:
    """It may describe a group; the service's own would let it read and write."""
    secrets = [{"parameter": "password", "secret": "keda-kafka", "key": "password"}]
    shape = chart.render(make_values(scaling=KEDA | {"keda": {"secrets": secrets, "metadata": {"tls": "enable"}}}))
    assert _trigger(shape)["authenticationRef"] == {"name": "r-stream-guard"}
    assert _trigger(shape)["metadata"]["tls"] == "enable"
    spec = shape.only("TriggerAuthentication")["spec"]
    assert spec == {"secretTargetRef": [{"parameter": "password", "name": "keda-kafka", "key": "password"}]}
    other = {"name": "kafka", "kind": "ClusterTriggerAuthentication"}
    assert (
        _trigger(chart.render(make_values(scaling=KEDA | {"keda": {"authenticationRef": other}})))["authenticationRef"]
        == other
    )


def test_none_at_all_is_asked_for_twice(chart: Chart) -> None:
    """By the number, and by who knows what it costs."""
    zero = {"minReplicas": 0, "keda": {"scaleToZero": True, "cooldownPeriod": 60}}
    spec = chart.render(make_values(scaling=KEDA | zero)).only("ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["cooldownPeriod"]) == (0, 60)


@pytest.mark.parametrize(
    ("values", "strategy"),
    [
        ({"scaling": {"replicas": 1}}, {"type": "Recreate"}),
        (
            {"scaling": {"replicas": 2}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        ),
        ({"scaling": KEDA}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        (
            {"rollout": {"type": "RollingUpdate", "maxSurge": "25%", "maxUnavailable": 0}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        ),
        ({"scaling": {"replicas": 2}, "rollout": {"type": "Recreate"}}, {"type": "Recreate"}),
    ],
)
def test_a_rollout_makes_room_first_unless_told_otherwise(
    chart: Chart, values: dict[str, Any], strategy: dict[str, Any]
) -> None:
    """Of one replica nothing is left meanwhile, whatever it is called; of several, one goes at a time."""
    assert chart.render(make_gpu_values(values)).workload["spec"]["strategy"] == strategy


def test_static_members_are_a_stateful_set_with_its_service(chart: Chart) -> None:
    """Each pod's name is its member's; its peers find it before it is ready."""
    shape = chart.render(make_values(staticMembership=True, scaling=KEDA))
    spec = shape.only("StatefulSet")["spec"]
    assert (spec["serviceName"], spec["podManagementPolicy"]) == ("r-stream-guard", "Parallel")
    (named,) = (env for env in shape.container["env"] if env["name"] == "STREAM_GUARD_KAFKA__INSTANCE_ID")
    assert named["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    service = shape.only("Service")["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    assert shape.only("ScaledObject")["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"
