"""What was written, what came out, and the oracle that holds one against the other.

Every record ends in exactly one of judged, dead-lettered, ignored; nothing is lost; a repeat has the same ids; all that was
published folds to one ruling an event.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from stream_guard.judging.judgement import MENDABLE
from stream_guard.policy.document import Decision
from stream_guard.records import Headers, Record
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.dead_letter import decode as decode_dead_letter
from stream_guard.verdicts.decoding import decode_ruling, decode_verdict
from stream_guard.verdicts.fold import fold_each
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.service import MARKER, Flow, ends


class Place(NamedTuple):
    """Where a record stands in the source topic."""

    partition: int
    offset: int


class Fate(StrEnum):
    """What is to become of a record."""

    JUDGED = "judged"
    ABSTAINED = "abstained"
    """Judged too: every policy says that it gave no judgement, and why."""
    DEAD_LETTERED = "dead_lettered"
    IGNORED = "ignored"


class Plan(NamedTuple):
    """A record to write and what is to become of it; `reason` for all fates but judged."""

    fate: Fate
    value: bytes | None
    reason: str = ""
    key: bytes | None = b"room"
    headers: Headers = ()
    age_s: int = 0


def message(number: int, text: str = "Are you coming to the match") -> Plan:
    """A message that can be judged."""
    value = {"kind": "message", "id": f"m-{number}", "content": f"{text}, {MARKER}, {number}?"}
    return Plan(Fate.JUDGED, json.dumps(value).encode(), key=b"room-%d" % (number % 7))


class Feed:
    """Writes records and remembers where each came to stand. `partitions` may grow meanwhile."""

    def __init__(self, flow: Flow) -> None:
        """Connects. A broker that is away is waited for."""
        self.partitions = len(flow.ends())
        self.sent: dict[Place, Plan] = {}
        self.failed: list[str] = []
        self._topic = flow.source
        self._count = 0
        self._producer = Producer({
            **flow.kafka.own, "linger.ms": 2, "enable.idempotence": True,
            "reconnect.backoff.max.ms": 500, "topic.metadata.refresh.interval.ms": 500,
        })  # fmt: skip

    def send(self, plans: Iterable[Plan]) -> None:
        """Writes records, to the partitions in turn. Returns once they are acknowledged."""
        for plan in plans:
            self._produce(plan)
        assert self._producer.flush(60) == 0
        assert not self.failed

    def _produce(self, plan: Plan) -> None:
        def delivered(error: KafkaError | None, at: Message) -> None:
            partition, offset = at.partition(), at.offset()
            if error is not None or partition is None or offset is None:
                self.failed.append(str(error))
            else:
                self.sent[Place(partition, offset)] = plan

        self._count += 1
        self._producer.produce(
            self._topic, plan.value, plan.key, partition=self._count % self.partitions, headers=list(plan.headers),
            timestamp=int((time.time() - plan.age_s) * 1000), on_delivery=delivered,
        )  # fmt: skip
        self._producer.poll(0)


class Load:
    """Writes messages at a rate from a thread, until it is left."""

    def __init__(self, feed: Feed, per_second: int) -> None:
        """Begins when entered."""
        self.feed = feed
        self._pause_s = 1 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self._pause_s):
            self.feed._produce(message(number))
            number += 1

    def __enter__(self) -> Feed:
        """Starts."""
        self._thread.start()
        return self.feed

    def __exit__(self, *_: object) -> None:
        """Stops, and waits for what is under way."""
        self._stop.set()
        self._thread.join(10)
        self.feed.send(())


class Published(NamedTuple):
    """All that came out, by the record it came from."""

    verdicts: Mapping[Place, Sequence[Verdict]]
    rulings: Mapping[Place, Sequence[Ruling]]
    letters: Mapping[Place, Sequence[tuple[DeadLetter, Record]]]
    headers: Mapping[Place, Sequence[Headers]]
    """Of the verdicts."""

    @property
    def repeated(self) -> set[Place]:
        """The records of which something came out more than once."""
        verdicts = {at for at, found in self.verdicts.items() if len(found) > len({v.slot for v in found})}
        return verdicts | {at for at, found in self.rulings.items() if len(found) > 1}


def read_published(flow: Flow) -> Published:
    """Reads the output topics from end to end."""
    verdicts, rulings = defaultdict[Place, list[Verdict]](list), defaultdict[Place, list[Ruling]](list)
    letters, headers = (
        defaultdict[Place, list[tuple[DeadLetter, Record]]](list),
        defaultdict[Place, list[Headers]](list),
    )
    for read in _read(flow, flow.verdicts):
        verdict = decode_verdict(read.value() or b"")
        verdicts[_place(verdict)].append(verdict)
        headers[_place(verdict)].append(_headers(read))
    for read in _read(flow, flow.rulings):
        ruling = decode_ruling(read.value() or b"")
        rulings[_place(ruling)].append(ruling)
    for read in _read(flow, flow.dead_letters):
        letter, record = decode_dead_letter(read.key(), read.value(), _headers(read))
        letters[Place(record.partition, record.offset)].append((letter, record))
    return Published(verdicts, rulings, letters, headers)


@retry(retry=retry_if_exception_type(KafkaException), stop=stop_after_delay(10), wait=wait_fixed(0.2), reraise=True)
def _ends(flow: Flow, topic: str) -> dict[int, int]:
    """A client that knows no leader of a partition just then says so at once."""
    return ends(flow.kafka, topic)


def _read(flow: Flow, topic: str) -> list[Message]:
    stands = _ends(flow, topic)
    found = flow.kafka.read(topic, sum(stands.values()), len(stands))
    assert len(found) == sum(stands.values())
    return found


def check(sent: Mapping[Place, Plan], published: Published) -> Counter[str]:
    """Raises AssertionError where a record did not end as planned. Returns how many ended how."""
    fates = {fate: {at for at, plan in sent.items() if plan.fate is fate} for fate in Fate}
    assert published.verdicts.keys() == fates[Fate.JUDGED] | fates[Fate.ABSTAINED]
    assert published.rulings.keys() == published.verdicts.keys() | fates[Fate.DEAD_LETTERED]
    assert published.letters.keys() <= published.rulings.keys()
    for at, plan in sent.items():
        _CHECKS[plan.fate](at, plan, published)
    _check_fold(published)
    return Counter(plan.fate for plan in sent.values())


def check_committed(sent: Mapping[Place, Plan], published: Published, committed: Mapping[int, int]) -> None:
    """No commit passes a record that is not settled."""
    passed = {at for at in sent if at.offset < committed.get(at.partition, 0)}
    assert {at for at in passed if sent[at].fate is not Fate.IGNORED} <= published.rulings.keys()


def check_repeats(published: Published, committed: Mapping[int, int]) -> None:
    """What repeats comes from a record that was read again, and says the same."""
    for at in published.repeated:
        assert at.offset >= committed.get(at.partition, 0), at
        assert len({v.id for v in published.verdicts.get(at, ())}) <= 1
        assert len({r.id for r in published.rulings[at]}) == 1


def _check_judged(at: Place, plan: Plan, published: Published) -> None:
    assert at not in published.letters
    assert all(v.rank is Rank.FINAL and v.abstention is None for v in published.verdicts[at])
    assert len({v.slot for v in published.verdicts[at]}) == 1
    assert all(r.complete and r.reason is None for r in published.rulings[at])


def _check_abstained(at: Place, plan: Plan, published: Published) -> None:
    reasons = {v.abstention.reason for v in published.verdicts[at] if v.abstention is not None}
    assert reasons == {plan.reason}
    assert all(v.decision is Decision.REVIEW and v.rank is Rank.ABSTENTION for v in published.verdicts[at])
    assert all(not r.complete and r.decision is Decision.REVIEW for r in published.rulings[at])
    mendable = reasons <= MENDABLE
    assert mendable == (at in published.letters)
    if mendable:
        _check_letter(plan, published.letters[at], Scope.CASE)


def _check_dead_lettered(at: Place, plan: Plan, published: Published) -> None:
    assert at not in published.verdicts
    assert all(r.reason == plan.reason and not r.complete for r in published.rulings[at])
    assert all(r.decision is Decision.REVIEW for r in published.rulings[at])
    _check_letter(plan, published.letters[at], Scope.RECORD)


def _check_letter(plan: Plan, letters: Sequence[tuple[DeadLetter, Record]], scope: Scope) -> None:
    """The record is kept verbatim."""
    for letter, record in letters:
        assert (letter.scope, letter.reason) == (scope, plan.reason)
        assert (record.value, record.key, record.headers) == (plan.value, plan.key, plan.headers)


def _check_ignored(at: Place, plan: Plan, published: Published) -> None:
    assert at not in published.rulings


_CHECKS: Mapping[Fate, Callable[[Place, Plan, Published], None]] = {
    Fate.JUDGED: _check_judged,
    Fate.ABSTAINED: _check_abstained,
    Fate.DEAD_LETTERED: _check_dead_lettered,
    Fate.IGNORED: _check_ignored,
}


def _check_fold(published: Published) -> None:
    """One subject, one ruling an event; rulings alone say the same; no failure ever allows."""
    verdicts = [v for found in published.verdicts.values() for v in found]
    rulings = [r for found in published.rulings.values() for r in found]
    folded = fold_each([*verdicts, *rulings])
    assert len(folded) == len(published.rulings)
    assert fold_each(rulings) == folded
    for ruling in rulings:
        result = folded[ruling.namespace, ruling.lane, ruling.subject]  # type: ignore[index]  # a FoldKey is a tuple
        assert result.ruled
        assert not result.ties
        assert (result.decision, result.lead, result.complete) == (ruling.decision, ruling.lead, ruling.complete)
        assert ruling.complete or ruling.decision is not Decision.ALLOW


def _place(of: Verdict | Ruling) -> Place:
    (source,) = of.sources
    return Place(source.partition, source.offset)


def _headers(read: Message) -> Headers:
    return cast("Headers", tuple(read.headers() or ()))
