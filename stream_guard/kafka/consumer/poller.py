"""The poll thread: the only one that touches the Consumer.

confluent-kafka serialises a Consumer behind a gate that starves a second thread (its #2322): what others want of it is
left in the mailbox and done here, between two polls.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Thread

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from stream_guard.errors import InvariantViolated, StartRefused, StreamGuardError
from stream_guard.kafka.cluster.topic_ids import TopicIds
from stream_guard.kafka.consumer.apart import Apart
from stream_guard.kafka.consumer.credit import Brake
from stream_guard.kafka.consumer.ended import Ended
from stream_guard.kafka.consumer.instance import Held
from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.reading import read
from stream_guard.kafka.consumer.rebalancing import Rebalancing
from stream_guard.kafka.consumer.rereading import Reread
from stream_guard.kafka.consumer.rescue import Job, Rescue
from stream_guard.kafka.consumer.rescue_process import terms
from stream_guard.kafka.credentials import Change, Follower, login
from stream_guard.kafka.faults import Meaning, configuring, describe, explain, instance_held, meaning, refusal
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Halted, Intake, Lease, Record, Signal, TopicPartition

_POLL_S = 0.1
"""How long one poll waits, so how late an order may be carried out."""
_POLL_APART_S = 0.01
"""The same, while nothing is handed on but what is read apart."""
_CLOSE_S = 2.0
"""How long a consumer that is replaced may take to leave the group once its partitions are drained."""
_JOIN_AGAIN_S = 2.0
_PARTITION_EOF = KafkaError._PARTITION_EOF  # noqa: SLF001 - the library's name
_CLIENT_LOG = logging.getLogger("stream_guard.kafka.client")


class Poller:
    """Turns a Consumer into signals."""

    def __init__(
        self,
        settings: KafkaSettings,
        mailbox: Mailbox,
        log: Log,
        ids: TopicIds,
        reread: Reread,
        isolation: Isolation,
        largest_record: int,
    ) -> None:
        self.last_poll = time.monotonic()
        """When the loop last went round, monotonic seconds. It stands still, bounded, while partitions are drained."""
        self._settings = settings
        self._mailbox = mailbox
        self._log = log
        self._isolation, self._largest_record = isolation, largest_record
        commit_s = 2 * int(settings.consumer_config()["auto.commit.interval.ms"]) / 1000
        self._apart = Apart(isolation, self._begin_apart, self._holds_back, log, commit_s=commit_s)
        self._apart_next = False
        self._rebalancing = Rebalancing(settings, mailbox, log, ids, reread, isolation, self._apart)
        self._reading = self._rebalancing.holdings.reading
        self._rereading = self._rebalancing.rereading
        self._brake = Brake()
        self._ended = Ended()
        self._stash: list[Record] = []
        self._halted: list[Halted] = []
        self._anew: list[Lease] = []
        """Leases that could not read again what stands before their committed offset."""
        self._refused: KafkaError | None = None
        self._topics: tuple[str, ...] = ()
        self._files = Follower(settings.credentials)
        self._instance = Held(settings.instance_wait_s)
        self._consumer = self._make()
        self._thread = Thread(target=self._run, name="kafka-poll", daemon=True)

    @property
    def joined(self) -> bool:
        """Whether the group gave this member its share, be it no partition at all."""
        return self._rebalancing.joined

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
        self._rebalancing.look_for_epoch(self._consumer)
        self._obey()
        self._rebalancing.begin_waiting(self._consumer, self.last_poll)
        self._read_on()
        self._hold_back()
        if self._rebalancing.paused:
            self._stash += self._read(self._poll(_POLL_APART_S if self._apart.alone else _POLL_S))
            self._take(self._from_apart)
        elif self._mailbox.available:
            self._take(self._some)
        else:
            self._mailbox.wait(_POLL_S)
        self._replace_outlived()
        if self._refused is not None:
            self._join_again(self._refused)

    def _obey(self) -> None:
        """Carries out what the mailbox holds."""
        self._rebalancing.store(self._consumer, self._mailbox.take_stores())
        self._rebalancing.pausing.hold_back(self._consumer, self._mailbox.take_pauses())
        if suspected := self._mailbox.take_suspected_topics():
            self._rebalancing.look_at(suspected)
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

    def _replace_outlived(self) -> None:
        """Another consumer begins in those topics that were made anew."""
        topics = self._rebalancing.take_outlived()
        if topics:
            self._log(
                "kafka.topic_made_anew", topics=sorted(topics),
                meaning="deleted and made anew: another consumer reads them from the beginning, under the new id",
            )  # fmt: skip
            self._renew()

    def _join_again(self, refused: KafkaError) -> None:
        """Where our instance id is still held, by our own crashed self as a rule, until its session is over. Else raises."""
        if not instance_held(refused) or not self._instance.waits(time.monotonic()):
            raise refusal(refused, self._settings.group)
        self._refused = None
        self._log("kafka.instance_held", instance=self._settings.instance_id, again_s=_JOIN_AGAIN_S)
        time.sleep(_JOIN_AGAIN_S)  # nothing is held meanwhile
        self._renew()

    def _read_on(self) -> None:
        """The consumer reads on what was read apart as far as need be."""
        if self._apart.active or self._isolation.told:
            self._isolation.tell()
        for lease, offset in self._apart.finished():
            self._rebalancing.read_on(self._consumer, lease, offset)

    def _holds_back(self, lease: Lease) -> bool:
        return self._rebalancing.pausing.holds_back(lease)

    def _begin_apart(self, job: Job) -> Rescue:
        return Rescue(job, terms(self._settings, job.lease, self._largest_record), self._log)

    def _hold_back(self) -> None:
        """Pauses or resumes everything that is read, as the brake says; all while suspects are taken by themselves."""
        before = self._rebalancing.paused
        after = self._brake.step(self.last_poll, self._mailbox.available) or self._apart.alone
        if after != before:
            self._rebalancing.pausing.pause_everything(self._consumer, after)

    def _take(self, source: Callable[[int], list[Record]]) -> None:
        """Passes on as many records as there is credit for."""
        room = self._mailbox.reserve(self._settings.batch_max)
        records: list[Record] = []
        began = time.perf_counter()
        try:
            records = self._isolation.marked(source(room)) if room else []
        finally:
            self._mailbox.refund(room - len(records))
        self._post(records, time.perf_counter() - began)

    def _some(self, room: int) -> list[Record]:
        """First those that slipped through a pause. What is read apart takes turns with the rest: the group must be polled."""
        if self._stash:
            return self._unstash(room)
        self._apart_next = self._apart.active and not self._apart_next
        return (self._apart_next and self._from_apart(room)) or self._fetch(room)

    def _from_apart(self, room: int) -> list[Record]:
        lease = self._apart.reading
        if lease is not None and not self._apart.alone and self._rebalancing.pausing.holds_back(lease):
            return []
        return self._rereading.mark(self._apart.take(room))

    def _fetch(self, room: int) -> list[Record]:
        """Waits for one message, then takes what is there: `consume` by itself would wait for all of `room`."""
        # Read before more are asked for: in `consume` its lease may end, and its partition come back under another.
        records = self._read(first := self._poll(_POLL_APART_S if self._apart.active else _POLL_S))
        if first and room > 1:
            records += self._read(self._consumer.consume(room - 1, 0))
        return records

    def _poll(self, seconds: float) -> list[Message]:
        message = self._consumer.poll(seconds)
        return [] if message is None else [message]

    def _unstash(self, room: int) -> list[Record]:
        records, self._stash = self._stash[:room], self._stash[room:]
        return [record for record in records if self._rebalancing.holdings.holds(record.lease)]

    def _read(self, messages: list[Message]) -> list[Record]:
        return self._rereading.mark(read(messages, self._reading, self._on_error))

    def _post(self, records: list[Record], seconds: float = 0.0) -> None:
        """Records first: a partition halted behind them."""
        self._isolation.handed(records, apart=self._apart.alone)
        # What is stashed was read before the end.
        ended = {} if self._stash else self._ended.take(self.last_poll, beside_records=bool(records))
        signals: list[Signal] = [Intake(records, seconds, ended)] if records or ended else []
        self._mailbox.post(*signals)
        self._mailbox.post(*self._still_halted())
        anew, self._anew = self._anew, []
        for lease in anew:
            self._rebalancing.reread_failed(self._consumer, lease)

    def _still_halted(self) -> list[Halted]:
        """A position can be gone because its topic is: another of its name is begun, and nobody need be told."""
        halted, self._halted = self._halted, []
        outlived = self._rebalancing.look_at({signal.lease.topic for signal in halted}) if halted else ()
        return [signal for signal in halted if signal.lease.topic not in outlived]

    def _on_error(self, message: Message) -> None:
        """An error event among the messages."""
        error = message.error()
        topic, partition = message.topic(), message.partition()
        if error is None:
            return
        if error.code() == _PARTITION_EOF and topic is not None and partition is not None:
            self._ended.note(self._reading.get((topic, partition)), message.offset())
            return
        means = meaning(error)
        if means is Meaning.REFUSED:
            self._refused = error
        elif means is Meaning.TRANSIENT or topic is None or partition is None:
            self._log("kafka.error", reason=explain(error, "READ"), topic=topic, partition=partition)
        else:
            self._halt(TopicPartition(topic, partition), means, error, message.offset())

    def _halt(self, where: TopicPartition, means: Meaning, error: KafkaError, base: int | None) -> None:
        """Reads nothing more of a partition whose position is gone; what can't be read of it is read apart.

        `base` is the first offset of the batch that can't be read.
        """
        lease = self._reading.get(where)
        if lease is not None and self._rereading.holds(lease):
            self._rebalancing.holdings.halt(where)
            self._anew.append(lease)
            return
        if lease is None:
            return
        self._rebalancing.holdings.halt(where)
        self._consumer.pause([Position(*where)])
        if means is Meaning.UNREADABLE:
            self._apart.unreadable(lease, self._beginning_of(lease, base), describe(error))
            return
        self._halted.append(Halted(lease, f"{_GONE} ({describe(error)})"))

    def _beginning_of(self, lease: Lease, base: int | None) -> int:
        """Which record of an unreadable batch is the first to be read: what stands before the beginning was settled before."""
        return max(base or 0, self._rebalancing.beginnings.began(lease) or 0)

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
            mapped = InvariantViolated(
                f"the poll thread ended: {type(error).__name__}"
            )  # its message may quote a record
        mapped.__cause__ = error
        return mapped

    def _leave(self) -> None:
        """Stores what is left to store; closing the consumer commits it and leaves the group at once."""
        self._rebalancing.leaving_group = True
        self._apart.stop()
        self._close(self._consumer)

    def _close(self, consumer: Consumer) -> None:
        try:
            self._rebalancing.store(consumer, self._mailbox.take_stores())
            consumer.close()
        except (KafkaException, RuntimeError) as error:
            self._log("kafka.close_failed", reason=str(error))


_GONE = "the position is not in the partition's log: set the group's offset to go on"
