"""The source: one member of a consumer group, seen from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress

from stream_guard.errors import InvariantViolated, StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.topic_ids import TopicIds
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.journal import Journal
from stream_guard.kafka.consumer.mailbox import Mailbox
from stream_guard.kafka.consumer.poller import Poller
from stream_guard.kafka.consumer.rereading import Reread, nothing
from stream_guard.kafka.consumer.survey import Survey
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Lease, Signal

LARGEST_RECORD = 1_048_588
"""What a stock broker takes, in bytes: the least that is kept whole where the topics' own bound is not known."""


class KafkaSource:
    """`delivery.ports.Source` over a poll thread. Made by `open`, in the event loop that will receive."""

    def __init__(
        self,
        settings: KafkaSettings,
        selection: Selection,
        log: Log,
        reread: Reread = nothing,
        journal: Journal | None = None,
        largest_record: int = 0,
        suspects: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._selection = selection
        self._log = log
        self._ready = asyncio.Event()
        self._mailbox = Mailbox(_waker(asyncio.get_running_loop(), self._ready))
        self._admin = Admin(settings)
        self._ids = TopicIds(self._admin.topic_ids, self._admin.cluster_id)
        self._look = asyncio.Event()
        self._ids.look_soon = _waker(asyncio.get_running_loop(), self._look)
        told = _teller(asyncio.get_running_loop(), suspects)
        isolation = Isolation(journal, log, told)
        largest = max(largest_record, LARGEST_RECORD)
        self._poller = Poller(settings, self._mailbox, log, self._ids, reread, isolation, largest)
        self._survey = Survey(settings, self._admin, self._mailbox.post, log)
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._topics: tuple[str, ...] = ()

    @classmethod
    async def open(
        cls,
        settings: KafkaSettings,
        selection: Selection,
        *,
        log: Log,
        reread: Reread = nothing,
        journal: Journal | None = None,
        largest_record: int = 0,
        suspects: Callable[[int], None] = lambda _: None,
    ) -> KafkaSource:
        """Joins the group with the topics that exist now. Raises StartRefused where the cluster can't be asked.

        Records come once they are granted. The first attach of a group is `attach.attach`, before this. `reread` says how
        many records before its committed offset a partition begins; those are marked as past. `journal` is where it is written
        what is in flight; it must outlive the source. Of what the consumer can't read itself, records larger than
        `largest_record` bytes are named, not kept. `suspects` is told, in the event loop, of how many records are to be taken
        one at a time.
        """
        source = cls(settings, selection, log, reread, journal, largest_record, suspects)
        topics = source._topics = await source._select()
        with suppress(StartRefused):  # then it is asked for once partitions come
            await asyncio.to_thread(source._ids.learn, topics)
        source._mailbox.subscribe(topics)
        source._poller.start()
        source._tasks = source._watched(source._refresh()), source._watched(source._survey.watch())
        return source

    @property
    def last_poll(self) -> float:
        """When the poll thread last went round, monotonic seconds: for liveness.

        It stands still while partitions are drained, for `drain_s`, and while the cluster is asked a few questions.
        """
        return self._poller.last_poll

    @property
    def joined(self) -> bool:
        """Whether the group gave this member its share of the partitions, be it none, since it was opened; or there is no topic to join for."""
        return not self._topics or self._poller.joined

    async def receive(self) -> Sequence[Signal]:
        """See the port."""
        while True:
            self._ready.clear()
            if signals := self._mailbox.collect():
                self._survey.follow(signals)
                return signals
            await self._ready.wait()

    def grant(self, records: int) -> None:
        """See the port."""
        self._mailbox.grant(records)

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """See the port."""
        self._mailbox.store(offsets)

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """See the port. An answer later than `drain_s` changes nothing."""
        self._mailbox.release(leases, offsets)

    def pause(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self._mailbox.hold_back(leases, paused=True)

    def resume(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self._mailbox.hold_back(leases, paused=False)

    async def close(self) -> None:
        """See the port. Returns after `drain_s` and one question's time at the latest."""
        for task in self._tasks:
            task.cancel()
        self._mailbox.close()
        patience_s = self._settings.drain_s + self._settings.timeout_s
        if not await asyncio.to_thread(self._poller.join, patience_s):
            self._log("kafka.close_timeout", seconds=patience_s)

    async def _select(self) -> tuple[str, ...]:
        names = await asyncio.to_thread(self._admin.topics) if self._selection.patterns else ()
        return self._selection.among(names)

    def _watched(self, running: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(running)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A bug in what looks after topics and extents ends the source, as one in the poll thread does: it must not go unnoticed."""
        if not task.cancelled() and (error := task.exception()) is not None:
            failure = InvariantViolated(f"what looks after the topics ended: {type(error).__name__}")
            failure.__cause__ = error
            self._mailbox.fail(failure)

    async def _refresh(self) -> None:
        """Subscribes anew where topics that match a pattern came or went, and has those looked at that were made anew."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), self._settings.refresh_s)
            self._look.clear()
            try:
                topics = await self._select()
                if topics != self._topics:
                    added, removed = _less(topics, self._topics), _less(self._topics, topics)
                    self._log("kafka.topics_changed", added=added, removed=removed)
                    self._mailbox.subscribe(topics)
                    self._topics = topics
                self._mailbox.suspect_topics(await asyncio.to_thread(self._ids.changed))
            except StartRefused as error:
                self._log("kafka.refresh_failed", reason=str(error))


def _less(topics: Sequence[str], others: Sequence[str]) -> list[str]:
    return sorted(set(topics).difference(others))


def _waker(loop: asyncio.AbstractEventLoop, ready: asyncio.Event) -> Callable[[], None]:
    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ready.set)

    return wake


def _teller(loop: asyncio.AbstractEventLoop, told: Callable[[int], None]) -> Callable[[int], None]:
    def tell(number: int) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(told, number)

    return tell
