"""The checks that ask: the cluster, the schema registry and the engine that a configuration names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from stream_guard.attaching import kafka_settings, selection
from stream_guard.checkup.backlog import judge_backlog
from stream_guard.checkup.broker import judge_cluster, judge_permissions
from stream_guard.checkup.carrying import judge_carrying
from stream_guard.checkup.engine import check_engine
from stream_guard.checkup.finding import Report, Section, error, section
from stream_guard.checkup.question import Plan, Question, readers
from stream_guard.checkup.registry import check_registry
from stream_guard.checkup.takeover import judge_takeover
from stream_guard.checkup.topics import judge_topics
from stream_guard.config import Settings
from stream_guard.config.reading import ReadSettings
from stream_guard.errors import StartRefused
from stream_guard.events.reader import Format
from stream_guard.kafka.cluster.inspection import Inspection, inspect
from stream_guard.policy.document import Policy

_MEND = "fix kafka.bootstrap_servers, or how kafka.client proves who it is; nothing more was asked of the cluster"


async def check_live(settings: Settings, policies: Mapping[str, Policy], plan: Plan, now: float) -> Report:
    """Asks everything that `run` will need, changing nothing. `now` is Unix time. Never raises for what does not answer."""
    kafka, engine = await asyncio.gather(
        asyncio.to_thread(_kafka, settings, plan, now), check_engine(settings, policies)
    )
    return Report((*kafka, section("engine", engine)))


def _kafka(settings: Settings, plan: Plan, now: float) -> list[Section]:
    """The cluster, then the registry of the topics that it has."""
    try:
        question = Question(settings, kafka_settings(settings), plan)
        said = inspect(question.kafka, selection(settings), question.outputs, settings.kafka.start)
    except StartRefused as refused:
        topics = sorted({route.topic for route in settings.routes if route.topic is not None and route.subscribe})
        return [section("cluster", [error(str(refused), _MEND)]), *_registry(settings, topics)]
    return [*judged(question, said, now), *_registry(settings, said.inputs)]


def _registry(settings: Settings, inputs: Sequence[str]) -> Iterator[Section]:
    if settings.schema_registry is not None:
        asked = [topic for topic in inputs if any(_needs_registry(route.read) for route in readers(settings, topic))]
        yield section("schema registry", check_registry(settings.schema_registry, asked))


def _needs_registry(read: ReadSettings) -> bool:
    return read.format not in (Format.JSON, Format.TEXT) and read.descriptors is None


def judged(question: Question, said: Inspection, now: float) -> list[Section]:
    """What is to be said of a cluster that answered, subject by subject; nothing of one where there is nothing. Pure."""
    sections = (
        section("cluster", judge_cluster(question, said)),
        section("permissions", judge_permissions(question, said)),
        section("topics", [*judge_topics(question, said), *judge_carrying(question, said)]),
        section("backlog", judge_backlog(question, said, now)),
        section("take-over", judge_takeover(question, said)),
    )
    return [each for each in sections if each.findings]
