"""Writes what is redriven: one idempotent producer, each record acknowledged by all in-sync replicas, or counted as not written."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_guard.carrying.provenance import Carried
from stream_guard.kafka.faults import configuring, describe, explain, fatal, telling
from stream_guard.kafka.settings import KafkaSettings

_POLL_S = 0.1
_PURGE_S = 1.0
_GIVEN_UP = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)  # noqa: SLF001 - the library's names
_CLIENT_LOG = logging.getLogger("stream_guard.kafka.client")


class Redriver:
    """Of one thread. Nothing it does blocks for longer than a tenth of a second, so that it can be interrupted."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        """Raises StartRefused where the client can't be made."""
        self.written = 0
        self.failed: Counter[str] = Counter()
        """Why records were not written, and how many for each reason."""
        self.broken = False
        """Whether the client takes nothing more."""
        self.said = ""
        """The client's last words of its own: it alone knows why no broker can be reached."""
        self._topic = topic
        config = {**settings.producer_config(), "error_cb": self._on_client_error, "logger": _CLIENT_LOG}
        with configuring("producer"):
            self._producer = Producer(config)

    def send(self, record: Carried, stop: Callable[[], bool]) -> bool:
        """Takes a record, waiting for room where there is none. False where it was told to stop before there was."""
        while not stop():
            try:
                self._producer.produce(
                    self._topic, record.value, record.key, headers=list(record.headers), on_delivery=self._on_delivery
                )
            except BufferError:
                self._producer.poll(_POLL_S)
            except KafkaException as error:
                self._fail(error.args[0])
                return True
            else:
                self._producer.poll(0)
                return True
        return False

    def serve(self, seconds: float) -> None:
        """Takes in delivery reports for so long, a tenth of a second at most."""
        self._producer.poll(min(seconds, _POLL_S))

    def settle(self, stop: Callable[[], bool]) -> None:
        """Waits until every record is written or given up (after `delivery.timeout.ms`), or it is told to stop."""
        while len(self._producer) and not stop():
            self._producer.flush(_POLL_S)

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was not written yet is given up: it may still be written, or not."""
        self._producer.purge()
        self._producer.flush(_PURGE_S)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        del message
        if error is None:
            self.written += 1
        elif error.code() not in _GIVEN_UP:
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        self.failed[explain(error, "WRITE")] += 1
        self.broken = self.broken or fatal(error)

    def _on_client_error(self, error: KafkaError) -> None:
        self.broken = self.broken or fatal(error)
        if telling(error) or not self.said:
            self.said = describe(error)
