"""Who may talk to the service, and to whom it may talk."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.rendering import Chart, Manifests, make_gpu_values, make_values

pytestmark = pytest.mark.kubernetes

BROKERS = [{"ipBlock": {"cidr": "10.20.0.0/16"}}]


def _egress(shape: Manifests) -> dict[int, Any]:
    """To whom, by port; None is anybody."""
    rules = shape.named("NetworkPolicy", "r-stream-guard")["spec"]["egress"]
    return {port["port"]: rule.get("to") for rule in rules for port in rule["ports"]}


def test_nothing_goes_out_but_to_names_and_brokers(chart: Chart) -> None:
    """The least that can be installed talks to nobody else."""
    shape = chart.render(make_values(config={"kafka": {"bootstrap_servers": "a:9092, b:9093,[fd00::1]:9094,c"}}))
    assert set(_egress(shape)) == {53, 9092, 9093, 9094}
    dns = shape.only("NetworkPolicy")["spec"]["egress"][0]
    assert [port["protocol"] for port in dns["ports"]] == ["UDP", "TCP"]
    assert dns["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}]


def test_ports_follow_from_what_is_configured(chart: Chart) -> None:
    """The registry's, the collector's, the engine's, the token endpoint's; each to whom its value says."""
    oauth = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": "https://login.example:8443/token",
    }
    shape = chart.render(
        make_values(
            config={
                "kafka": {"client": oauth},
                "schema_registry": {"url": "https://one.example:8081,http://two.example"},
                "engine": {
                    "kind": "openai",
                    "base_url": "https://engine.example/v1",
                    "model": "m",
                    "profile": "gpt-oss",
                },
            },
            otel={"endpoint": "http://collector:4317"},
            networkPolicy={"kafka": {"to": BROKERS, "ports": [19092]}, "registry": {"to": BROKERS}},
        )
    )
    found = _egress(shape)
    assert set(found) == {53, 9092, 19092, 8081, 80, 443, 4317, 8443}
    assert {port for port, to in found.items() if to == BROKERS} == {9092, 19092, 8081, 80}


def test_names_are_resolved_where_the_cluster_resolves_them(chart: Chart) -> None:
    """A policy sees the port of the pod that answers, not that of its Service."""
    shape = chart.render(make_values(networkPolicy={"dnsPorts": [53, 5353]}))
    dns = shape.only("NetworkPolicy")["spec"]["egress"][0]
    assert [(port["protocol"], port["port"]) for port in dns["ports"]] == [
        ("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353),
    ]  # fmt: skip


def test_a_port_is_told_by_a_url_or_by_a_value(chart: Chart) -> None:
    """A reference may stand for the host, or for all of it: then somebody names the port, and no other one is opened."""
    registry = {"url": "https://${REGISTRY}:8081/path,https://user@registry.example"}
    engine = {"kind": "openai", "base_url": "${ENGINE_URL}", "model": "m", "profile": "gpt-oss"}
    shape = chart.render(
        make_values(
            config={"engine": engine, "schema_registry": registry},
            env=[{"name": "ENGINE_URL", "value": "http://x:8000/v1"}, {"name": "REGISTRY", "value": "x"}],
            networkPolicy={"engine": {"to": BROKERS, "ports": [8000]}},
        )
    )
    found = _egress(shape)
    assert set(found) == {53, 9092, 8000, 8081, 443}
    assert {port for port, to in found.items() if to == BROKERS} == {8000}


def test_a_collector_that_a_variable_names_is_reached(chart: Chart) -> None:
    """Also one for traces alone; of what is in a secret somebody names the port."""
    variables = [
        {"name": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "value": "http://traces:4318/v1/traces"},
        {"name": "OTEL_EXPORTER_OTLP_PROTOCOL", "value": "http/protobuf"},
    ]
    assert set(_egress(chart.render(make_values(env=variables)))) == {53, 9092, 4318}
    secret = {"OTEL_EXPORTER_OTLP_ENDPOINT": {"secret": "collector", "key": "url"}}
    shape = chart.render(make_values(secretEnv=secret, networkPolicy={"otlp": {"ports": [4317]}}))
    assert set(_egress(shape)) == {53, 9092, 4317}


def test_only_who_brings_a_model_may_go_and_get_it(chart: Chart) -> None:
    """By HTTPS, where an init container does."""
    brings = make_gpu_values(model={"from": "init", "init": {"args": ["x"]}, "claim": "models"})
    assert 443 in _egress(chart.render(brings))
    assert 443 not in _egress(chart.render(make_gpu_values(model={"from": "pvc", "claim": "models"})))


def test_who_scrapes_can_be_named_and_rules_added(chart: Chart) -> None:
    """By default any pod of the cluster; metrics and health are all there is on that port."""
    prometheus = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    more = [{"ports": [{"protocol": "TCP", "port": 6379}]}]
    shape = chart.render(make_values(networkPolicy={"from": prometheus, "egress": more, "ingress": more}))
    spec = shape.only("NetworkPolicy")["spec"]
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}], "from": prometheus}, *more]
    assert spec["egress"][-1:] == more
    default = chart.render(make_values()).only("NetworkPolicy")["spec"]
    assert default["ingress"][0]["from"] == [{"namespaceSelector": {}}]


def test_the_walls_can_be_left_to_others(chart: Chart) -> None:
    """Also those of the Job that attaches."""
    shape = chart.render(make_values(networkPolicy={"enabled": False}, config={"kafka": {"start": "latest"}}))
    assert shape.of("NetworkPolicy") == []
    assert len(shape.of("Job")) == 1


def test_who_attaches_may_talk_to_whom_the_service_may(chart: Chart) -> None:
    """Before the install there is no other policy of ours; a namespace that denies by default would stop it."""
    shape = chart.render(make_values(config={"kafka": {"start": "latest"}}))
    own, attach = (shape.named("NetworkPolicy", name)["spec"] for name in ("r-stream-guard", "r-stream-guard-attach"))
    assert attach["egress"] == own["egress"]
    assert "ingress" not in attach
    labels = shape.only("Job")["spec"]["template"]["metadata"]["labels"]
    assert attach["podSelector"]["matchLabels"].items() <= labels.items()
