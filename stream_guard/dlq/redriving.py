"""Has dead letters judged again: through the redrive topic, at a pace, each acknowledged. Safe to interrupt and to repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from stream_guard.attaching import kafka_settings
from stream_guard.config import Settings
from stream_guard.config.redrive import RedriveSettings
from stream_guard.dlq.reading import place_of, read_at
from stream_guard.errors import ConfigError, StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.assigned import Stop
from stream_guard.kafka.redriver import Redriver
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Record, TopicPartition
from stream_guard.redrive.choice import Selected, Terms
from stream_guard.redrive.letters import opened
from stream_guard.redrive.pacing import Pacer
from stream_guard.redrive.provenance import redriven

LANE = "live"
"""The lane of what `run` publishes."""


class Done(Struct, frozen=True):
    """How a redrive went. What was not written is written when the command is repeated."""

    going: int
    """So many were to go."""
    written: int
    """Acknowledged by all in-sync replicas."""
    failed: Mapping[str, int]
    """Not written, and why."""
    gone: int
    """Deleted since they were chosen (retention, a purge)."""
    unread: Mapping[TopicPartition, str]
    stopped: bool
    """Whether it was interrupted before all had gone."""
    said: str = ""
    """What the client said of itself, where some were not written."""

    @property
    def complete(self) -> bool:
        """Whether all that still stand were written."""
        return not self.stopped and not self.failed and not self.unread and self.written + self.gone == self.going


def terms_of(settings: Settings) -> Terms:
    """What may be redriven. Raises ConfigError where there is no redrive topic."""
    return Terms(settings.namespace, LANE, configured(settings).max_hops)


def configured(settings: Settings) -> RedriveSettings:
    """The redrive topic. Raises ConfigError where there is none."""
    if settings.redrive is None:
        what = (
            "there is no redrive topic, so nothing can be redriven: set redrive.topic, make the topic (`stream-guard check "
            "--live` says how) and restart the service, which reads it"
        )
        raise ConfigError((settings.place("redrive"), what))
    return settings.redrive


def execute(
    settings: Settings,
    selected: Selected,
    per_second: float,
    *,
    stop: Stop,
    told: Callable[[int], None],
    clock: Callable[[], float] = time.monotonic,
) -> Done:
    """Writes what goes; `told` hears how many were acknowledged so far. Blocks.

    Raises StartRefused, before anything is written, where the redrive topic can't be written to.
    """
    kafka, topic = kafka_settings(settings), configured(settings).topic
    refuse_unfit(kafka, topic)
    with Redriver(kafka, topic) as redriver:
        work = _Work(redriver, selected, Pacer(per_second, clock()), stop, told, clock)
        unread = read_at(kafka, work.waiting, work.take, stop=work.over)
        redriver.settle(stop)
    told(redriver.written)
    gone = 0 if work.over() or unread else len(work.waiting)
    return Done(
        len(selected.going), redriver.written, dict(redriver.failed), gone, unread, stopped=stop(), said=redriver.said
    )


def refuse_unfit(kafka: KafkaSettings, topic: str) -> None:
    """Raises StartRefused where what is written to the redrive topic would not come to the service."""
    admin = Admin(kafka)
    if topic not in admin.topics():
        raise StartRefused(f"the redrive topic {topic} does not exist, or may not be seen")
    operations = admin.operations([topic])[topic]
    if operations is not None and "WRITE" not in operations:
        raise StartRefused(f"this principal may not redrive: grant it WRITE on topic {topic!r}")
    settings = admin.settings([topic])[topic]
    if settings is not None and "compact" in settings["cleanup.policy"]:
        raise StartRefused(
            f"the redrive topic {topic} is compacted: of records of one key, all but the last would vanish unread. Set its "
            "cleanup.policy to delete"
        )


class _Work:
    """Sends each dead letter that is to go as it is read."""

    def __init__(
        self,
        redriver: Redriver,
        selected: Selected,
        pacer: Pacer,
        stop: Stop,
        told: Callable[[int], None],
        clock: Callable[[], float],
    ) -> None:
        self._redriver, self._pacer, self._stop, self._told, self._clock = redriver, pacer, stop, told, clock
        self.waiting = {letter.at for letter in selected.going}
        """Where those stand that did not go yet."""

    def over(self) -> bool:
        """Whether nothing more is to be sent: it was interrupted, or the client is broken."""
        return self._stop() or self._redriver.broken

    def take(self, record: Record) -> None:
        """A record of a dead-letter topic."""
        place = place_of(record)
        if place not in self.waiting or not self._await_turn():
            return
        if self._redriver.send(redriven(*opened(record)), self.over):
            self.waiting.discard(place)
            self._pacer.went(self._clock())
            self._told(self._redriver.written)

    def _await_turn(self) -> bool:
        while not self.over() and (left := self._pacer.wait_s(self._clock())) > 0:
            self._redriver.serve(left)
            self._told(self._redriver.written)
        return not self.over()
