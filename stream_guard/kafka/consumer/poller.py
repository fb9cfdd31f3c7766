"""The poll thread: the only one that touches the Consumer.

confluent-kafka serialises a Consumer behind a gate that starves a second thread (its #2322): what others want of it is
left in the mailbox and done here, between two polls.
"""

from __future__ import annotations

import logging
import time
from threading import Thread

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from stream_guard.errors import InvariantViolated, StartRefused, StreamGuardError
from stream_guard.kafka.consumer.credit import Brake
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.reading import read
from stream_guard.kafka.consumer.rebalancing import AssignHook, Rebalancing
from stream_guard.kafka.consumer.rereading import Reread
from stream_guard.kafka.credentials import Change, Follower, login
from stream_guard.kafka.faults import Meaning, configuring, describe, explain, meaning, refusal
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Halted, Intake, Lease, Record, Signal, TopicPartition

_POLL_S = 0.1
"""How long one poll waits, so how late an order may be carried out."""
_CLOSE_S = 2.0
"""How long a consumer that is replaced may take to leave the group once its partitions are drained."""
_CLIENT_LOG = logging.getLogger("stream_guard.kafka.client")


class Poller:
    """Turns a Consumer into signals."""

    def __init__(
        self, settings: KafkaSettings, mailbox: Mailbox, log: Log, on_topics: AssignHook, reread: Reread
    ) -> None:
        self.last_poll = time.monotonic()
        """When the loop last went round, monotonic seconds. It stands still, bounded, while partitions are drained."""
        self._settings = settings
        self._mailbox = mailbox
        self._log = log
        self._rebalancing = Rebalancing(settings, mailbox, log, on_topics, reread)
        self._reading = self._rebalancing.holdings.reading
        self._rereading = self._rebalancing.rereading
        self._brake = Brake()
        self._stash: list[Record] = []
        self._halted: list[Halted] = []
        self._anew: list[Lease] = []
        """Leases that could not read again what stands before their committed offset."""
        self._refused: KafkaError | None = None
        self._topics: tuple[str, ...] = ()
        self._files = Follower(settings.credentials)
        self._consumer = self._make()
        self._thread = Thread(target=self._run, name="kafka-poll", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Waits for the end of the thread; False where it did not end in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _make(self) -> Consumer:
        client = {**self._settings.consumer_config(), "error_cb": self._on_client_error, "logger": _CLIENT_LOG}
        with configuring("consumer"):
            return Consumer(client)

    def _run(self) -> None:
        try:
            while not self._mailbox.closing:
                self._turn()
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline must hear of it
            self._mailbox.fail(self._mapped(error))
        finally:
            self._leave()

    def _turn(self) -> None:
        self.last_poll = time.monotonic()
        self._follow_credentials()
        self._obey()
        self._hold_back()
        if self._brake.paused:
            self._stash += self._read(self._poll())
            self._post([])
        else:
            self._take()
        if self._refused is not None:
            raise refusal(self._refused, self._settings.group)

    def _obey(self) -> None:
        """Carries out what the mailbox holds."""
        self._rebalancing.store(self._consumer, self._mailbox.take_stores())
        topics = self._mailbox.take_topics()
        if topics is not None:
            self._topics = topics
            self._subscribe()

    def _subscribe(self) -> None:
        on = self._rebalancing
        if self._topics:
            self._consumer.subscribe(
                list(self._topics), on_assign=on.on_assign, on_revoke=on.on_revoke, on_lost=on.on_lost
            )
        else:
            self._consumer.unsubscribe()

    def _follow_credentials(self) -> None:
        """A new password is told to the consumer; for anything else another consumer takes its place."""
        change = self._files.change()
        if change is Change.LOGIN:
            self._consumer.set_sasl_credentials(*login(self._settings.consumer_config()))
        elif change is Change.RENEWAL:
            self._renew()

    def _renew(self) -> None:
        """1. Make another. 2. Leave the group in order: what is under way is drained and committed. 3. The other joins."""
        try:
            other = self._make()
        except StartRefused as error:
            self._log("kafka.consumer_kept", reason=str(error))
            return
        # In a thread: where no broker can be reached, to close takes a whole session. Its revocation comes first.
        closing = Thread(target=self._close, args=(self._consumer,), name="kafka-close", daemon=True)
        closing.start()
        closing.join(self._settings.drain_s + _CLOSE_S)
        self._rebalancing.abandon(self._consumer)
        self._consumer = other
        self._subscribe()
        self._log("kafka.consumer_renewed", left_in_order=not closing.is_alive())

    def _hold_back(self) -> None:
        """Pauses or resumes everything that is read, as the brake says."""
        before = self._brake.paused
        after = self._brake.step(self.last_poll, self._mailbox.available)
        if after != before:
            self._rebalancing.paused = after
            (self._consumer.pause if after else self._consumer.resume)([Position(*p) for p in self._reading])

    def _take(self) -> None:
        """Passes on as many records as there is credit for; first those that slipped through a pause."""
        room = self._mailbox.reserve(self._settings.batch_max)
        if not room:
            self._mailbox.wait(_POLL_S)
            return
        records: list[Record] = []
        began = time.perf_counter()
        try:
            records = self._unstash(room) if self._stash else self._fetch(room)
        finally:
            self._mailbox.refund(room - len(records))
        self._post(records, time.perf_counter() - began)

    def _fetch(self, room: int) -> list[Record]:
        """Waits for one message, then takes what is there: `consume` by itself would wait for all of `room`."""
        # Read before more are asked for: in `consume` its lease may end, and its partition come back under another.
        records = self._read(first := self._poll())
        if first and room > 1:
            records += self._read(self._consumer.consume(room - 1, 0))
        return records

    def _poll(self) -> list[Message]:
        message = self._consumer.poll(_POLL_S)
        return [] if message is None else [message]

    def _unstash(self, room: int) -> list[Record]:
        records, self._stash = self._stash[:room], self._stash[room:]
        return [record for record in records if self._rebalancing.holdings.holds(record.lease)]

    def _read(self, messages: list[Message]) -> list[Record]:
        return self._rereading.mark(read(messages, self._reading, self._on_error))

    def _post(self, records: list[Record], seconds: float = 0.0) -> None:
        """Records first: a partition halted behind them."""
        signals: list[Signal] = [Intake(records, seconds)] if records else []
        halted, self._halted = self._halted, []
        self._mailbox.post(*signals, *halted)
        anew, self._anew = self._anew, []
        for lease in anew:
            self._rebalancing.begin_anew(self._consumer, lease)

    def _on_error(self, message: Message) -> None:
        """An error event among the messages."""
        error = message.error()
        topic, partition = message.topic(), message.partition()
        if error is None:
            return
        means = meaning(error)
        if means is Meaning.REFUSED:
            self._refused = error
        elif means is Meaning.TRANSIENT or topic is None or partition is None:
            self._log("kafka.error", reason=explain(error, "READ"), topic=topic, partition=partition)
        else:
            self._halt(TopicPartition(topic, partition), means, error)

    def _halt(self, where: TopicPartition, means: Meaning, error: KafkaError) -> None:
        """Reads nothing more of a partition whose position is gone or can't be read."""
        lease = self._reading.get(where)
        if lease is not None and self._rereading.holds(lease):
            self._rebalancing.holdings.halt(where)
            self._anew.append(lease)
            return
        if lease is None or (means is Meaning.POSITION_GONE and self._rebalancing.begin_late(self._consumer, lease)):
            return
        self._rebalancing.holdings.halt(where)
        self._consumer.pause([Position(*where)])
        self._halted.append(Halted(lease, f"{_WHY[means]} ({describe(error)})"))

    def _on_client_error(self, error: KafkaError) -> None:
        """Of no one partition. Where a secret or a certificate is wrong, only this call says so."""
        if meaning(error) is Meaning.REFUSED:
            self._refused = error
        self._log("kafka.client_error", reason=describe(error), fatal=error.fatal())

    def _mapped(self, error: Exception) -> StreamGuardError:
        if isinstance(error, StreamGuardError):
            return error
        if isinstance(error, KafkaException):
            mapped: StreamGuardError = refusal(error.args[0], self._settings.group)
        else:
            mapped = InvariantViolated(f"the poll thread ended: {type(error).__name__}: {error}")
        mapped.__cause__ = error
        return mapped

    def _leave(self) -> None:
        """Stores what is left to store; closing the consumer commits it and leaves the group at once."""
        self._rebalancing.leaving_group = True
        self._close(self._consumer)

    def _close(self, consumer: Consumer) -> None:
        try:
            self._rebalancing.store(consumer, self._mailbox.take_stores())
            consumer.close()
        except (KafkaException, RuntimeError) as error:
            self._log("kafka.close_failed", reason=str(error))


_WHY = {
    Meaning.POSITION_GONE: "the position is not in the partition's log: set the group's offset to go on",
    Meaning.UNREADABLE: "what stands at the position can't be read: set the group's offset past it to go on",
}
