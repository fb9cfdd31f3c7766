from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from stream_guard.records import Lease, Record
from stream_guard.telemetry import names
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.prometheus import registry
from stream_guard.telemetry.vocabulary import Kind


def make_telemetry() -> OtelTelemetry:
    """Every method called once, with plausible values."""
    telemetry = OtelTelemetry()
    telemetry.polled([Record(Lease("mail", 3, 1), 0, b"x")] * 5, 0.01)
    telemetry.outcome("mail", "judged", "")
    telemetry.outcome("mail", "ignored", "tombstone", 4)
    telemetry.verdict("mail", "spam", "allow", "")
    telemetry.ruling("mail", "allow")
    telemetry.dead_letter("mail", "record", "not_json")
    telemetry.latency("engine", 0.3)
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
    telemetry.engine_up(up=False, reason="it is gone")
    telemetry.engine_restart("hung", "the engine did not answer", 2)
    telemetry.suspects(2)
    telemetry.edition_in_force("0f3a")
    telemetry.edition_in_force("77c1", "0f3a")
    telemetry.edition_refused(["spam.md:3:1: id is required"])
    telemetry.assignment("assigned", 4)
    telemetry.halted("mail", 3, "out_of_range")
    return telemetry


@pytest.mark.parametrize(
    ("generate", "parse"), [(generate_latest, parse_text), (generate_openmetrics, parse_openmetrics)]
)
def test_every_name_is_told_and_parses(
    generate: Callable[[CollectorRegistry], bytes], parse: Callable[[str], list[object]]
) -> None:
    """Both text formats are well-formed and hold a sample of every metric that the list names."""
    text = generate(registry(make_telemetry().metrics)).decode()
    families = {sample.name for family in parse(text) for sample in family.samples}  # type: ignore[attr-defined]
    for metric in names.METRICS:
        sample = f"{metric.prometheus}_count" if metric.kind is Kind.HISTOGRAM else metric.prometheus
        assert sample in families


def test_every_name_is_told_before_anything_was_counted() -> None:
    """A dashboard finds its metrics from the first scrape on."""
    text = generate_latest(registry(Metrics())).decode()
    assert all(f"# TYPE {metric.prometheus} {metric.kind}" in text for metric in names.METRICS)


def test_values_and_labels_are_what_was_counted() -> None:
    """Counters, gauges and histogram buckets read back as told."""
    found = registry(make_telemetry().metrics)
    mail = {"route": "mail", "outcome": "ignored", "reason": "tombstone"}
    assert found.get_sample_value("stream_guard_records_total", mail) == 4
    assert found.get_sample_value("messaging_client_consumed_messages_total", {"topic": "mail"}) == 5
    assert found.get_sample_value("stream_guard_tokens_total", {"policy": "spam", "type": "input"}) == 400
    assert found.get_sample_value("stream_guard_prefix_cache_hits_total", {"policy": "spam"}) == 380
    assert found.get_sample_value("stream_guard_in_flight_bytes") == 900
    assert found.get_sample_value("stream_guard_lag_seconds", {"topic": "mail", "partition": "3"}) == 1.5
    assert found.get_sample_value("stream_guard_backlog_records", {"topic": "mail", "partition": "3"}) == 12
    assert found.get_sample_value("stream_guard_dead_letters_oldest_seconds", {"topic": "letters"}) == 3600
    assert found.get_sample_value("stream_guard_info", {"version": "0.1.0", "model": "tiny", "engine": "vllm"}) == 1
    policy = {"policy": "spam", "version": "d3ad", "revision": "3"}
    assert found.get_sample_value("stream_guard_policy_info", policy) == 1
    assert found.get_sample_value("stream_guard_engine_up") == 0
    bucket = "stream_guard_stage_duration_seconds_bucket"
    assert found.get_sample_value(bucket, {"stage": "engine", "le": "0.25"}) == 0
    assert found.get_sample_value(bucket, {"stage": "engine", "le": "0.5"}) == 1
    assert found.get_sample_value(bucket, {"stage": "engine", "le": "+Inf"}) == 1


class Sampled:
    """A trace, as far as a latency wants to know of it."""

    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"

    def __getattr__(self, name: str) -> Any:
        """Nothing else is asked."""
        raise AssertionError(name)


def test_a_bucket_names_the_trace_of_a_record_that_fell_into_it() -> None:
    """In OpenMetrics, for whoever asks what took so long. Prometheus' own text format has no place for it."""
    telemetry = OtelTelemetry()
    telemetry.latency("engine", 0.3)
    telemetry.latency("total", 2.0, Sampled())
    found = registry(telemetry.metrics)
    buckets = {
        (sample.labels["stage"], sample.labels["le"]): sample.exemplar
        for family in parse_openmetrics(generate_openmetrics(found).decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.name == "stream_guard_stage_duration_seconds_bucket"
    }
    shown = {key: exemplar for key, exemplar in buckets.items() if exemplar is not None}
    assert shown.keys() == {("total", "2.5")}
    exemplar = shown["total", "2.5"]
    assert (exemplar.labels, exemplar.value) == ({"trace_id": "a" * 32, "span_id": "b" * 16}, 2.0)
    assert b"a" * 32 not in generate_latest(found)


def test_gauges_of_a_partition_end_when_it_leaves() -> None:
    """A lag that nobody updates any more would alarm for ever."""
    telemetry = make_telemetry()
    telemetry.unassigned("mail", 3)
    telemetry.assignment("revoked", 1)
    found = registry(telemetry.metrics)
    assert found.get_sample_value("stream_guard_lag_seconds", {"topic": "mail", "partition": "3"}) is None
    assert found.get_sample_value("stream_guard_backlog_records", {"topic": "mail", "partition": "3"}) is None
    halted = {"topic": "mail", "partition": "3", "reason": "out_of_range"}
    assert found.get_sample_value("stream_guard_partitions_halted", halted) is None
    assert found.get_sample_value("stream_guard_partitions_assigned") == 3


def test_a_halt_that_is_over_is_told_no_more() -> None:
    """Another of the same partition stays."""
    telemetry = make_telemetry()
    telemetry.halted("mail", 3, "position", "what to do")
    telemetry.unhalted("mail", 3, "out_of_range")
    found = registry(telemetry.metrics)
    halted = {"topic": "mail", "partition": "3"}
    assert found.get_sample_value("stream_guard_partitions_halted", halted | {"reason": "out_of_range"}) is None
    assert found.get_sample_value("stream_guard_partitions_halted", halted | {"reason": "position"}) == 1


def test_the_process_itself_is_told_too() -> None:
    """CPU and memory stand beside what we count."""
    assert b"process_cpu_seconds_total" in generate_latest(registry(Metrics()))
