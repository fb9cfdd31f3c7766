"""Both ends of a trace, as other teams have them: a producer and a subscriber that use OpenTelemetry's SDK, and know nothing of us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stream_guard.records import Headers
from tests.otlp_receiver import Received

PUBLISH, ENFORCE = "publish message", "enforce verdict"
_PROPAGATOR = TraceContextTextMapPropagator()


class Parties:
    """The producer and the subscriber; each of their spans is in the receiver once the call returns."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def produced(self) -> Headers:
        """What a producer sends with its record, from within a span of its own."""
        carrier: dict[str, str] = {}
        with self._tracer.start_as_current_span(PUBLISH, Context(), SpanKind.PRODUCER):
            _PROPAGATOR.inject(carrier)
        return tuple((name, value.encode()) for name, value in carrier.items())

    def received(self, headers: Headers) -> None:
        """What a subscriber makes of the headers of a verdict."""
        carrier = {name: (value or b"").decode() for name, value in headers}
        self._tracer.start_span(ENFORCE, _PROPAGATOR.extract(carrier, Context()), SpanKind.CONSUMER).end()


@contextmanager
def parties(received: Received) -> Iterator[Parties]:
    """Both, exporting to this receiver."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{received.grpc_port}", insecure=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    try:
        yield Parties(provider.get_tracer("tests"))
    finally:
        provider.shutdown()


def exporting(received: Received) -> Mapping[str, str]:
    """The environment of a service that exports there, and traces what its producers want to be traced."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{received.grpc_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
    }


def trace_id(headers: Headers) -> bytes:
    """The trace that a producer's headers speak of."""
    return bytes.fromhex((dict(headers)["traceparent"] or b"").decode().split("-")[1])


def check_one_trace(spans: Sequence[Span], headers: Headers, source: str, outputs: Sequence[str]) -> dict[str, Span]:
    """Raises AssertionError where the spans of a record don't hang together from its producer to a subscriber.

    `headers` are those that the record was written with. Returns the spans of the trace by name, the poll's among them.
    """
    ours = [span for span in spans if span.trace_id == trace_id(headers)]
    named = {span.name: span for span in ours}
    assert len(named) == len(ours), sorted(span.name for span in ours)
    publish, process = named[PUBLISH], named[f"process {source}"]
    assert not publish.parent_span_id
    assert process.parent_span_id == publish.span_id
    (chat,) = (span for name, span in named.items() if name.startswith("chat "))
    for below in (chat, named[ENFORCE], *(named[f"send {topic}"] for topic in outputs)):
        assert below.parent_span_id == process.span_id, below.name
    known = {span.span_id for span in ours}
    assert all(span.parent_span_id in known for span in ours if span is not publish)
    assert process.start_time_unix_nano <= chat.start_time_unix_nano <= chat.end_time_unix_nano
    assert chat.end_time_unix_nano <= process.end_time_unix_nano
    # A poll joins many records: it is of no one's trace, and linked both ways.
    (poll,) = (span for span in spans if [link.span_id for link in process.links] == [span.span_id])
    assert poll.name == f"poll {source}"
    assert poll.trace_id != process.trace_id
    assert publish.span_id in [link.span_id for link in poll.links]
    return {**named, "poll": poll}
