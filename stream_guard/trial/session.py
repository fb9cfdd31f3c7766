"""A trial from its beginning to its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from threading import Thread
from typing import Any, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.app import assembled
from stream_guard.attaching import Cluster, kafka_settings
from stream_guard.config import Settings
from stream_guard.config.engine import ScriptedSettings
from stream_guard.config.settings import DeadLetterSettings
from stream_guard.documents import open_documents
from stream_guard.engines.port import Engine
from stream_guard.errors import RegistryUnavailable, StartRefused
from stream_guard.judges import Choice, choose, warmed
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.tail import Tail, read_tail
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Record
from stream_guard.routing import Routes
from stream_guard.telemetry.null import NullTelemetry
from stream_guard.trial.ends import KeepingSink, SampleSource
from stream_guard.trial.news import Finished, Heard, Judging, News, Sampled, Stage
from stream_guard.trial.terms import Terms, policies_of, terms_of
from stream_guard.trial.transcript import OverheardDocket, Transcript

T = TypeVar("T")
Tell = Callable[[News], None]

_ANY = DeadLetterSettings(max_consecutive=None, max_ratio=None)
"""A trial shows what would be dead-lettered, however much that is."""


class Plan(Struct, frozen=True):
    """What to try. `policies` are files, folders or ids, instead of those of the routes where there are any."""

    settings: Settings
    topic: str
    last: int
    policies: tuple[str, ...] = ()
    scripted: bool = False
    rationale: bool = False
    reveal: bool = False
    limit_s: float = 1800.0


async def run(plan: Plan, tell: Tell) -> None:
    """Runs a trial. Nothing is published, and no offset committed.

    In order: 1. policies, routes and the model's tokenizer; 2. the sample; 3. the engine, loaded and warm; 4. all records
    through the pipeline. Raises ConfigError, StartRefused where the topic can't be read or `limit_s` is over, ModelError.
    """
    waiting, limit = _Waiting(tell), asyncio.timeout(plan.limit_s)
    try:
        async with limit:
            await _run(plan, waiting)
    except TimeoutError:
        if not limit.expired():
            raise
        raise StartRefused(f"not done within {plan.limit_s:g} s: {waiting.what}") from None


class _Waiting:
    """Passes news on, and knows what is waited for."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.what = "starting"

    def __call__(self, news: News) -> None:
        if isinstance(news, Stage):
            self.what = news.what
        elif isinstance(news, Judging):
            self.what = "judging"
        self._tell(news)


async def _run(plan: Plan, tell: Tell) -> None:
    began = time.monotonic()
    tell(Stage("reading the policies"))
    settings, policies = policies_of(_engine_of(plan), plan.policies)
    choice = choose(settings)
    terms = terms_of(settings, policies, choice.renderer, plan.topic, rationale=plan.rationale)
    kafka = kafka_settings(settings)
    tell(Stage(f"reading the last records of {plan.topic}"))
    cluster, tail = await _read(kafka, plan, plan.last + terms.routes.reread(plan.topic))
    earlier, sample = tail.records[: -plan.last], tail.records[-plan.last :]
    records = await _apart(lambda: _decoded(settings, terms.routes, [*map(_as_past, earlier), *sample]))
    tell(_sampled(tail, sample, plan.last))
    if not sample:
        raise StartRefused(f"topic {plan.topic!r} holds no records: there is nothing to try yet")
    tell(Stage("loading the model" if settings.engine.kind == "vllm" else "opening the engine"))
    async with warmed(choice, terms.routes.templates, _telling(tell)) as engine:
        names = tuple(sorted({policy.id for template in terms.routes.templates for policy in template.policies}))
        identity = engine.identity
        tell(Judging(identity.name, identity.model, names, time.monotonic() - began, terms.notes))
        await _judge(plan, settings, terms, cluster, choice, engine, records, tell)
        tell(Finished())


def _engine_of(plan: Plan) -> Settings:
    if not plan.scripted or isinstance(plan.settings.engine, ScriptedSettings):
        return plan.settings
    return plan.settings.model_copy(update={"engine": ScriptedSettings(kind="scripted")})


async def _read(kafka: KafkaSettings, plan: Plan, last: int) -> tuple[str, Tail]:
    """The cluster's id, and the records, each under the id of its topic."""
    over = False

    def read() -> tuple[str, Tail]:
        tail = read_tail(kafka, plan.topic, last, stop=lambda: over)
        admin = Admin(kafka)
        topic_id = admin.topic_ids([plan.topic]).get(plan.topic)
        records = tuple(replace(r, lease=r.lease._replace(topic_id=topic_id)) for r in tail.records)
        return admin.cluster_id(), replace(tail, records=records)

    try:
        return await _apart(read)
    finally:
        over = True


def _decoded(settings: Settings, routes: Routes, records: Sequence[Record]) -> Sequence[Record]:
    """The records with their documents, where a route reads another format than JSON. Blocks."""
    documents = open_documents(settings, routes)
    if documents is None:
        return records
    with closing(documents):
        try:
            return documents.of(records)
        except RegistryUnavailable as error:
            raise StartRefused(f"the schema registry {error}") from error


async def _apart(ask: Callable[[], T]) -> T:
    """On a thread that nobody waits for in the end: a broker that does not answer is asked for seconds."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(cast("T", result))

    def work() -> None:
        result, error = None, None
        try:
            result = ask()
        except Exception as raised:  # noqa: BLE001 - raised again by whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=work, name="sample", daemon=True).start()
    return await answer


def _as_past(record: Record) -> Record:
    """One that comes before the sample: context for it, where a route has one, and no more."""
    return replace(record, past=True)


def _sampled(tail: Tail, sample: Sequence[Record], asked: int) -> Sampled:
    stamps = [record.timestamp_ms for record in sample if record.timestamp_ms is not None]
    return Sampled(
        topic=tail.topic,
        asked=asked,
        records=len(sample),
        partitions=len(tail.partitions),
        last_offset=max((record.offset for record in sample), default=0),
        unread=tuple((p.partition, p.unread) for p in tail.partitions if p.unread),
        full=tail.full and len(sample) < asked,
        oldest_ms=min(stamps, default=None),
        newest_ms=max(stamps, default=None),
        read_at_ms=tail.read_at_ms,
    )


def _telling(tell: Tell) -> Callable[..., None]:
    """What is logged while an engine is opened, as stages."""

    def log(event: str, **fields: Any) -> None:
        if event == "engine.waiting":
            tell(Stage(f"waiting for the engine ({fields.get('reason')})"))
        elif event == "engine.warming":
            tell(Stage("warming the engine up"))

    return log


class _Watched(NullTelemetry):
    """Tells when the engine goes away and comes back."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def engine_up(self, up: bool, reason: str = "") -> None:
        """See the port."""
        self._tell(Stage("judging" if up else f"waiting for the engine ({reason})"))


async def _judge(
    plan: Plan,
    settings: Settings,
    terms: Terms,
    cluster_id: str,
    choice: Choice,
    engine: Engine,
    records: Sequence[Record],
    tell: Tell,
) -> None:
    """The records through the pipeline, until each has been told of."""
    began, done = time.monotonic(), asyncio.Event()
    wanted = sum(not record.past for record in records)

    def hear(heard: Heard) -> None:
        tell(heard)
        if transcript.heard == wanted:
            done.set()

    transcript = Transcript(hear, lambda: time.monotonic() - began, reveal=plan.reveal)
    docket = OverheardDocket(terms.routes, cluster=cluster_id)
    docket.transcript = transcript
    cluster = Cluster(cluster_id, max(record.size for record in records))
    ends = SampleSource(records), KeepingSink(transcript)
    unguarded = settings.model_copy(update={"dead_letters": _ANY})
    pipeline = assembled(unguarded, terms.routes, docket, cluster, choice, engine, _Watched(tell), *ends)
    running, waiting = asyncio.create_task(pipeline.run()), asyncio.create_task(done.wait())
    try:
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        pipeline.stop()
        await running
    finally:
        running.cancel()
        waiting.cancel()
        await asyncio.wait([running, waiting])
