"""From the configuration to the cluster: the settings of Kafka's adapters, the topics to read, and what is asked and attached at the start."""

from __future__ import annotations

from typing import Final, NamedTuple

from stream_guard.carriers import keepers
from stream_guard.config import Settings, own_topics, revealed
from stream_guard.errors import StartRefused
from stream_guard.escalation.rooms import escalation_rooms
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.attach import attach as attach_group
from stream_guard.kafka.cluster.rights import check_rights
from stream_guard.kafka.cluster.topics import Selection, check_outputs, resolve
from stream_guard.kafka.credentials import Credentials
from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from stream_guard.routing import Routes
from stream_guard.telemetry.logs import logger

_SOURCE_PATIENCE_S: Final = 2.0
"""How much longer the source waits for a drain than the pipeline takes for it."""

_log = logger("stream_guard.attaching")


class Cluster(NamedTuple):
    """What is asked of the cluster at the start. `largest_record` is in bytes, 0 where it may not be known."""

    id: str
    largest_record: int


def kafka_settings(settings: Settings) -> KafkaSettings:
    """The configuration, as the Kafka adapters take it: secrets readable."""
    kafka = settings.kafka
    return KafkaSettings(
        bootstrap=kafka.bootstrap_servers,
        group=kafka.group,
        protocol=GroupProtocol(kafka.group_protocol),
        instance_id=kafka.instance_id,
        client=_texts(revealed(kafka.client)),
        consumer=_texts(revealed(kafka.consumer)),
        producer=_texts(revealed(kafka.producer)),
        credentials=Credentials(kafka.client_files, kafka.files()),
        drain_s=settings.drain + _SOURCE_PATIENCE_S,
        rescue_memory=kafka.rescue_memory,
    )


def selection(settings: Settings) -> Selection:
    """The topics to read."""
    read = [route for route in settings.routes if route.subscribe]
    names = tuple(sorted({route.topic for route in read if route.topic is not None}))
    patterns = tuple(route.pattern for route in read if route.pattern is not None)
    return Selection(
        names,
        patterns,
        own_topics(settings),
        settings.redrive.topic if settings.redrive else None,
        settings.escalation.topic if settings.escalation else None,
    )


def attached(settings: Settings, kafka: KafkaSettings, routes: Routes, attach: bool) -> Cluster:
    """Checks what is published to, and attaches the group: to topics of ours at their beginning, always. Blocks, bounded."""
    chosen = selection(settings)
    topics = resolve(kafka, chosen)
    check_rights(kafka, topics, own_topics(settings))
    foreign = [topic for topic in topics if topic not in chosen.carrying]
    kept = keepers(routes, foreign, chosen)
    largest = check_outputs(kafka, own_topics(settings), kept, _log.warning, chosen.redrive, escalation_rooms(routes))
    ours = attach_group(kafka, sorted(chosen.carrying), "earliest", allow_latest=False) if chosen.carrying else None
    if ours is not None and ours.missing:
        raise StartRefused(f"these topics to read do not exist, or may not be seen: {', '.join(ours.missing)}")
    report = attach_group(kafka, foreign, settings.kafka.start, allow_latest=attach)
    begins = {f"{where.topic}[{where.partition}]": offset for where, offset in report.attached.items()}
    _log.info("group.attached", attached=begins, kept=report.kept, missing=report.missing, left=report.left)
    return Cluster(Admin(kafka).cluster_id(), largest)


def _texts(options: dict[str, str | int | float | bool]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
