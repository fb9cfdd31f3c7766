"""The baseline: the loop that a good engineer writes by hand for one route and one policy, and nothing else.

    python -m loadtest.handwritten JOB

`consume(500)`, msgspec's typed decoder, the same ids, structs, bytes and headers as the service, `produce` with delivery
callbacks, offsets stored in order once a batch is acknowledged. The clients are configured like the service's. What it
has not: retries, dead letters, a ledger across rebalances, screening, bounds, telemetry, a prompt or an engine: what
the scripted engine would answer stands in the code.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias, cast

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from loadtest.job import NAMESPACE, POLICY, ROUTE, Cost, Job, Reading
from stream_guard.engines.scripted import SCRIPTED
from stream_guard.events.model import Chat, Completion, View
from stream_guard.events.model import Message as MessageEvent
from stream_guard.identity import RulingId, Slot, Subject, VerdictId, netstrings
from stream_guard.kafka.cluster.admin import cluster_facts
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.policy.load import load_policy
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.verdicts.model import (
    CoverageNote,
    Entry,
    ModelRef,
    PolicyRef,
    Position,
    Rank,
    Ruling,
    Stage,
    Timings,
    Tokens,
    Verdict,
)  # fmt: skip

_BATCH = 500
_WAIT_S = 0.05
_UNDER_WAY = 20_000
"""Outputs not yet acknowledged, at most: well below what the client's queue takes."""
_STAGE = Stage("model", "1")
_COVERAGE = CoverageNote(1, (), 0, complete=True)
_MODEL = ModelRef(SCRIPTED.model, SCRIPTED.manifest, SCRIPTED.name, SCRIPTED.version)
_decode = msgspec.json.Decoder(MessageEvent | Chat | Completion).decode
_encode = msgspec.json.Encoder().encode

_Headers = list[tuple[str, bytes | None]]
_Sent: TypeAlias = "list[tuple[str, str | bytes | None]]"
_Outputs = tuple[bytes, bytes, _Headers, bytes, _Headers]


def _hash(raw: bytes) -> str:
    return sha256(raw).hexdigest()[:32]


class Judge:
    """A record in, the verdict and the ruling out, as bytes. All that never changes is worked out beforehand."""

    def __init__(self, job: Job, settings: KafkaSettings) -> None:
        facts = cluster_facts(settings, [job.topic])
        policy = load_policy(Path(__file__).parent.parent / "policies" / f"{POLICY}.md")
        template = PlainRenderer().template(policy, View.MESSAGE)
        self._cluster, self._topic, self._topic_id = facts.cluster_id, job.topic, facts.topic_ids[job.topic]
        self._policy = PolicyRef(policy.id, policy.version, policy.revision)
        self._allowed, self._prompt = policy.permitted, template.prompt_version
        self._prompt_tokens = len(template.prefix) + len(template.suffix)
        self._of_partition = [netstrings("record", facts.cluster_id, self._topic_id or job.topic, p) for p in range(64)]
        self._of_message, self._of_lane, self._of_policy = (
            netstrings("message"),
            netstrings(NAMESPACE, "live"),
            netstrings(policy.id),
        )
        self._of_prompt = netstrings(policy.version, template.prompt_version, Rank.FINAL, _STAGE.name, 0, 0)
        self._of_ruling, self._of_end = netstrings("ruling", NAMESPACE, "live"), netstrings("true", "")
        self._verdict_headers, self._ruling_headers = _constant("verdict"), _constant("ruling")

    def judge(self, message: Message, now_ms: int, now: bytes) -> _Outputs:
        """The key; value and headers of the verdict; value and headers of the ruling."""
        event = cast("MessageEvent", _decode(message.value() or b""))
        partition, offset = message.partition() or 0, message.offset() or 0
        position = Position(self._cluster, self._topic, self._topic_id, partition, offset, message.timestamp()[1])
        at = b"%d" % offset
        subject = Subject(_hash(b"%b%d:%b,%b" % (self._of_partition[partition], len(at), at, self._of_message)))
        of_subject = b"32:%b," % subject.encode()
        slot = Slot(_hash(self._of_lane + of_subject + self._of_policy))
        verdict_id = VerdictId(_hash(b"32:%b,%b" % (slot.encode(), self._of_prompt)))
        verdict = self._verdict(event, subject, slot, verdict_id, position, now_ms)
        ruling = self._ruling(event, verdict, of_subject, now_ms)
        trace: _Headers = [
            pair for pair in cast("_Headers", message.headers() or []) if pair[0] in ("traceparent", "tracestate")
        ]
        key = message.key()
        return (
            subject.encode() if key is None else key,
            _encode(verdict),
            [*self._verdict_headers, *_own(verdict.id, subject, now), *trace],
            _encode(ruling),
            [*self._ruling_headers, *_own(ruling.id, subject, now), *trace],
        )

    def _verdict(
        self, event: MessageEvent, subject: Subject, slot: Slot, verdict_id: VerdictId, position: Position, now_ms: int
    ) -> Verdict:
        content = event.content
        if not isinstance(content, str) or not content or content.isspace():
            raise ValueError("a message without a plain text")
        return Verdict(
            id=verdict_id, slot=slot, subject=subject, namespace=NAMESPACE, lane="live", kind="message", view="message",
            event_id=event.id, route=ROUTE, sources=(position,), policy=self._policy, prompt_version=self._prompt,
            rank=Rank.FINAL, stage=_STAGE, through=0, sequence=0, decision=self._allowed.decision,
            category=self._allowed.id, rule_ids=(), confidence=None, abstention=None, awaits=None, final_by_ms=None,
            derived_from=(), signals=(), coverage=_COVERAGE, content_hash=None, model=_MODEL, attempt=1,
            tokens=Tokens(self._prompt_tokens + len(content.encode()), 0, 1),
            timings=Timings(now_ms, now_ms, 0.0, 0.0), severity=self._allowed.severity,
        )  # fmt: skip

    def _ruling(self, event: MessageEvent, verdict: Verdict, of_subject: bytes, now_ms: int) -> Ruling:
        policy = self._policy
        entry = Entry(
            slot=verdict.slot, policy_id=policy.id, policy_version=policy.version, revision=policy.revision,
            verdict_id=verdict.id, decision=verdict.decision, rank=verdict.rank, through=0, sequence=0,
            severity=verdict.severity,
        )  # fmt: skip
        named = b"%b%b32:%b,%b" % (self._of_ruling, of_subject, verdict.id.encode(), self._of_end)
        return Ruling(
            id=RulingId(_hash(named)), subject=verdict.subject, namespace=NAMESPACE, lane="live", kind="message",
            event_id=event.id, route=ROUTE, sources=verdict.sources, decision=verdict.decision, complete=True,
            missing=(), reason=None, entries=(entry,), ruled_at_ms=now_ms, lead=policy.id,
        )  # fmt: skip


def _constant(kind: str) -> _Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", f"stream-guard.{kind}.v1".encode()),
        ("ce_source", f"/stream-guard/{NAMESPACE}/{ROUTE}".encode()),
        ("content-type", b"application/json"),
    ]


def _own(event_id: str, subject: str, now: bytes) -> _Headers:
    return [("ce_id", event_id.encode()), ("ce_subject", subject.encode()), ("ce_time", now)]


class _Batch:
    """The records of one `consume`: what is still to be acknowledged, and the offsets to store then."""

    def __init__(self, messages: list[Message]) -> None:
        self.unacknowledged = 2 * len(messages)
        self.offsets = list(
            {
                m.partition(): TopicPartition(m.topic() or "", m.partition() or 0, (m.offset() or 0) + 1)
                for m in messages
            }.values()
        )

    def acknowledged(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            raise RuntimeError(f"not written: {error}")
        self.unacknowledged -= 1


class Loop:
    """Consumer and producer, configured like the service's."""

    def __init__(self, job: Job) -> None:
        self._job = job
        settings = KafkaSettings(bootstrap=job.bootstrap, group=job.group)
        self._judge = Judge(job, settings)
        own = {"auto.offset.reset": "earliest", "enable.partition.eof": False}
        self._consumer = Consumer({**settings.consumer_config(), **own})
        self._producer = Producer(dict(settings.producer_config()))
        self._batches: deque[_Batch] = deque()

    def run(self) -> Cost:
        """Works the topic off."""
        self._consumer.subscribe([self._job.topic])
        start, read = Reading.now(), 0
        while read < self._job.records or self._batches:
            messages = self._consumer.consume(_BATCH, _WAIT_S)
            if not read and not messages:
                start = Reading.now()
                continue
            self._publish(messages)
            read += len(messages)
            self._store()
        cost = Cost.since(start, read)
        self._consumer.close()
        return cost

    def _publish(self, messages: list[Message]) -> None:
        if not messages:
            return
        batch = _Batch(messages)
        self._batches.append(batch)
        at = time.time()
        now_ms = int(at * 1000)
        now = time.strftime(f"%Y-%m-%dT%H:%M:%S.{now_ms % 1000:03d}Z", time.gmtime(at)).encode()
        produce, acknowledged = self._producer.produce, batch.acknowledged
        for message in messages:
            if (error := message.error()) is not None:
                raise RuntimeError(f"not read: {error}")
            key, verdict, verdict_headers, ruling, ruling_headers = self._judge.judge(message, now_ms, now)
            produce(self._job.verdicts, verdict, key, on_delivery=acknowledged, headers=cast("_Sent", verdict_headers))
            produce(self._job.rulings, ruling, key, on_delivery=acknowledged, headers=cast("_Sent", ruling_headers))

    def _store(self) -> None:
        self._producer.poll(0)
        while len(self._producer) > _UNDER_WAY:
            self._producer.poll(_WAIT_S)
        while self._batches and not self._batches[0].unacknowledged:
            self._consumer.store_offsets(offsets=self._batches.popleft().offsets)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(Loop(msgspec.json.decode(sys.argv[1], type=Job)).run()))
