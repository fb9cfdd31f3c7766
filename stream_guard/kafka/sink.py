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
from stream_guard.errors import StartRefused
from stream_guard.kafka.credentials import Change, Follower, login
from stream_guard.kafka.faults import configuring, describe, explain, fatal, retriable
from stream_guard.kafka.settings import KafkaSettings, Log

_POLL_S = 0.005
"""How often delivery reports are asked for while outputs are under way."""
_IDLE_S = 1.0
"""How often the client gets to speak (errors, tokens to renew) while none are."""
_RENEW_S = 1.0
"""How long until the next try, where a new client could not be made."""
_HAND_OVER_S = 5.0
"""How long outputs may be under way at a client that is to be replaced: one whose certificate expired delivers nothing."""
_PURGE_S = 1.0
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
        self._renew_at = 0.0
        self._refused: dict[str, str] = {}
        """Topics that the last report says was not written to, each with why: told once, not for every output."""
        self._files = Follower(settings.credentials)
        self._producer = self._make()
        self._next: Producer | None = None
        """Takes over once the one at work has nothing more under way, or that took too long."""
        self._take_over_at = 0.0
        self._retired: list[Producer] = []
        """Were told to give up all they held, and have not reported all of it yet."""

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
        return len(self._producer) + len(self._overflow) + sum(map(len, self._retired))

    def _collect(self) -> list[Report]:
        self._serve()
        reports, self._reports = self._reports, []
        return reports

    def _serve(self) -> None:
        """Lets the clients call back, then hands the one at work what had no room."""
        self._producer.poll(0)
        if self._retired:
            broken = self._broken
            for retired in self._retired:
                retired.poll(0)
            self._retired = [retired for retired in self._retired if len(retired)]
            self._broken = broken  # what a retired one says is no news of the one at work
        if self._broken and time.monotonic() >= self._renew_at:
            self._renew()
        self._follow_credentials()
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
        """Hands outputs to the client until it has no room; to none while one is to take over, so that they stay in order."""
        if self._next is not None or self._broken:
            return
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
        self._not_written(output, explain(error, "WRITE"), retriable=retriable(error))
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
        try:
            other = self._next or self._make()
        except StartRefused as error:  # certificates that are being exchanged, say: tried again
            self._renew_at = time.monotonic() + _RENEW_S
            self._log("kafka.producer_kept", reason=str(error))
            return
        self._log("kafka.producer_renewed", outputs=len(self._producer))
        self._replace(other)

    def _follow_credentials(self) -> None:
        """A new password is told to the client; for anything else a new client takes over, once this one has delivered."""
        change = self._files.change()
        if change is Change.LOGIN and self._next is None:
            self._producer.set_sasl_credentials(*login(self._settings.producer_config()))
        elif change is not None:
            self._prepare()
        if self._next is not None and (not len(self._producer) or time.monotonic() >= self._take_over_at):
            self._log("kafka.producer_replaced", given_up=len(self._producer))
            self._replace(self._next)

    def _prepare(self) -> None:
        try:
            self._next = self._make()
        except StartRefused as error:
            self._log("kafka.producer_kept", reason=str(error))
        else:
            self._take_over_at = time.monotonic() + _HAND_OVER_S

    def _replace(self, other: Producer) -> None:
        """What the one at work still holds is reported as not written, each once: sending it again can at worst repeat it."""
        self._producer.purge()
        self._retired.append(self._producer)
        self._producer, self._next, self._broken = other, None, False

    def _give_up(self) -> None:
        """The end: reports all that is still held as not written."""
        for producer in (self._producer, *self._retired):
            producer.purge()
            producer.flush(_PURGE_S)
        self._reports += [Report(output, "not sent before the sink closed") for output in self._overflow]
        self._overflow.clear()

    def _make(self) -> Producer:
        client = {**self._settings.producer_config(), "error_cb": self._on_client_error, "logger": _CLIENT_LOG}
        with configuring("producer"):
            return Producer(client)
