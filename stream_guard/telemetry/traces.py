"""Spans: a poll joins many records; each sampled record is a process span with its asks and its outputs below it.

    producer's span ──parent── process {topic} ──┬── chat {model}
                                   │             └── send {topic}
    poll {topic} ◄──────link───────┘
       └────────────link──► producer's span

Spans are made after the fact, with explicit times; none is ever the current one, since one loop interleaves all records.
The outputs' `traceparent` is the process span's, because it must be known before anything is sent.
No span holds content or a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from stream_guard.records import Headers, Record
from stream_guard.telemetry import names
from stream_guard.telemetry.port import Trace
from stream_guard.telemetry.sampling import Decided, Sampling
from stream_guard.telemetry.vocabulary import word

_KAFKA = "kafka"
_NS = 1_000_000_000


class TraceIds(RandomIdGenerator):
    """Random ids, except that a new trace gets the id by which it was sampled, where `chosen` holds one."""

    def __init__(self) -> None:
        self.chosen = 0

    def generate_trace_id(self) -> int:
        """The chosen id, once; else a random one."""
        chosen, self.chosen = self.chosen, 0
        return chosen or super().generate_trace_id()


class RecordTracer:
    """Makes the spans of sampled records. Used from the loop's thread only."""

    def __init__(
        self,
        tracer: trace.Tracer,
        ids: TraceIds,
        sampling: Sampling,
        *,
        group: str,
        provider: str,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.tracer = tracer
        self.provider = provider
        self.clock = clock
        self._ids = ids
        self._decide = sampling.decide
        self._group = group

    def polled(self, records: Sequence[Record], seconds: float) -> list[Trace | None]:
        """A trace for each record that is sampled. Where none is, no object is made."""
        decide = self._decide
        decisions = [decide(record.headers) for record in records]
        traces: list[Trace | None] = [None] * len(records)
        parents = {
            i: _remote(decided, records[i].headers) for i, decided in enumerate(decisions) if decided is not None
        }
        if parents:
            now = self.clock()
            poll = self._poll(records, [c for c in parents.values() if c.span_id], now, seconds)
            for index, parent in parents.items():
                traces[index] = self._process(records[index], parent, poll, now)
        return traces

    def _poll(self, records: Sequence[Record], origins: list[SpanContext], now: int, seconds: float) -> SpanContext:
        topics = {record.lease.topic for record in records}
        topic = topics.pop() if len(topics) == 1 else None
        attributes = _messaging("poll", "receive", topic)
        attributes[names.GROUP.name] = self._group
        attributes[names.BATCH.name] = len(records)
        span = self.tracer.start_span(
            names.POLL.name(topic),
            Context(),
            SpanKind.CLIENT,
            attributes,
            [Link(c) for c in origins],
            _before(now, seconds),
        )
        span.end(now)
        return span.get_span_context()

    def _process(self, record: Record, parent: SpanContext, poll: SpanContext, now: int) -> RecordTrace:
        topic, partition = record.lease.topic, record.lease.partition
        attributes = _messaging("process", "process", topic)
        attributes[names.PARTITION.name] = str(partition)
        attributes[names.OFFSET.name] = record.offset
        attributes[names.GROUP.name] = self._group
        if not parent.span_id:
            self._ids.chosen = parent.trace_id
        span = self.tracer.start_span(
            names.PROCESS.name(topic), _within(parent), SpanKind.CONSUMER, attributes, [Link(poll)], now
        )
        return RecordTrace(self, span)


class RecordTrace:
    """The sampled trace of one record (see `port.Trace`)."""

    __slots__ = ("_context", "_maker", "_span", "traceparent")

    def __init__(self, maker: RecordTracer, span: trace.Span) -> None:
        self._maker = maker
        self._span = span
        self._context = trace.set_span_in_context(span, Context())
        own = span.get_span_context()
        self.traceparent = f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"
        """The W3C trace context of the process span."""

    def inference(
        self, *, policy: str, model: str, seconds: float, tokens: tuple[int, int, int], failure: str | None
    ) -> None:
        """A case ended just now; `seconds` and tokens (prompt, cached, completion) are the sums of its asks."""
        prompt, cached, completion = tokens
        attributes: dict[str, str | int] = {
            names.GEN_AI_OPERATION.name: "chat",
            names.PROVIDER.name: self._maker.provider,
            names.MODEL.name: model,
            names.POLICY.name: policy,
            names.INPUT_TOKENS.name: prompt,
            names.CACHED_TOKENS.name: cached,
            names.OUTPUT_TOKENS.name: completion,
        }
        self._ended(names.CHAT.name(model), SpanKind.CLIENT, attributes, seconds, failure)

    def sent(self, topic: str, seconds: float) -> None:
        """One output was acknowledged just now, `seconds` after it was handed to the producer."""
        self._ended(names.SEND.name(topic), SpanKind.PRODUCER, _messaging("send", "send", topic), seconds, None)

    def end(self, outcome: str) -> None:
        """The record settled."""
        self._span.set_attribute(names.OUTCOME.name, names.OUTCOME.clean(outcome))
        self._span.end(self._maker.clock())

    def _ended(
        self, name: str, kind: SpanKind, attributes: dict[str, str | int], seconds: float, failure: str | None
    ) -> None:
        now = self._maker.clock()
        span = self._maker.tracer.start_span(name, self._context, kind, attributes, None, _before(now, seconds))
        if failure is not None:
            span.set_attribute(names.ERROR_TYPE.name, word(failure))
            span.set_status(Status(StatusCode.ERROR))
        span.end(now)


def _remote(decided: Decided, headers: Headers) -> SpanContext:
    state = TraceState()
    if decided.parent:
        state = TraceState.from_header([_text(value) for name, value in headers if name == "tracestate"])
    return SpanContext(decided.trace_id, decided.parent, True, TraceFlags(decided.flags), state)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace")


def _within(parent: SpanContext) -> Context:
    """The context of a producer's span; an empty one, where the record begins a trace."""
    return trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent.span_id else Context()


def _before(now: int, seconds: float) -> int:
    return now - int(max(0.0, seconds) * _NS)


def _messaging(operation: str, operation_type: str, topic: str | None) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        names.SYSTEM.name: _KAFKA,
        names.OPERATION.name: operation,
        names.OPERATION_TYPE.name: operation_type,
    }
    if topic is not None:
        attributes[names.TOPIC.name] = topic
    return attributes
