from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

from stream_guard.records import Headers, Lease, Record
from stream_guard.telemetry.port import Trace, trace_headers
from stream_guard.telemetry.sampling import Sampling
from stream_guard.telemetry.traces import RecordTracer, TraceIds

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = ("traceparent", f"00-{TRACE}-{SPAN}-01".encode())
UNSAMPLED = ("traceparent", f"00-{TRACE}-{SPAN}-00".encode())


class Spans:
    """A tracer whose clock stands still, and what it made."""

    def __init__(self, root: float = 0.0, *, parent_based: bool = True) -> None:
        self.exporter = InMemorySpanExporter()
        ids = TraceIds()
        provider = TracerProvider(ALWAYS_ON, id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        rule = Sampling(root, parent_based=parent_based)
        self.tracer = RecordTracer(
            provider.get_tracer("test"), ids, rule, group="guard", provider="vllm", clock=lambda: NOW
        )

    def poll(self, *headers: Headers, topic: str = "mail") -> list[Trace | None]:
        """One intake of records with these headers."""
        return self.tracer.polled([make_record(h, offset, topic) for offset, h in enumerate(headers)], 0.25)

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of that name that ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


def make_record(headers: Headers = (), offset: int = 0, topic: str = "mail") -> Record:
    """A record with a content and a key that no span may show."""
    return Record(Lease(topic, 3, 1), offset, b"see you at noon", b"user-17", headers)


def the_one(spans: Sequence[ReadableSpan]) -> ReadableSpan:
    """The only span there is."""
    (span,) = spans
    return span


def test_nothing_is_made_for_records_that_are_not_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision comes first: an unsampled intake never reaches the SDK."""
    spans = Spans()
    monkeypatch.setattr(spans.tracer, "tracer", None)
    assert spans.poll((), (UNSAMPLED,), (("traceparent", b"nonsense"),)) == [None, None, None]


def test_a_sampled_record_continues_its_producers_trace() -> None:
    """The process span is the producer's child, carries its tracestate, and says where the record stands."""
    spans = Spans()
    none, trace = spans.poll((), (SAMPLED, ("tracestate", b"vendor=1")))
    assert none is None
    assert trace is not None
    trace.end("judged")
    process = the_one(spans.named("process mail"))
    assert process.kind is SpanKind.CONSUMER
    assert process.parent is not None
    assert (f"{process.parent.trace_id:032x}", f"{process.parent.span_id:016x}") == (TRACE, SPAN)
    assert process.parent.is_remote
    assert process.context.trace_state.to_header() == "vendor=1"
    assert dict(process.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 1,
        "messaging.consumer.group.name": "guard",
        "stream_guard.outcome": "judged",
    }


def test_poll_and_process_are_linked_both_ways_to_what_they_join() -> None:
    """The poll links to the producers' spans of the sampled records; each of their process spans links to the poll."""
    spans = Spans()
    for trace in filter(None, spans.poll((SAMPLED,), (), (SAMPLED,))):
        trace.end("judged")
    poll = the_one(spans.named("poll mail"))
    assert poll.kind is SpanKind.CLIENT
    assert poll.parent is None
    assert [f"{link.context.span_id:016x}" for link in poll.links] == [SPAN, SPAN]
    assert poll.attributes is not None
    assert poll.attributes["messaging.batch.message_count"] == 3
    assert (poll.start_time, poll.end_time) == (NOW - SECOND // 4, NOW)
    for process in spans.named("process mail"):
        assert [link.context for link in process.links] == [poll.context]


def test_a_poll_of_several_topics_names_none() -> None:
    """A span's name holds a destination only where it is the only one."""
    spans = Spans()
    spans.tracer.polled([make_record((SAMPLED,), 0, "a"), make_record((), 0, "b")], 0.1)
    poll = the_one(spans.named("poll"))
    assert "messaging.destination.name" not in (poll.attributes or {})


def test_a_record_without_a_context_begins_a_trace_by_the_id_it_was_sampled_by() -> None:
    """The root's id is the one that the ratio looked at, and the poll does not take it."""
    spans = Spans(root=0.5)
    traces = [trace for trace in spans.poll(*[()] * 200) if trace]
    for trace in traces:
        trace.end("judged")
    roots = spans.named("process mail")
    assert 60 < len(roots) < 140
    assert all(root.parent is None and root.context.trace_id & ((1 << 64) - 1) < (1 << 63) for root in roots)
    assert the_one(spans.named("poll mail")).context.trace_id not in {root.context.trace_id for root in roots}


def test_a_plain_ratio_may_trace_what_the_producer_did_not() -> None:
    """Without parent-based the rule holds for every record; the producer's span stays the parent."""
    spans = Spans(root=1.0, parent_based=False)
    (trace,) = spans.poll((UNSAMPLED,))
    assert trace is not None
    assert trace.traceparent[3:35] == TRACE
    assert trace.traceparent.endswith("-01")


def test_an_ask_is_a_child_with_the_conventions_of_gen_ai() -> None:
    """The span ends now and began `seconds` ago; it holds counts and names, no content."""
    spans = Spans()
    (trace,) = spans.poll((SAMPLED,))
    assert trace is not None
    trace.inference(policy="spam", model="tiny", seconds=2.0, tokens=(400, 380, 3), failure=None)
    chat = the_one(spans.named("chat tiny"))
    assert chat.kind is SpanKind.CLIENT
    assert chat.parent is not None
    assert f"{chat.parent.span_id:016x}" == trace.traceparent[36:52]
    assert (chat.start_time, chat.end_time) == (NOW - 2 * SECOND, NOW)
    assert chat.status.status_code is StatusCode.UNSET
    assert dict(chat.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "tiny",
        "stream_guard.policy.id": "spam",
        "gen_ai.usage.input_tokens": 400,
        "gen_ai.usage.cache_read.input_tokens": 380,
        "gen_ai.usage.output_tokens": 3,
    }


def test_a_failed_ask_is_an_error_of_its_type() -> None:
    """`error.type` is a word of ours; a text that slipped in reads `other`."""
    spans = Spans()
    (trace,) = spans.poll((SAMPLED,))
    assert trace is not None
    trace.inference(policy="spam", model="tiny", seconds=1.0, tokens=(0, 0, 0), failure="timeout")
    trace.inference(policy="spam", model="tiny", seconds=1.0, tokens=(0, 0, 0), failure="what the user wrote")
    failed = spans.named("chat tiny")
    assert [(s.attributes or {})["error.type"] for s in failed] == ["timeout", "other"]
    assert all(span.status.status_code is StatusCode.ERROR and not span.status.description for span in failed)


def test_an_output_is_a_producers_child() -> None:
    """Sent spans name their topic; a clock that went backwards makes an empty span, not one that ends before it began."""
    spans = Spans()
    (trace,) = spans.poll((SAMPLED,))
    assert trace is not None
    trace.sent("verdicts", -1.0)
    sent = the_one(spans.named("send verdicts"))
    assert sent.kind is SpanKind.PRODUCER
    assert sent.start_time == sent.end_time == NOW
    assert sent.parent is not None
    assert f"{sent.parent.span_id:016x}" == trace.traceparent[36:52]


def test_spans_hold_neither_key_nor_value() -> None:
    """No attribute of any span quotes the record."""
    spans = Spans()
    (trace,) = spans.poll((SAMPLED, ("cookie", b"secret-cookie")))
    assert trace is not None
    trace.inference(policy="spam", model="tiny", seconds=1.0, tokens=(1, 0, 1), failure="unparseable")
    trace.sent("verdicts", 0.1)
    trace.end("judged")
    told = "".join(span.to_json() for span in spans.exporter.get_finished_spans())
    assert not any(secret in told for secret in ("noon", "user-17", "secret-cookie"))


@pytest.mark.parametrize("state", [None, b"", b"\xff\xfe", b"no equals sign", b"a=1," * 200])
def test_no_tracestate_ever_raises(state: bytes | None) -> None:
    """A malformed tracestate is dropped, the trace goes on."""
    (trace,) = Spans().poll((SAMPLED, ("tracestate", state)))
    assert trace is not None


def test_outputs_carry_the_process_spans_context_and_the_tracestate_of_the_same_trace() -> None:
    """W3C: the tracestate goes with its traceparent."""
    record = make_record((SAMPLED, ("tracestate", b"vendor=1"), ("x", b"1")))
    (trace,) = Spans().tracer.polled([record], 0.1)
    assert trace is not None
    assert trace_headers(trace, record) == (("traceparent", trace.traceparent.encode()), ("tracestate", b"vendor=1"))


def test_a_tracestate_without_its_trace_goes_no_further() -> None:
    """Where the record's traceparent is malformed, a new trace does not take over a stranger's state."""
    record = make_record((("traceparent", b"nonsense"), ("tracestate", b"vendor=1")))
    (trace,) = Spans(root=1.0).tracer.polled([record], 0.1)
    assert trace is not None
    assert trace_headers(trace, record) == (("traceparent", trace.traceparent.encode()),)


def test_an_unsampled_records_context_travels_on_untouched() -> None:
    """The trace of others goes through us even where we record nothing."""
    record = make_record((("x", b"1"), UNSAMPLED, ("tracestate", b"vendor=1")))
    assert trace_headers(None, record) == (UNSAMPLED, ("tracestate", b"vendor=1"))


def test_of_several_contexts_the_last_one_travels_on() -> None:
    """The one that sampling looks at: or outputs would name another trace than our own spans."""
    other = ("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00")
    assert trace_headers(None, make_record((other, UNSAMPLED))) == (UNSAMPLED,)


@pytest.mark.parametrize("states", [[b"a=" + b"1" * 300] * 2, [b"a=1"] * 200, ["ключ=1".encode()], [b"a=\n"]])
def test_a_tracestate_is_no_place_for_content(states: list[bytes]) -> None:
    """All of them together are bounded, and only printable ASCII goes on."""
    record = make_record((UNSAMPLED, *(("tracestate", state) for state in states)))
    assert trace_headers(None, record) == (UNSAMPLED,)
