"""Where the environment says that traces go."""

from __future__ import annotations

import os

import pytest

from stream_guard.errors import ConfigError
from stream_guard.telemetry.destinations import protocol, traces_endpoint

ALL, TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
BY = "OTEL_EXPORTER_OTLP_PROTOCOL"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the environment of the tests may hold."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({ALL: "http://c:4317"}, ("http://c:4317", "grpc")),
        ({ALL: "http://c:4318/", BY: "http/protobuf"}, ("http://c:4318/v1/traces", "http/protobuf")),
        ({ALL: "http://c:4317", TRACES: "http://t:4318/x", BY: "http/protobuf"}, ("http://t:4318/x", "http/protobuf")),
        ({ALL: "http://c:4317", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({ALL: "http://c:4317", "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4317"}, None),
    ],
)
def test_an_engine_that_exports_its_own_spans_sends_them_where_ours_go(
    environment: dict[str, str], expected: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same protocol; the path that HTTP needs is added to the endpoint of all signals, as the specification has it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert traces_endpoint() == expected


def test_a_protocol_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a model is loaded."""
    monkeypatch.setenv(ALL, "http://c:4317")
    monkeypatch.setenv(BY, "http/json")
    with pytest.raises(ConfigError, match=BY):
        protocol("TRACES")
