from __future__ import annotations

import inspect

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from stream_guard.records import Headers, Lease, Record
from stream_guard.telemetry.null import NullTelemetry
from stream_guard.telemetry.otel import OtelTelemetry
from stream_guard.telemetry.port import Telemetry
from stream_guard.telemetry.sampling import Sampling
from stream_guard.telemetry.traces import RecordTracer, TraceIds


def make_traced() -> OtelTelemetry:
    """Telemetry that samples every record, and exports to nobody."""
    ids = TraceIds()
    tracer = TracerProvider(ALWAYS_ON, id_generator=ids, shutdown_on_exit=False).get_tracer("test")
    return OtelTelemetry(tracer=RecordTracer(tracer, ids, Sampling(1.0), group="guard", provider="vllm"))


@pytest.fixture(params=[NullTelemetry, OtelTelemetry, make_traced])
def telemetry(request: pytest.FixtureRequest) -> Telemetry:
    """Every implementation of the port in turn."""
    made: Telemetry = request.param()
    return made


def test_an_intake_gets_one_answer_a_record(telemetry: Telemetry) -> None:
    """Traces come in the order of the records, also for none at all, and whatever the headers hold."""
    odd: list[Headers] = [
        (),
        (("traceparent", None),),
        (("traceparent", b"\xff"), ("tracestate", b"\xff")),
        (("", b""),),
    ]
    records = [Record(Lease("mail", 0, 1), offset, None, headers=headers) for offset, headers in enumerate(odd)]
    assert len(telemetry.polled(records, 0.0)) == len(records)
    assert telemetry.polled([], 0.0) == []


def test_no_method_raises_or_answers(telemetry: Telemetry) -> None:
    """Odd values (empty, negative, endless, unknown) are counted as well as can be, never an error."""
    telemetry.reread("", -1)
    telemetry.outcome("", "vanished", "a reason with blanks", 0)
    telemetry.verdict("", "", "", "")
    telemetry.ruling("mail", "unheard-of")
    telemetry.dead_letter("mail", "", "")
    for seconds in (-1.0, float("nan"), float("inf")):
        telemetry.latency("nowhere", seconds)
        telemetry.usage("spam", 0, 0, 0, seconds)
        telemetry.lag("mail", -1, seconds)
        telemetry.dead_letters_oldest({"": seconds})
    telemetry.dead_letters_oldest({})
    telemetry.backlog("", -1, -1)
    telemetry.service("", "", "")
    telemetry.policies_in_force([])
    telemetry.policies_in_force([("", "", -1), ("x" * 1000, "y", 1)])
    telemetry.retry("spam", "x" * 10_000)
    telemetry.resent("")
    telemetry.escalated("", "")
    telemetry.escalation_refused("", "", "")
    telemetry.in_flight(records=-1, bytes=0, tokens=0, asks=0)
    telemetry.engine_up(up=False)
    telemetry.engine_up(up=True)
    telemetry.registry_up(up=True)
    telemetry.engine_restart("melted", "", -1)
    telemetry.suspects(-1)
    telemetry.edition_in_force("")
    telemetry.edition_in_force("x" * 1000, "never there")
    telemetry.edition_refused([])
    telemetry.edition_restored("")
    telemetry.registry_up(up=False)
    telemetry.registry_up(up=True)
    telemetry.assignment("lost", 3, drained=False)
    telemetry.halted("mail", 0, "")
    telemetry.unhalted("mail", 0, "never halted for that")
    telemetry.unassigned("mail", 0)
    telemetry.unassigned("never-seen", 9)


def test_a_trace_takes_whatever_comes() -> None:
    """Odd durations and words make odd spans, never an error; after its end too."""
    (trace,) = make_traced().polled([Record(Lease("mail", 0, 1), 0, None)], -1.0)
    assert trace is not None
    trace.inference(policy="", model="", seconds=-1.0, tokens=(0, 0, 0), failure="")
    trace.sent("", 0.0)
    trace.end("vanished")
    trace.end("judged")
    trace.sent("late", 0.0)
    assert len(trace.traceparent) == 55


@pytest.mark.parametrize("implementation", [NullTelemetry, OtelTelemetry])
def test_every_method_of_the_port_is_there_with_its_own_parameters(implementation: type) -> None:
    """A method added to the port, or renamed, can't be forgotten in an implementation."""
    for name, method in inspect.getmembers(Telemetry, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(implementation, name)) == inspect.signature(method)
