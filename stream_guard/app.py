"""The composition root: what the service consists of, made and ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import stream_guard
from stream_guard.alongside import alongside
from stream_guard.attaching import Cluster, attached, kafka_settings, selection
from stream_guard.carriers import reread, restorers
from stream_guard.carrying.restoring import RestoringSource
from stream_guard.config import Settings
from stream_guard.deciding import Decider
from stream_guard.delivery.brakes import BrakeBounds
from stream_guard.delivery.guard import GuardBounds
from stream_guard.delivery.pace import Pace
from stream_guard.delivery.ports import Sink, Source
from stream_guard.delivery.window import Bounds, Window
from stream_guard.docket import Docket
from stream_guard.documents import largest_document, open_documents
from stream_guard.editions.edition import Edition, compose, dead_letters
from stream_guard.editions.following import InForce, followed
from stream_guard.editions.loading import ConfigFile, Loader
from stream_guard.engines.port import Engine
from stream_guard.escalation.policies import CarriedPolicies
from stream_guard.escalation.rooms import escalation_room
from stream_guard.health import Status, patience_s
from stream_guard.judges import Choice, choose, tell_falls, warmed
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.kafka.cluster.letters import letters_watched
from stream_guard.kafka.consumer.decoding import DecodingSource
from stream_guard.kafka.consumer.journal import Journal, journaled
from stream_guard.kafka.consumer.source import KafkaSource
from stream_guard.kafka.credentials import watching
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.kafka.sink import KafkaSink
from stream_guard.pipeline import Pipeline
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.publishing import Provenance, Publisher
from stream_guard.routing import Routes
from stream_guard.telemetry.exporters import open_telemetry
from stream_guard.telemetry.http import ObservabilityServer
from stream_guard.telemetry.last_words import tell_last_words
from stream_guard.telemetry.logs import configure_logging, logger
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.port import Telemetry
from stream_guard.telemetry.prometheus import registry
from stream_guard.verdicts.model import Lane
from stream_guard.warming import Warming, trial_ask

if TYPE_CHECKING:
    from stream_guard.kafka.consumer.documents import Documents

_LANE: Final[Lane] = "live"
_ALLOCATIONS = 50_000
"""Objects made and not yet freed when the collector looks at the young ones: what a full window holds."""

_log = logger("stream_guard.app")


def run(settings: Settings, *, attach: bool, file: ConfigFile) -> None:
    """Runs the service until SIGTERM or SIGINT, then drains; a second signal does not wait for the drain.

    What changes in `file` and in the policies that it names is taken over meanwhile. Raises StreamGuardError where the service can't start or go on.
    """
    configure_logging(settings.telemetry.log_level)
    tell_last_words()
    with contextlib.suppress(asyncio.CancelledError):  # asked to end before it had begun, or twice
        asyncio.run(_until_signalled(settings, attach=attach, file=file))


def attach_alone(settings: Settings) -> None:
    """Commits where the group begins, also where that is latest, and is done: no model is loaded, no group joined.

    Raises StreamGuardError where `run --attach` would, before it loads the model.
    """
    configure_logging(settings.telemetry.log_level)
    routes = compose(settings, load_policies(settings.policies), PlainRenderer()).routes
    attached(settings, kafka_settings(settings), routes, attach=True)


async def _until_signalled(settings: Settings, *, attach: bool, file: ConfigFile) -> None:
    status, task, loop = Status(), asyncio.current_task(), asyncio.get_running_loop()

    def on_signal() -> None:
        _log.info("service.signalled", starting=not status.started, again=status.stop.is_set())
        if task is not None and (status.stop.is_set() or not status.started):
            task.cancel()
        status.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await serve(settings, status, attach=attach, file=file)


async def serve(settings: Settings, status: Status, *, attach: bool, file: ConfigFile | None = None) -> None:
    """The service, until `status.stop` is set. Without a file that the settings came from, nothing changes meanwhile.

    In order, so that what is wrong is found before the model is loaded, and the group is joined only once it is:
    1. policies, routes, descriptors and the model's tokenizer; 2. telemetry and the HTTP port; 3. the cluster: output topics, the
    first attach; 4. the engine, loaded and warm; 5. the sink, then the source: records flow; 6. what changed in the files
    meanwhile, and whenever it does; 7. on stop: drain, leave the group, flush, end the engine.
    """
    choice = choose(settings)
    edition = compose(settings, load_policies(settings.policies), choice.renderer)
    routes = edition.routes
    kafka, documents = kafka_settings(settings), open_documents(settings, routes)
    async with AsyncExitStack() as stack:
        if documents is not None:
            stack.callback(documents.close)
        await stack.enter_async_context(watching(kafka.credentials, _log.info))
        telemetry = await stack.enter_async_context(
            open_telemetry(group=settings.kafka.group, provider=settings.engine.kind)
        )
        await _serve_http(stack, settings, telemetry.metrics, status)
        status.waits_for("the cluster")
        cluster = await asyncio.to_thread(attached, settings, kafka, routes, attach)
        engine = await stack.enter_async_context(warmed(choice, routes.templates, _log.info, status.waits_for))
        telemetry.service(stream_guard.__version__, engine.identity.model, engine.identity.name)
        status.needs(tell_falls(engine, telemetry))
        journal = stack.enter_context(journaled(settings.state_dir, cluster.id, settings.kafka.group, _log.warning))
        status.waits_for("the consumer group")
        pipeline = await stack.enter_async_context(
            joined(settings, kafka, routes, cluster, choice, engine, telemetry, status, documents, journal)
        )
        warming = Warming(engine, choice.renderer, _log.info)
        stack.callback(warming.end)
        in_force = _in_force(edition, pipeline, choice, warming, telemetry)
        status.in_force(lambda: in_force.edition.id, in_force.note, warming.note)
        await stack.enter_async_context(letters_watched(kafka, lambda: dead_letters(in_force.edition), telemetry))
        status.runs(pipeline, patience_s(settings.judging.timeout, kafka.delivery_s, kafka.drain_s))
        _log.info("service.started", model=engine.identity.model, engine=engine.identity.name)
        spare_collector()
        if file is not None:
            loader = Loader(file, edition, choice.renderer, engine.identity.max_model_len)
            await stack.enter_async_context(followed(loader, in_force))
        await _run(pipeline, status.stop)
        _log.info("service.stopped")


async def _serve_http(stack: AsyncExitStack, settings: Settings, metrics: Metrics, status: Status) -> None:
    host, port = settings.telemetry.http_host, settings.telemetry.http_port
    if port is None:
        return
    served = registry(metrics)
    server = ObservabilityServer(
        host, port, served, status.live, status.ready, status.note, status.facts, status.starting
    )
    await stack.enter_async_context(server)
    _log.info("http.listening", host=host, port=server.port)


@asynccontextmanager
async def joined(
    settings: Settings,
    kafka: KafkaSettings,
    routes: Routes,
    cluster: Cluster,
    choice: Choice,
    engine: Engine,
    telemetry: Telemetry,
    status: Status,
    documents: Documents | None = None,
    journal: Journal | None = None,
) -> AsyncIterator[Pipeline]:
    """A pipeline whose member has joined the group, its values decoded by `documents`. Leaving closes the source first: it commits what the sink delivered."""
    sink = KafkaSink(kafka, log=_log.warning, close_s=settings.drain)
    try:
        chosen = selection(settings)
        member = await KafkaSource.open(
            kafka, chosen, log=_log.warning, reread=reread(routes, chosen), journal=journal,
            largest_record=cluster.largest_record, suspects=telemetry.suspects,
        )  # fmt: skip
        status.polls(lambda: member.last_poll, kafka.drain_s, lambda: member.joined)
        restore = restorers(chosen)
        source = _with_documents(RestoringSource(member, restore) if restore else member, documents, telemetry, status)
        try:
            policies = (policy for template in routes.templates for policy in template.policies)
            carried = CarriedPolicies(choice.renderer, policies, namespace=settings.namespace, lane=_LANE)
            docket = Docket(routes, cluster=cluster.id, policies=carried)
            yield assembled(settings, routes, docket, cluster, choice, engine, telemetry, source, sink)
        finally:
            await asyncio.shield(source.close())
    finally:
        await asyncio.shield(sink.close())


def _with_documents(member: Source, documents: Documents | None, telemetry: Telemetry, status: Status) -> Source:
    """The source with its values decoded, where a route needs that."""
    if documents is None:
        return member

    def changed(reason: str | None) -> None:
        telemetry.registry_up(reason is None, reason or "")

    def unready() -> str | None:
        reason = source.unavailable
        return None if reason is None else f"the schema registry is unavailable: {reason}"

    source = DecodingSource(member, documents, changed=changed)
    telemetry.registry_up(up=True)
    status.depends(unready)
    return source


def assembled(
    settings: Settings,
    routes: Routes,
    docket: Docket,
    cluster: Cluster,
    choice: Choice,
    engine: Engine,
    telemetry: Telemetry,
    source: Source,
    sink: Sink,
) -> Pipeline:
    """The pipeline as configured, between a source and a sink."""
    window, judging, key = settings.window, settings.judging, settings.content_hash_key
    carried = escalation_room(0) if settings.escalation else 0
    largest = max(cluster.largest_record, carried + max(route.limits.record_bytes for route in routes.all))
    return Pipeline(
        source=source,
        sink=sink,
        engine=engine,
        docket=docket,
        bench=Bench(
            choice.renderer,
            Retry(RetryPolicy(attempts=judging.attempts), random.Random()),  # noqa: S311 - jitter, not a secret
            BenchBounds(window.asks, window.tokens, judging.timeout, engine.identity.max_model_len),
        ),
        decider=Decider(
            namespace=settings.namespace,
            lane=_LANE,
            engine=engine.identity,
            content_hash_key=key.get_secret_value().encode() if key else None,
        ),
        publisher=Publisher(
            Provenance(
                namespace=settings.namespace,
                lane=_LANE,
                cluster=cluster.id,
                group=settings.kafka.group,
                app_version=stream_guard.__version__,
                model=engine.identity.model,
            )
        ),
        window=Window(Bounds(window.records, window.bytes, largest + largest_document(routes))),
        telemetry=telemetry,
        wall=time.time,
        pace=Pace(drain_s=settings.drain),
        trial=trial_ask(choice.renderer, routes.templates),
        brakes=BrakeBounds(lead=window.lead),
        guard=guard_bounds(settings),
    )


def _in_force(begun: Edition, pipeline: Pipeline, choice: Choice, warming: Warming, telemetry: Telemetry) -> InForce:
    """The edition of the start; another one takes its place in the pipeline at once, and is warmed up behind."""

    def enact(edition: Edition) -> None:
        templates = edition.routes.templates
        pipeline.enact(edition.routes, trial_ask(choice.renderer, templates))
        warming.begin(templates)

    return InForce(begun, telemetry, enact)


def guard_bounds(settings: Settings) -> GuardBounds:
    """How many dead letters are too many."""
    chosen = settings.dead_letters
    return GuardBounds(chosen.max_consecutive, chosen.max_ratio, chosen.over)


def spare_collector() -> None:
    """Keeps the garbage collector from what it can't free: a sixth of the CPU that a record costs.

    What start-up made stays for good, and a settled record leaves no ring of references behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 20)


async def _run(pipeline: Pipeline, stop: asyncio.Event) -> None:
    async def stop_when_asked() -> None:
        await stop.wait()
        pipeline.stop()

    async with alongside(stop_when_asked()):
        await pipeline.run()
