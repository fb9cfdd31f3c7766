"""What no single setting can know: settings that contradict each other or the delivery promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from pydantic import SecretStr

from stream_guard.config.engine import TAKES_IDS, OpenAISettings, VllmSettings
from stream_guard.config.judge import Judge
from stream_guard.config.kafka import KafkaSettings, Option
from stream_guard.config.route import RouteSettings
from stream_guard.config.security import insecurities
from stream_guard.config.settings import Settings
from stream_guard.events.reader import Format
from stream_guard.marked_yaml import Loc

Check: TypeAlias = tuple[Loc, str]
"""Which setting is wrong, and why."""

_OWN = "is set by stream_guard: use {}"
_REFUSED: Mapping[str, str] = {
    "bootstrap.servers": _OWN.format("kafka.bootstrap_servers"),
    "metadata.broker.list": _OWN.format("kafka.bootstrap_servers"),
    "group.id": _OWN.format("kafka.group"),
    "group.protocol": _OWN.format("kafka.group_protocol"),
    "group.instance.id": _OWN.format("kafka.instance_id"),
    "auto.offset.reset": "an out-of-range position must halt its partition, never skip records: use kafka.start",
    "auto.commit.enable": "offsets are committed by librdkafka's own timer, and only those of settled records",
    "enable.auto.commit": "offsets are committed by librdkafka's own timer, and only those of settled records",
    "enable.auto.offset.store": "an offset may be stored only once its record is settled",
    "enable.partition.eof": "the source counts on end-of-partition events: what it has read to the end of is no backlog",
    "topic.blacklist": "the routes choose the topics",
    "offset.store.method": "offsets are kept by the group's coordinator",
    "acks": "an output counts only when all in-sync replicas have it",
    "request.required.acks": "an output counts only when all in-sync replicas have it",
    "enable.idempotence": "without idempotence a retry can repeat or reorder outputs",
    "max.in.flight": "more than 5 would break the order of outputs",
    "max.in.flight.requests.per.connection": "more than 5 would break the order of outputs",
    "delivery.report.only.error": "a record is settled by the delivery reports of its outputs",
    "transactional.id": "outputs are not transactional: ids are deterministic, and subscribers fold",
}
_BROKER_DECIDES = (
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
    "group.protocol.type",
)
_PROBE_S = 10.0
"""How long it may take, besides the health check's own timeout, until an outage is noticed."""
_MAX_POLL_MS = 300_000
"""librdkafka's default of max.poll.interval.ms."""
_ENGINE_REFUSED: Mapping[str, str] = {
    "trust_remote_code": "would run code that comes with the model",
    "hf_overrides": "would run code that comes with the model",
    "load_format": "would load other weights than those that are checked",
    "config_format": "would read another configuration than the one that is checked",
    "tokenizer": "would not be the one that prompts are encoded with",
    "disable_log_stats": "would end vLLM's output loop where traces are exported",
}


def contradictions(settings: Settings) -> Iterator[Check]:
    """All that is wrong across settings, in the order of the file."""
    checks: tuple[Callable[[Settings], Iterator[Check]], ...] = (
        _options,
        insecurities,
        contradictions_of_judge,
        _times,
        _window,
        _names,
        _topics,
        _topics_that_carry,
        _escalation,
        _formats,
    )
    for check in checks:
        yield from check(settings)


def contradictions_of_judge(judge: Judge) -> Iterator[Check]:
    """What of this is wrong in the sections that say who judges, and how."""
    yield from _engine(judge)
    engine = judge.engine
    if isinstance(engine, VllmSettings) and engine.health_timeout + _PROBE_S >= judge.judging.timeout:
        yield (
            ("judging", "timeout"),
            f"must be more than engine.health_timeout + {_PROBE_S:g} s: a hung engine would be taken for slow cases",
        )


def _options(settings: Settings) -> Iterator[Check]:
    kafka = settings.kafka
    maps = {"client": kafka.client, "consumer": kafka.consumer, "producer": kafka.producer}
    for section, options in maps.items():
        for key, value in options.items():
            if reason := _refusal(kafka, key, value):
                yield ("kafka", section, key), f"{key}: {reason}"


def _refusal(kafka: KafkaSettings, key: str, value: Option | SecretStr) -> str | None:
    """Why an option is refused, None where it is not. librdkafka takes `topic.acks` for `acks`."""
    key = key.removeprefix("topic.")
    if key in _REFUSED:
        return _REFUSED[key]
    written = "" if isinstance(value, SecretStr) else str(value).lower()
    if key == "partitioner" and written == "random":
        return "outputs of one key must stay in one partition"
    if kafka.group_protocol == "consumer" and key in _BROKER_DECIDES:
        return "under group_protocol consumer the broker decides this"
    return None


def _engine(judge: Judge) -> Iterator[Check]:
    engine = judge.engine
    if isinstance(engine, VllmSettings):
        for key, value in engine.extra.items():
            if key in VllmSettings.model_fields:
                yield ("engine", "extra", key), f"{key} is a setting of its own: engine.{key}"
            elif key in _ENGINE_REFUSED and value:
                yield ("engine", "extra", key), f"{key} {_ENGINE_REFUSED[key]}"
    elif (
        isinstance(engine, OpenAISettings)
        and engine.api == "completions"
        and (engine.profile, engine.tokenizer) == (None, None)
    ):
        yield ("engine", "profile"), f"{TAKES_IDS}: set tokenizer, or profile: gpt-oss for that family"


def _times(settings: Settings) -> Iterator[Check]:
    kafka = settings.kafka
    longest = str(kafka.consumer.get("max.poll.interval.ms", kafka.client.get("max.poll.interval.ms", _MAX_POLL_MS)))
    if longest.isdecimal() and settings.drain * 1000 >= int(longest):  # of the environment everything is a text
        yield ("drain",), f"must be less than max.poll.interval.ms ({longest}): the group would give up this member"


def _window(settings: Settings) -> Iterator[Check]:
    for index, route in enumerate(settings.routes):
        if route.limits.record_bytes > settings.window.bytes:
            yield ("routes", index, "limits", "record_bytes"), "a record of this size would never fit window.bytes"


def _names(settings: Settings) -> Iterator[Check]:
    seen: set[str] = set()
    for index, route in enumerate(settings.routes):
        if route.name in seen:
            yield ("routes", index, "name"), f"another route is named {route.name} already"
        seen.add(route.name)


def _topics(settings: Settings) -> Iterator[Check]:
    """Our own topics are no inputs (a pattern passes them over at run time).

    Verdicts and rulings may share a topic; what quotes users and what is compacted stays apart.
    """
    own: dict[str, str] = {}
    for index, route in enumerate(settings.routes):
        for loc, output, topic in _written(route):
            other = own.setdefault(topic, output)
            if other != output and {other, output} != {"verdicts", "rulings"}:
                yield ("routes", index, *loc), f"{topic} holds {other}: {output} need a topic of their own"
    for index, route in enumerate(settings.routes):
        if route.topic in own:
            yield (
                ("routes", index, "topic"),
                f"{route.topic} is an output topic ({own[route.topic]}): it can't be an input",
            )


def _written(route: RouteSettings) -> Iterator[tuple[Loc, str, str]]:
    """What a route writes to which topic, and where in the route that is said."""
    for output, topic in route.outputs:
        if topic is not None:
            yield ("outputs", output), output, topic
    if route.escalate is not None and route.escalate.topic is not None:
        yield ("escalate", "topic"), "escalations", route.escalate.topic


def _topics_that_carry(settings: Settings) -> Iterator[Check]:
    """What is redriven or escalated is ours alone: it names what it is by itself (a route's pattern passes it over at run time)."""
    carrying = {"redrive": (settings.redrive, "redriven"), "escalation": (settings.escalation, "escalated")}
    for section, (chosen, what) in carrying.items():
        if chosen is None:
            continue
        topic, where, need = chosen.topic, (section, "topic"), f"{what} records need a topic of their own"
        for route in settings.routes:
            if route.topic == topic:
                yield where, f"{topic} is what route {route.name} reads: {need}"
            for _, output, other in _written(route):
                if other == topic:
                    yield where, f"{topic} holds {output} of route {route.name}: {need}"
    if settings.redrive and settings.escalation and settings.redrive.topic == settings.escalation.topic:
        yield (
            ("escalation", "topic"),
            f"{settings.redrive.topic} is redrive.topic: escalated records need a topic of their own",
        )


def _escalation(settings: Settings) -> Iterator[Check]:
    """What is not read can't escalate, and is of use only where something is escalated to it."""
    for index, route in enumerate(settings.routes):
        if route.subscribe:
            continue
        if settings.escalation is None:
            yield ("routes", index, "subscribe"), "the route reads nothing: set escalation.topic, or leave this out"
        if route.escalate is not None:
            yield ("routes", index, "escalate"), "the route reads nothing, and what was escalated to it goes no further"


def _formats(settings: Settings) -> Iterator[Check]:
    """What it takes to read each route's format, and that routes of one topic agree on it."""
    formats: dict[str, Format] = {}
    for index, route in enumerate(settings.routes):
        read, where = route.read, ("routes", index, "read")
        if (read.descriptors is None) != (read.message is None):
            yield where, "descriptors and message go together"
        elif read.descriptors is not None and read.format is not Format.PROTOBUF:
            yield (*where, "descriptors"), f"are for format protobuf; this one is {read.format}"
        elif read.format in _OF_REGISTRY and read.descriptors is None and settings.schema_registry is None:
            yield (*where, "format"), f"{read.format} needs to know its schemas: set schema_registry.url"
        if route.topic is not None and formats.setdefault(route.topic, read.format) is not read.format:
            yield (*where, "format"), f"another route reads {route.topic} as {formats[route.topic]}"


_OF_REGISTRY = (Format.AVRO, Format.PROTOBUF, Format.JSON_SCHEMA)
