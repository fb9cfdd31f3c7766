"""The sink: one idempotent producer, driven from the event loop.

There is no thread that polls for delivery reports: the client takes the interpreter's lock anew for each callback, and
beside a busy event loop a second thread got 200 a second (p50 of an acknowledgement 200 ms, from the loop 7 ms).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_guard.delivery.ports import Output, Report
from stream_guard.kafka.faults import configuring, describe, fatal, retriable
from stream_guard.kafka.settings import KafkaSettings, Log

_POLL_S = 0.005
"""How often delivery reports are asked for while outputs are under way."""
_IDLE_S = 1.0
"""How often the client gets to speak (errors, tokens to renew) while none are."""
_CLIENT_LOG = logging.getLogger("stream_guard.kafka.client")


class KafkaSink:
    """`delivery.ports.Sink` over a Producer. Lives in one event loop."""

    def __init__(self, settings: KafkaSettings, *, log: Log, close_s: float = 10.0) -> None:
        self._settings = settings
        self._log = log
        self._close_s = close_s
        self._reports: list[Report] = []
        self._overflow: deque[Output] = deque()
        self._sent = asyncio.Event()
        self._broken = False
        self._refused: dict[str, str] = {}
        """Topics that the last report says was not written to, each with why: told once, not for every output."""
        self._producer = self._make()

    def send(self, outputs: Sequence[Output]) -> None:
        """See the port. What the client's queue has no room for waits here, in order."""
        self._overflow.extend(outputs)
        self._push()
        self._sent.set()

    async def reports(self) -> Sequence[Report]:
        """See the port."""
        while not (reports := self._collect()):
            await self._pause()
        return reports

    async def close(self) -> None:
        """See the port. What is not acknowledged after `close_s` is given up: reported as not written."""
        deadline = time.monotonic() + self._close_s
        while self._under_way() and time.monotonic() < deadline:
            self._serve()
            await asyncio.sleep(_POLL_S)
        if self._under_way():
            self._log("kafka.sink_gave_up", outputs=self._under_way())
            self._give_up()

    def _under_way(self) -> int:
        return len(self._producer) + len(self._overflow)

    def _collect(self) -> list[Report]:
        self._serve()
        reports, self._reports = self._reports, []
        return reports

    def _serve(self) -> None:
        """Lets the client call back, then hands it what had no room."""
        self._producer.poll(0)
        if self._broken:
            self._renew()
        self._push()

    async def _pause(self) -> None:
        if self._under_way():
            await asyncio.sleep(_POLL_S)
            return
        self._sent.clear()
        try:
            async with asyncio.timeout(_IDLE_S):
                await self._sent.wait()
        except TimeoutError:
            pass

    def _push(self) -> None:
        """Hands outputs to the client until it has no room."""
        waiting = self._overflow
        while waiting and self._produce(waiting[0]):
            waiting.popleft()

    def _produce(self, output: Output) -> bool:
        """False where the client has no room now. Whatever else stands against it is a report."""
        try:
            # By position, which is a fifth cheaper than by name: partition, callback, its second name, timestamp.
            report = partial(self._on_delivery, output)
            self._producer.produce(output.topic, output.value, output.key, -1, report, None, 0, list(output.headers))
        except BufferError:
            if len(self._producer):
                return False
            self._not_written(output, "it is larger than the client's whole queue", retriable=False)
        except KafkaException as error:
            self._fail(output, error.args[0])
        except (TypeError, ValueError) as error:
            self._not_written(output, f"not a Kafka record: {type(error).__name__}", retriable=False)
        return True

    def _on_delivery(self, output: Output, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._fail(output, error)
            return
        self._reports.append(Report(output))
        if self._refused and self._refused.pop(output.topic, None) is not None:
            self._log("kafka.written_again", topic=output.topic)

    def _fail(self, output: Output, error: KafkaError) -> None:
        self._not_written(output, describe(error), retriable=retriable(error))
        self._broken = self._broken or fatal(error)

    def _not_written(self, output: Output, reason: str, *, retriable: bool) -> None:
        self._reports.append(Report(output, reason, retriable))
        if self._refused.get(output.topic) != reason:
            self._refused[output.topic] = reason
            self._log("kafka.not_written", topic=output.topic, reason=reason, retriable=retriable)

    def _on_client_error(self, error: KafkaError) -> None:
        self._broken = self._broken or fatal(error)
        self._log("kafka.client_error", reason=describe(error), fatal=error.fatal())

    def _renew(self) -> None:
        """After a fatal error (the broker lost track of our sequence) the client takes nothing more: a new one does."""
        self._log("kafka.producer_renewed", outputs=len(self._producer))
        self._give_up(keep_waiting=True)
        self._producer, self._broken = self._make(), False

    def _give_up(self, *, keep_waiting: bool = False) -> None:
        """Reports all that the client holds as not written: sending it again can at worst repeat it."""
        self._producer.purge()
        self._producer.flush(1.0)
        if not keep_waiting:
            self._reports += [Report(output, "not sent before the sink closed") for output in self._overflow]
            self._overflow.clear()

    def _make(self) -> Producer:
        client = {**self._settings.producer_config(), "error_cb": self._on_client_error, "logger": _CLIENT_LOG}
        with configuring("producer"):
            return Producer(client)
