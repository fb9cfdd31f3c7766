"""Writes the records of a run at an even pace, from a thread of its own."""

from __future__ import annotations

import threading
import time

import orjson
from confluent_kafka import Producer

from tests.faults.scenario import Scenario
from tests.service import Flow

KEYS = 61
_GARBAGE = 100
"""One record of so many is no JSON."""
_TOMBSTONE = 250
"""One of so many has no value."""
_FLUSH_S = 120.0


class Firehose:
    """What a broker did not take is sent again by the client."""

    def __init__(self, flow: Flow, scenario: Scenario) -> None:
        """Begins when started."""
        self._topic, self._scenario = flow.source, scenario
        self._producer = Producer({
            **flow.kafka.own, "enable.idempotence": True, "linger.ms": 5, "delivery.timeout.ms": 300_000,
            "reconnect.backoff.max.ms": 500, "topic.metadata.refresh.interval.ms": 1_000,
        })  # fmt: skip
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.sent = 0
        self.failed: list[str] = []

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether there is more to come."""
        return self._thread.is_alive()

    def _run(self) -> None:
        pause_s, began = self._scenario.seconds / self._scenario.records, time.monotonic()
        for number in range(self._scenario.records):
            while time.monotonic() < began + number * pause_s:
                self._producer.poll(0.005)
            self._producer.produce(
                self._topic, value_of(number), key_of(number), partition=number % self._scenario.partitions,
                on_delivery=lambda error, _: self.failed.append(str(error)) if error else None,
            )  # fmt: skip
            self.sent += 1
            self._producer.poll(0)
        if left := self._producer.flush(_FLUSH_S):
            self.failed.append(f"{left} records could not be written")


def key_of(number: int) -> bytes:
    """The key of a record."""
    return b"room-%d" % (number % KEYS)


def value_of(number: int) -> bytes | None:
    """A record: mostly a message, sometimes garbage, now and then a tombstone."""
    if number % _TOMBSTONE == _TOMBSTONE - 2:
        return None
    if number % _GARBAGE == _GARBAGE - 1:
        return b"this is no JSON, number %d" % number
    return orjson.dumps({"kind": "message", "content": f"Shall we meet at the harbour, boat {number}?"})
