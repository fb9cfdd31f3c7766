"""`ordering: key` on a real broker: judged in any order, published in that of the records, through a kill in the middle."""

from __future__ import annotations

import signal
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from stream_guard.verdicts.decoding import decode_ruling, decode_verdict
from stream_guard.verdicts.model import Ruling, Verdict
from tests.fixtures_kafka import Kafka
from tests.published import Fate, Feed, Place, Plan, check, message, read_published
from tests.service import START_S, Flow, Services, ends, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

_KEYS = 7
_WINDOW = 200


class Told(NamedTuple):
    """Something that was published of a record: where the record stands, and when it was judged."""

    place: Place
    at_ms: int


def plans(count: int) -> list[Plan]:
    """Messages of a few rooms, and here and there garbage or a tombstone of the same rooms."""
    made = []
    for number in range(count):
        key = b"room-%d" % (number % _KEYS)
        if number % 23 == 5:
            made.append(Plan(Fate.DEAD_LETTERED, b"garbage %d" % number, "not_json", key=key))
        elif number % 29 == 7:
            made.append(Plan(Fate.IGNORED, None, "tombstone", key=key))
        else:
            made.append(message(number)._replace(key=key))
    return made


def read_in_order(flow: Flow, topic: str) -> dict[tuple[int, bytes], list[Told]]:
    """What was published, in the order of the log, by partition and key of the record that it is about."""
    stands = ends(flow.kafka, topic)
    found = flow.kafka.read(topic, sum(stands.values()), len(stands))
    assert len(found) == sum(stands.values())
    told = defaultdict[tuple[int, bytes], list[Told]](list)
    for read in sorted(found, key=lambda read: (read.partition() or 0, read.offset() or 0)):
        each = _told(read.value() or b"", verdict=topic == flow.verdicts)
        told[each.place.partition, _bytes(read.key())].append(each)
    return told


def _told(value: bytes, *, verdict: bool) -> Told:
    if verdict:
        given = decode_verdict(value)
        return Told(_place(given), given.timings.judged_at_ms)
    return Told(_place(decode_ruling(value)), 0)


def _place(of: Verdict | Ruling) -> Place:
    (source,) = of.sources
    return Place(source.partition, source.offset)


def _bytes(key: str | bytes | None) -> bytes:
    return key.encode() if isinstance(key, str) else key or b""


def descents(told: Sequence[Told]) -> int:
    """How often something is told of a record that stands before the one told of just before."""
    return sum(later.place.offset < earlier.place.offset for earlier, later in pairwise(told))


def first_seen(told: Sequence[Told]) -> list[int]:
    """The offsets, each where it is told of for the first time."""
    return list(dict.fromkeys(each.place.offset for each in told))


def test_a_keys_rulings_come_in_the_order_of_its_records(
    kafka: Kafka, services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At first sight always, dead-lettered records among them; a kill repeats some, in order again. Judging is not held up."""
    flow = make_flow(kafka, tmp_path, partitions=2)
    configuration = flow.configuration(
        engine={"kind": "scripted", "violation_share": 0.3, "delay": "40ms", "delay_spread": 1.0},
        window={"records": _WINDOW},
        route={"ordering": "key"},
    )
    feed = Feed(flow)
    feed.send(plans(1_000))
    first = services.start(configuration)
    first.until(lambda: first.count("stream_guard_records_total") >= 300, START_S)
    first.signal(signal.SIGKILL)
    first.wait()
    second = services.start(configuration)
    second.until_ready()
    began = time.monotonic()
    second.until(flow.done, START_S)
    took_s = time.monotonic() - began
    assert second.terminate() == 0

    outcomes = check(feed.sent, read_published(flow))
    assert outcomes[Fate.DEAD_LETTERED] > 0
    verdicts, rulings = read_in_order(flow, flow.verdicts), read_in_order(flow, flow.rulings)
    assert len(rulings) == 2 * _KEYS
    for told in (*verdicts.values(), *rulings.values()):
        assert first_seen(told) == sorted(first_seen(told))
        assert descents(told) <= 1  # where the second one began again
    overtaken = sum(later.at_ms < earlier.at_ms for told in verdicts.values() for earlier, later in pairwise(told))
    assert overtaken > 0
    with capsys.disabled():
        repeated = sum(map(len, rulings.values())) - len(feed.sent) + outcomes[Fate.IGNORED]
        sys.stdout.write(
            f"\n{overtaken} verdicts were given before that of the record before them; {repeated} rulings repeated"
        )
        sys.stdout.write(f"; the second took {took_s:.1f} s\n")


def test_one_key_goes_as_fast_as_it_is_acknowledged(
    kafka: Kafka, services: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All records have one key, in one partition: the slowest case there is."""
    flow = make_flow(kafka, tmp_path)
    configuration = flow.configuration(engine={"kind": "scripted", "delay": "1ms"}, route={"ordering": "key"})
    feed, count = Feed(flow), 400
    feed.send([message(number)._replace(key=b"room") for number in range(count)])
    service = services.start(configuration)
    service.until(lambda: service.count("stream_guard_records_total") > 0, START_S)
    began, done = time.monotonic(), service.count("stream_guard_records_total")
    service.until(lambda: service.count("stream_guard_records_total") == count, START_S)
    with capsys.disabled():
        sys.stdout.write(f"\none key: {(count - done) / (time.monotonic() - began):.0f} records/s\n")
    assert service.terminate() == 0
    (told,) = read_in_order(flow, flow.rulings).values()
    assert [each.place.offset for each in told] == list(range(count))
