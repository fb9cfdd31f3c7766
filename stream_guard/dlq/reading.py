"""Reads the dead letters of a configuration, as they stand when the reading begins. No consumer group is joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from stream_guard.attaching import kafka_settings
from stream_guard.config import Settings
from stream_guard.errors import ConfigError, StartRefused
from stream_guard.kafka.cluster.assigned import Stop
from stream_guard.kafka.cluster.scan import Scan, scan, scan_between
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Record, TopicPartition
from stream_guard.redrive.letters import Letter, Letters, Place, opened
from stream_guard.verdicts.dead_letter import DeadLetter


class Standing(Struct, frozen=True):
    """The dead letters that stand in some topics, and what could not be read."""

    letters: Letters
    scans: Sequence[Scan]

    @property
    def unread(self) -> Mapping[TopicPartition, str]:
        """Why a partition was not read to its end."""
        return {TopicPartition(each.topic, p): why for each in self.scans for p, why in each.unread.items()}


class Found(Struct, frozen=True):
    """A dead letter with its record."""

    letter: Letter
    said: DeadLetter
    record: Record

    def __repr__(self) -> str:
        return f"Found({self.letter.id} at {self.letter.at})"


def topics_of(settings: Settings, route: str | None = None) -> tuple[str, ...]:
    """The dead-letter topics of all routes, or of one. Raises ConfigError where there is no such route."""
    routes = [each for each in settings.routes if route in (None, each.name)]
    if not routes:
        names = ", ".join(each.name for each in settings.routes)
        raise ConfigError((settings.place("routes"), f"no route is called {route}; there are {names}"))
    return tuple(sorted({each.outputs.dead_letters for each in routes}))


def read_letters(
    settings: Settings,
    topics: Iterable[str],
    *,
    stop: Stop = lambda: False,
    told: Callable[[int, int], None] | None = None,
) -> Standing:
    """Reads topics from end to end; `told` hears how many records were read, and of how many at most.

    Raises StartRefused where one does not exist or may not be read.
    """
    kafka, letters, scans = kafka_settings(settings), Letters(), list[Scan]()
    total = 0

    def begun(found: Scan) -> None:
        nonlocal total
        total += found.records

    def take(record: Record) -> None:
        letters.add(record)
        if told is not None:
            told(letters.read, total)

    for topic in topics:
        scans.append(scan(kafka, topic, take, stop=stop, begun=begun))
    return Standing(letters, scans)


def find(settings: Settings, topics: Sequence[str], name: str) -> list[Found]:
    """The dead letters that a text names, with their records. Raises StartRefused where there are none."""
    standing = read_letters(settings, topics)
    meant = {letter.at: letter for letter in standing.letters if letter.is_named(name)}
    found: list[Found] = []

    def take(record: Record) -> None:
        letter = meant.get(place_of(record))
        if letter is not None:
            found.append(Found(letter, *opened(record)))

    read_at(kafka_settings(settings), meant, take)
    if not found:
        raise StartRefused(f"no dead letter in {', '.join(topics)} is named {name}: `stream-guard dlq ls` lists them")
    return found


def read_at(
    kafka: KafkaSettings, places: Iterable[Place], take: Callable[[Record], None], *, stop: Stop = lambda: False
) -> dict[TopicPartition, str]:
    """Reads what stands from the first of these places to the last, partition by partition. Returns what could not be read."""
    stretches: dict[str, dict[int, tuple[int, int]]] = {}
    for topic, partition, offset in places:
        of_topic = stretches.setdefault(topic, {})
        begin, end = of_topic.get(partition, (offset, offset + 1))
        of_topic[partition] = min(begin, offset), max(end, offset + 1)
    unread: dict[TopicPartition, str] = {}
    for topic in sorted(stretches):
        found = scan_between(kafka, topic, stretches[topic], take, stop=stop)
        unread.update((TopicPartition(topic, partition), why) for partition, why in found.items())
    return unread


def place_of(record: Record) -> Place:
    """Where a record stands that was just read."""
    return Place(record.topic, record.partition, record.offset)
