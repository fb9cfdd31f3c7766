from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from stream_guard.errors import ConfigError
from stream_guard.records import Headers, Lease, Record
from stream_guard.telemetry import names
from stream_guard.telemetry.exporters import open_telemetry
from stream_guard.telemetry.otel import OtelTelemetry
from tests.otlp_receiver import Received, attributes, otlp_receiver

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = ("traceparent", f"00-{TRACE}-{SPAN}-01".encode())
STANDARD = (
    "OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the environment of the tests may hold."""
    for name in STANDARD:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def receiver() -> Iterator[Received]:
    """A receiver that listens."""
    with otlp_receiver() as received:
        yield received


@pytest.fixture(params=["grpc", "http/protobuf"])
def exported(request: pytest.FixtureRequest, receiver: Received, monkeypatch: pytest.MonkeyPatch) -> Received:
    """The environment of an operator who wants all sent to the receiver, and traces where the producer wants them."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    port = receiver.grpc_port if request.param == "grpc" else receiver.http_port
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", request.param)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    return receiver


def make_record(*headers: tuple[str, bytes | None], offset: int = 0) -> Record:
    """A record with a content and a key that no telemetry may show."""
    found: Headers = headers
    return Record(Lease("mail", 3, 1), offset, b"see you at noon", b"user-17", found)


def live(telemetry: OtelTelemetry) -> None:
    """One record's life, and everything else that is ever told."""
    _, trace = telemetry.polled([make_record(), make_record(TRACEPARENT, offset=7)], 0.02)
    assert trace is not None
    trace.inference(policy="spam", model="tiny", seconds=0.4, tokens=(400, 380, 3), failure=None)
    trace.sent("verdicts", 0.01)
    trace.sent("rulings", 0.01)
    trace.end("judged")
    telemetry.outcome("mail", "judged", "")
    telemetry.verdict("mail", "spam", "review", "timeout")
    telemetry.ruling("mail", "review")
    telemetry.dead_letter("mail", "case", "unparseable")
    telemetry.latency("engine", 0.4)
    telemetry.usage("spam", 400, 380, 3, 0.004)
    telemetry.look("spam", "settled")
    telemetry.retry("spam", "unparseable")
    telemetry.resent("verdicts")
    telemetry.escalated("spam", "severity")
    telemetry.escalation_refused("spam", "policy_changed", "raise its revision")
    telemetry.in_flight(records=7, bytes=900, tokens=2800, asks=6)
    telemetry.lag("mail", 3, 1.5)
    telemetry.backlog("mail", 3, 12)
    telemetry.dead_letters_oldest({"letters": 3600.0})
    telemetry.service("0.1.0", "tiny", "vllm")
    telemetry.policies_in_force([("spam", "d3ad", 3)])
    telemetry.reread("mail", 3)
    telemetry.registry_up(up=True)
    telemetry.engine_up(up=True)
    telemetry.engine_restart("hung", "the engine did not answer", 2)
    telemetry.edition_in_force("77c1", "0f3a")
    telemetry.edition_refused(["spam.md:3:1: id is required"])
    telemetry.suspects(2)
    telemetry.assignment("assigned", 4)
    telemetry.halted("mail", 3, "out_of_range")


async def test_every_metric_arrives(exported: Received) -> None:
    """All names reach a real receiver, by gRPC and HTTP, as the kind they are, with units, values and attributes."""
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        live(telemetry)
    latest = exported.latest
    for metric in names.METRICS:
        sent = latest[metric.name]
        assert (sent.unit, sent.description) == (metric.unit, metric.description)
        assert sent.WhichOneof("data") == {"counter": "sum"}.get(metric.kind, metric.kind)
    assert point(latest["stream_guard.verdicts"]) == (
        1,
        {
            "stream_guard.route": "mail",
            "stream_guard.policy.id": "spam",
            "stream_guard.decision": "review",
            "stream_guard.abstention": "timeout",
        },
    )
    assert point(latest["messaging.client.consumed.messages"]) == (
        2,
        {
            "messaging.system": "kafka",
            "messaging.operation.name": "poll",
            "messaging.destination.name": "mail",
        },
    )
    assert latest["stream_guard.records"].sum.is_monotonic


async def test_a_histogram_arrives_as_one(exported: Received) -> None:
    """Buckets, bounds, count and sum are what was observed; extremes are not claimed."""
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        for seconds in (0.4, 0.4, 99.0):
            telemetry.latency("engine", seconds)
    sent = exported.latest["stream_guard.stage.duration"].histogram
    assert sent.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    (read,) = sent.data_points
    assert attributes(read.attributes) == {"stream_guard.stage": "engine"}
    assert tuple(read.explicit_bounds) == names.SECONDS
    assert (read.count, round(read.sum, 6)) == (3, 99.8)
    assert sum(read.bucket_counts) == 3
    assert read.bucket_counts[names.SECONDS.index(0.5)] == 2
    assert not read.HasField("min")
    assert not read.HasField("max")
    assert 0 < read.start_time_unix_nano < read.time_unix_nano


async def test_a_bucket_arrives_with_the_trace_of_a_record_that_fell_into_it(exported: Received) -> None:
    """The ids are those of the exported process span; observations without a trace name none."""
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        (trace,) = telemetry.polled([make_record(TRACEPARENT)], 0.02)
        telemetry.latency("queue", 0.4)
        telemetry.latency("engine", 0.4, trace)
        telemetry.latency("engine", 0.4)
        assert trace is not None
        trace.end("judged")
    (process,) = (span for span in exported.spans if span.name == "process mail")
    points = exported.latest["stream_guard.stage.duration"].histogram.data_points
    told = {str(attributes(p.attributes)["stream_guard.stage"]): p.exemplars for p in points}
    assert not told["queue"]
    (exemplar,) = told["engine"]
    assert (exemplar.trace_id, exemplar.span_id) == (process.trace_id, process.span_id)
    assert exemplar.as_double == 0.4


async def test_a_trace_joins_producer_poll_process_inference_and_sends(exported: Received) -> None:
    """From a producer's traceparent: the right parents, links both ways at the poll, nothing of the record's content."""
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        live(telemetry)
    spans = {span.name: span for span in exported.spans}
    assert len(spans) == len(exported.spans) == 5
    poll, process = spans["poll mail"], spans["process mail"]
    assert (process.trace_id.hex(), process.parent_span_id.hex()) == (TRACE, SPAN)
    assert [link.span_id for link in process.links] == [poll.span_id]
    assert [link.span_id.hex() for link in poll.links] == [SPAN]
    assert poll.trace_id != process.trace_id
    kinds = {
        "chat tiny": Span.SPAN_KIND_CLIENT,
        "send verdicts": Span.SPAN_KIND_PRODUCER,
        "send rulings": Span.SPAN_KIND_PRODUCER,
    }
    for name, kind in kinds.items():
        assert (spans[name].trace_id, spans[name].parent_span_id) == (process.trace_id, process.span_id)
        assert spans[name].kind == kind
    assert spans["chat tiny"].end_time_unix_nano - spans["chat tiny"].start_time_unix_nano == 400_000_000
    assert attributes(process.attributes)["messaging.kafka.offset"] == 7
    told = b"".join(request.SerializeToString() for request in exported.traces)
    assert b"noon" not in told
    assert b"user-17" not in told


async def test_the_environment_names_the_service(exported: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource is the operator's; our own name stands in only where there is none."""
    async with open_telemetry(group="guard", provider="vllm"):
        pass
    assert exported.resource()["service.name"] == "stream-guard"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "guard-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test,service.name=other")
    async with open_telemetry(group="guard", provider="vllm"):
        pass
    assert exported.resource()["service.name"] == "guard-eu"
    assert exported.resource()["deployment.environment"] == "test"


async def test_the_environment_sets_the_interval_and_deltas(
    exported: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told in deltas, the intervals of a histogram add up to all that was observed, once each."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        for expected in (1, 2, 3):
            telemetry.latency("engine", 0.4)
            await until(partial(at_least, exported, expected))
    assert deltas(exported) == [1, 1, 1]


def at_least(received: Received, exports: int) -> bool:
    """Whether that many exports told a latency."""
    return len(deltas(received)) >= exports


def deltas(received: Received) -> list[int]:
    """The counts of the engine's latency, one for each export that told any."""
    sent = [
        metric.histogram
        for request in received.metrics
        for scope in request.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == "stream_guard.stage.duration"
    ]
    assert all(h.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA for h in sent)
    return [point.count for histogram in sent for point in histogram.data_points]


@pytest.mark.parametrize(
    "setting", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}]
)
async def test_nothing_is_exported_unless_asked_for(
    setting: dict[str, str], receiver: Received, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without an endpoint, or where exporting is off, no sample is taken, nothing is sent and nothing is said."""
    if setting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.grpc_port}")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        assert telemetry.polled([make_record(TRACEPARENT)], 0.01) == [None]
    assert not receiver.traces
    assert not receiver.metrics
    assert not caplog.records


async def test_one_signal_may_go_alone(receiver: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint for traces alone exports traces alone."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{receiver.grpc_port}")
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        live(telemetry)
    assert receiver.traces
    assert not receiver.metrics


async def test_a_protocol_that_there_is_not_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error is told at the start, not lost in silence."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    with pytest.raises(ConfigError, match="OTEL_EXPORTER_OTLP_PROTOCOL"):
        async with open_telemetry(group="guard", provider="vllm"):
            pass


async def test_a_receiver_that_is_gone_delays_the_end_by_its_timeout_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry that can't be delivered never blocks a record, and leaving is bounded."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    began = time.monotonic()
    async with open_telemetry(group="guard", provider="vllm") as telemetry:
        live(telemetry)
        assert time.monotonic() - began < 1
    assert time.monotonic() - began < 10


def point(metric: Metric) -> tuple[float, dict[str, object]]:
    """The only data point of a sum."""
    (read,) = metric.sum.data_points
    return read.as_int or read.as_double, attributes(read.attributes)


async def until(holds: Callable[[], bool]) -> None:
    """Waits until it holds; pytest's timeout bounds it."""
    while not holds():  # noqa: ASYNC110 - the receiver's threads know no event of this loop
        await asyncio.sleep(0.01)
