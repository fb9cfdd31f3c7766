"""The whole service on a real broker with the real engine: 200 records of all kinds, stopped half way and started again."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stream_guard.policy.document import Decision
from stream_guard.records import Headers
from tests.fixtures_kafka import Kafka
from tests.otlp_receiver import otlp_receiver
from tests.published import Fate, Feed, Plan, Published, check, check_committed, check_repeats, message, read_published
from tests.service import MARKER, Flow, Service, Services, make_flow, session
from tests.tracing import check_one_trace, exporting, parties, trace_id

pytestmark = [pytest.mark.kafka, pytest.mark.vllm, pytest.mark.slow]

_LOAD_S = 240.0
"""Loading the engine takes 20 s on two idle cores, and minutes on busy ones."""
_JUDGE_S = 180.0
_WINDOW = 32
_PARTITIONS = 3
_ENGINE = {"kind": "vllm", "model": "small", "max_model_len": 2048}
_LIMITS = {"record_bytes": "20KiB", "content_chars": 4000, "turns": 12, "depth": 8}
_WHEN = [{"field": "attributes.bot", "present": False}, {"header": "internal", "present": False}]
_TALK = (
    "Are you coming to the match", "Could you bring the blue folder", "Wir sehen uns morgen um acht", "Merci pour la soupe",
    "The train is late again", "¿Dónde está la llave del garaje",
)  # fmt: skip
_ADVERTS = (
    "WIN a free phone! Text YES to 70707 now", "Cheap pills, 90% off, click here today", "Earn 900 a day from home, join now",
    "Congratulations, you won a prize! Call 80082",
)  # fmt: skip
_TURNS = [{"role": "user", "content": "Hello there"}, {"role": "assistant", "content": "Hello, how can I be of use?"}]


def _event(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def _text(number: int) -> str:
    texts = _ADVERTS if number % 3 == 0 else _TALK
    return f"{texts[number % len(texts)]}, {number}"


def _judged() -> list[Plan]:
    """100 that the engine judges: messages (two forms of content), chats, completions."""
    values = [message(number, _text(number)).value for number in range(40)]
    for number in range(20):
        text = f"{_text(number)} {MARKER}"
        values += [
            _event(kind="message", content=[{"type": "text", "text": text}]),
            _event(kind="chat", id=f"c-{number}", turns=[*_TURNS, {"role": "user", "content": text}]),
            _event(kind="completion", id=f"o-{number}", prompt=_TURNS[:1], completion=text, model="some-model"),
        ]
    return [
        Plan(Fate.JUDGED, value, key=None if n % 10 == 0 else b"room-%d" % (n % 7)) for n, value in enumerate(values)
    ]


def _abstained() -> list[Plan]:
    """25 that no engine sees."""
    picture = _event(kind="message", content=[{"type": "text", "text": MARKER}, {"type": "image", "url": "x"}])
    tool = _event(kind="chat", turns=[*_TURNS, {"role": "user", "content": [{"type": "file"}]}])
    unsupported = [Plan(Fate.ABSTAINED, value, "unsupported_content") for value in (picture, tool)]
    long = Plan(Fate.ABSTAINED, _event(kind="message", content=f"{MARKER} " * 250), "too_long")
    expired = message(0)._replace(fate=Fate.ABSTAINED, reason="expired", age_s=7200)
    return [*unsupported * 5, *[long] * 5, *[expired] * 10]


def _dead_lettered() -> list[Plan]:
    """45 of which no event can be made."""
    values = {
        b"": "empty",
        b'{"kind": "message", "content": "': "not_json",
        b"\xff\xfe" + MARKER.encode(): "not_utf8",
        b'{"kind": "message", "content": "\\ud83d"}': "lone_surrogate",
        b'{"kind": "message", "content": ' + b"[" * 20 + b"]" * 20 + b"}": "too_deep",
        _event(kind="message", content="long " * 6000): "too_large",
        _event(kind="chat", turns=_TURNS * 10): "too_large",
        _event(kind="message"): "invalid_event",
        _event(kind="completion_step", completion_id="x", step=0, final=True): "unsupported_kind",
    }
    headers: Headers = (("a", b"1"), ("a", b"2"), ("b", None), ("sg-dl-reason", b"forged"))
    return [
        Plan(Fate.DEAD_LETTERED, value, reason, key=key, headers=headers)
        for value, reason in values.items()
        for key in (b"room", None, b"", b"\xff", b"room-2")
    ]


def _ignored() -> list[Plan]:
    """30 that need no judgement."""
    bot = Plan(Fate.IGNORED, _event(kind="message", content=MARKER, attributes={"bot": True}), "not_selected")
    internal = message(0)._replace(fate=Fate.IGNORED, reason="not_selected", headers=(("internal", b"yes"),))
    return [*[Plan(Fate.IGNORED, None, "tombstone")] * 10, *[bot] * 10, *[internal] * 10]


def _records() -> list[Plan]:
    plans = [*_judged(), *_abstained(), *_dead_lettered(), *_ignored()]
    random.Random(3).shuffle(plans)
    return plans


def _one_of_them_first(plans: list[Plan], headers: Headers) -> list[Plan]:
    """The same, a message that is judged before all others, and with these headers: it is settled long before the half way."""
    first = next(plan for plan in plans if plan.fate is Fate.JUDGED and b'"kind": "message"' in (plan.value or b""))
    return [first._replace(headers=headers), *(plan for plan in plans if plan is not first)]


def _assert_silent(service: Service) -> None:
    assert MARKER not in service.stdout + service.stderr


@pytest.mark.timeout(2 * (_LOAD_S + _JUDGE_S))
def test_records_of_all_kinds_survive_a_restart_half_way(kafka: Kafka, services: Services, tmp_path: Path) -> None:
    """Each is judged, dead-lettered or ignored; offsets end where the log does; what repeats was read again; one ruling each.

    One has a trace of its producer's: it is found from there through the engine to a subscriber, and no other is.
    """
    with otlp_receiver() as receiver, parties(receiver) as party:
        headers = party.produced()
        flow, feed, published = _judge_all(kafka, services, tmp_path, headers, exporting(receiver))
        (traced,) = (at for at, plan in feed.sent.items() if plan.headers == headers)
        (carried,) = published.headers[traced]
        party.received(carried)
    found = check_one_trace(receiver.spans, headers, flow.source, [flow.verdicts, flow.rulings])
    assert {span.trace_id for span in receiver.spans} == {trace_id(headers), found["poll"].trace_id}
    (asked,) = (span for span in receiver.spans if span.name == "llm_request")  # the engine's own
    assert asked.parent_span_id == found[f"process {flow.source}"].span_id
    assert MARKER.encode() not in b"".join(request.SerializeToString() for request in receiver.traces)


def _judge_all(
    kafka: Kafka, services: Services, tmp_path: Path, headers: Headers, env: Mapping[str, str]
) -> tuple[Flow, Feed, Published]:
    flow = make_flow(kafka, tmp_path, _PARTITIONS)
    path = flow.configuration(
        engine=_ENGINE, window={"records": _WINDOW, "asks": 16}, drain="20s",
        route={"limits": _LIMITS, "when": _WHEN, "expire_after": "1h"},
    )  # fmt: skip
    feed = Feed(flow)
    feed.send(_one_of_them_first(_records(), headers))
    assert len(feed.sent) == 200

    first = services.start(path, env=env)
    first.until(lambda: first.unready() is None, _LOAD_S)
    first.until(lambda: first.count("stream_guard_records_total") >= 100, _JUDGE_S)
    assert first.terminate(60) == 0
    half = read_published(flow)
    between = flow.committed()
    assert 100 <= sum(between.values()) < 200
    check_committed(feed.sent, half, between)
    assert not half.repeated

    second = services.start(path, env=env)
    second.until(lambda: second.unready() is None, _LOAD_S)
    second.until(flow.done, _JUDGE_S)
    assert second.terminate(60) == 0
    assert flow.done()
    published = read_published(flow)
    outcomes = check(feed.sent, published)
    assert outcomes == Counter(judged=100, abstained=25, dead_lettered=45, ignored=30)
    check_repeats(published, between)
    assert len(published.repeated) <= _WINDOW
    # The real model judged, rather than said the same of all.
    decided = Counter(v[0].decision for at, v in published.verdicts.items() if feed.sent[at].fate is Fate.JUDGED)
    assert set(decided) == {Decision.ALLOW, Decision.FLAG}
    for service in (first, second):
        _assert_silent(service)
        assert session(service.pid) == []
    return flow, feed, published


@pytest.mark.timeout(2 * _LOAD_S)
def test_a_signal_while_the_model_loads_ends_it_and_all_its_processes(
    kafka: Kafka, services: Services, tmp_path: Path
) -> None:
    """Loading is not waited for: exit code 0, and nothing is left running."""
    service = services.start(make_flow(kafka, tmp_path).configuration(engine=_ENGINE))
    service.until(lambda: len(session(service.pid)) > 1, _LOAD_S)
    assert service.unready() == "waiting for the engine"
    assert service.terminate(60) == 0  # an import can not be interrupted
    deadline = time.monotonic() + 20
    while session(service.pid) and time.monotonic() < deadline:  # the tracker of semaphores ends by itself, after us
        time.sleep(0.2)
    assert session(service.pid) == []
