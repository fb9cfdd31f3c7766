"""`stream-guard run` as a process: how it ends, what it outlasts, and what it says of itself."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from stream_guard.telemetry.names import METRICS
from tests.cluster import Cluster, jars
from tests.fixtures_kafka import Kafka
from tests.openai_server import MODEL, OpenAiServer, openai_server
from tests.published import Fate, Feed, Load, Plan, check, message, read_published
from tests.service import MARKER, START_S, Flow, Service, Services, make_flow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
kafka = pytest.mark.kafka

_TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"


def _messages(count: int, first: int = 0) -> list[Plan]:
    return [message(number) for number in range(first, first + count)]


def _abstaining(count: int, reason: str) -> list[Plan]:
    return [plan._replace(fate=Fate.ABSTAINED, reason=reason) for plan in _messages(count)]


def _openai(server: OpenAiServer) -> dict[str, object]:
    return {"kind": "openai", "base_url": server.base_url, "model": MODEL, "api": "chat"}


def _chat_answer(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


def _assert_silent(service: Service) -> None:
    """No content is in anything that the process said of itself."""
    assert MARKER not in service.stderr
    assert MARKER not in service.stdout
    if service.running:
        assert MARKER not in service.get("/metrics")[1] + service.get("/ready")[1]


# -- ending -------------------------------------------------------------------------------------------------------------


@kafka
async def test_a_signal_while_it_waits_for_the_engine_ends_it_at_once(services: Services, flow: Flow) -> None:
    """There is nothing to drain: exit code 0 within seconds."""
    async with openai_server() as server:
        await server.stop()
        service = services.start(flow.configuration(engine=_openai(server)))
        await asyncio.to_thread(service.until, lambda: service.logged("engine.waiting"), START_S)
        assert service.unready() == "waiting for the engine"
        assert service.get("/live")[0] == 200
        assert await asyncio.to_thread(service.terminate, 10) == 0


@kafka
def test_a_second_signal_does_not_wait_for_the_drain(services: Services, flow: Flow) -> None:
    """What was under way is not committed, and the next start judges it."""
    slow = flow.configuration("slow", engine={"kind": "scripted", "delay": "1m"}, drain="40s")
    feed = Feed(flow)
    feed.send(_messages(10))
    service = services.start(slow)
    service.until(lambda: service.count("stream_guard_in_flight_records") == 10, START_S)
    service.signal()
    service.until(lambda: service.unready() == "stopping")
    time.sleep(1)
    assert service.running
    assert service.terminate(15) == 0
    assert set(flow.committed().values()) == {0}
    after = services.start(flow.configuration())
    after.until(flow.done, START_S)
    assert after.terminate() == 0
    assert check(feed.sent, read_published(flow)) == {Fate.JUDGED: 10}


@kafka
def test_a_drain_that_is_too_short_loses_nothing(services: Services, flow: Flow) -> None:
    """When the drain's time is up the process ends with 0; what was not settled is read again."""
    slow = flow.configuration("slow", engine={"kind": "scripted", "delay": "1m"}, drain="1s")
    feed = Feed(flow)
    feed.send(_messages(10))
    service = services.start(slow)
    service.until(lambda: service.count("stream_guard_in_flight_records") == 10, START_S)
    assert service.terminate(15) == 0
    after = services.start(flow.configuration())
    after.until(flow.done, START_S)
    assert after.terminate() == 0
    assert check(feed.sent, read_published(flow)) == {Fate.JUDGED: 10}


# -- outlasting ---------------------------------------------------------------------------------------------------------


@kafka
def test_a_broker_that_goes_and_comes_back_loses_nothing(services: Services, tmp_path: Path) -> None:
    """Killed under load and started again: everything written before, meanwhile and after is judged."""
    libs = jars()
    with Cluster(libs=libs, root=tmp_path / "kafka", archive=libs.parent / "kafka.jsa") as cluster:
        flow = make_flow(Kafka(cluster.bootstrap), tmp_path, partitions=2)
        service = services.start(flow.configuration(engine={"kind": "scripted", "delay": "100ms"}))
        service.until_ready()
        with Load(Feed(flow), per_second=50) as feed:
            service.until(lambda: service.count("stream_guard_records_total") > 20)
            cluster.kill(1)
            time.sleep(2)
            assert service.get("/live")[0] == 200
            cluster.start(1)
            before = service.count("stream_guard_records_total")
            service.until(lambda: service.count("stream_guard_records_total") > before + 50, START_S)
        service.until(flow.done, START_S)
        assert service.terminate() == 0
        published = read_published(flow)
        assert check(feed.sent, published).total() == sum(flow.ends().values())
        _assert_silent(service)


@kafka
async def test_an_engine_that_comes_goes_and_returns_makes_nothing_abstain(services: Services, flow: Flow) -> None:
    """Intake waits for the engine, /ready says so, and everything is judged once it is back."""
    async with openai_server() as server:
        server.body = _chat_answer("0")
        await server.stop()
        service = services.start(flow.configuration(engine=_openai(server)))
        await asyncio.to_thread(service.until, lambda: service.logged("engine.waiting"), START_S)
        with Load(Feed(flow), per_second=40) as feed:
            await server.start()
            await asyncio.to_thread(service.until_ready)
            await _progress(service, 20)
            await server.stop()
            away = "the engine is unavailable: "
            await asyncio.to_thread(service.until, lambda: (service.unready() or "").startswith(away))
            before, asked = service.count("stream_guard_records_total"), service.count("stream_guard_cases_total")
            await asyncio.sleep(1)
            assert service.count("stream_guard_cases_total") == asked  # what needs no engine may still settle
            assert service.count("stream_guard_engine_up") == 0
            assert service.get("/live")[0] == 200
            server.status = 503  # its gateway is up, the model is not
            await server.start()
            await asyncio.sleep(3)
            server.status = 200
            await _progress(service, before + 50)
        await asyncio.to_thread(service.until, flow.done)
        assert service.unready() is None
        assert await asyncio.to_thread(service.terminate) == 0
        assert check(feed.sent, read_published(flow)).total() == sum(flow.ends().values())


async def _progress(service: Service, records: float) -> None:
    await asyncio.to_thread(service.until, lambda: service.count("stream_guard_records_total") >= records, START_S)


@kafka
async def test_an_engine_that_answers_nonsense_never_allows(services: Services, flow: Flow) -> None:
    """Every such case abstains, its record is kept for a redrive, and what the server said is told nowhere."""
    async with openai_server() as server:
        service = services.start(flow.configuration(engine=_openai(server), telemetry={"log_level": "debug"}))
        feed = Feed(flow)
        server.body = _chat_answer(f"I would rather talk about {MARKER}.")
        feed.send(_abstaining(10, "unparseable"))
        await asyncio.to_thread(service.until, flow.done, START_S)
        server.status, server.body = 400, f'{{"error": "{MARKER}"}}'.encode()
        feed.send(_abstaining(10, "rejected"))
        await asyncio.to_thread(service.until, flow.done, START_S)
        await asyncio.to_thread(_assert_silent, service)
        assert await asyncio.to_thread(service.terminate) == 0
        assert check(feed.sent, read_published(flow)) == {Fate.ABSTAINED: 20}
        _assert_silent(service)


# -- what it says of itself ---------------------------------------------------------------------------------------------


@kafka
def test_it_tells_all_metrics_and_no_content(services: Services, flow: Flow) -> None:
    """Every metric of the list is there; content, also of broken records and at level debug, is nowhere."""
    service = services.start(flow.configuration(telemetry={"log_level": "debug"}))
    feed = Feed(flow)
    feed.send([*_messages(10), *_quoting()])
    service.until(flow.done, START_S)
    metrics = service.get("/metrics")[1]
    assert [m.prometheus for m in METRICS if f"\n# TYPE {m.prometheus} " not in metrics] == []
    assert service.count("stream_guard_records_total", outcome="judged") == 10
    assert service.count("stream_guard_records_total", outcome="dead_lettered") == 5
    assert service.count("stream_guard_dead_letters_total", scope="record") == 5
    assert service.count("stream_guard_rulings_total") == 15
    assert service.count("stream_guard_engine_up") == 1
    assert service.count("stream_guard_partitions_assigned") == 2
    _assert_silent(service)
    assert service.terminate() == 0
    _assert_silent(service)
    check(feed.sent, read_published(flow))


def _quoting() -> list[Plan]:
    """Broken records whose every error could quote content."""
    name, values = (
        MARKER,
        {
            "not_json": f'{{"kind": "message", "content": "{MARKER}',
            "unsupported_kind": json.dumps({"kind": MARKER, "content": MARKER}),
            "invalid_event": json.dumps({"kind": "message", "content": "x", MARKER: MARKER}),
        },
    )
    plans = [Plan(Fate.DEAD_LETTERED, value.encode(), reason) for reason, value in values.items()]
    role = json.dumps({"kind": "chat", "turns": [{"role": MARKER, "content": "x"}]})
    header = Plan(Fate.DEAD_LETTERED, role.encode(), "invalid_event", headers=((name, name.encode()),))
    return [*plans, header, Plan(Fate.DEAD_LETTERED, MARKER.encode() + b"\xff", "not_utf8", key=None)]


@kafka
def test_a_records_trace_goes_on_in_its_verdict(services: Services, flow: Flow) -> None:
    """The outputs carry the trace id of the record's `traceparent`, sampled or not; a malformed one is not passed on."""
    service = services.start(flow.configuration())
    feed = Feed(flow)
    parents = [b"00-%b-00f067aa0ba902b7-01" % _TRACE, b"00-%b-00f067aa0ba902b7-00" % _TRACE, MARKER.encode()]
    feed.send(plan._replace(headers=(("traceparent", p),)) for plan, p in zip(_messages(3), parents, strict=True))
    service.until(flow.done, START_S)
    assert service.terminate() == 0
    published = read_published(flow)
    check(feed.sent, published)
    for at, plan in feed.sent.items():
        (headers,) = published.headers[at]
        (found,) = [value or b"" for name, value in headers if name == "traceparent"] or [b""]
        expected = _TRACE if MARKER.encode() not in (plan.headers[0][1] or b"") else None
        assert expected is None or found.split(b"-")[1] == expected
        assert MARKER.encode() not in found
