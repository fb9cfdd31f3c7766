"""Reading a partition apart: by a child process with a cap on its memory, past whatever it can't read.

For a batch that the service's own consumer can't read (zstd beyond what it takes), and for what it must not read itself any more,
because it may be what ended the process (a batch of 400 kB that is 400 MB once decompressed). A batch that ends the child
twice, or that it can't read either, is told as one record that names its offsets: nothing is skipped in silence.

librdkafka hands out no batch it can't read, and tells of none where it ends. So the end is searched: what is read from an
offset within the batch fails in the same way, with the same first offset, and from beyond it does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Full, Queue
from threading import Event, Thread
from typing import Final

from msgspec import Struct

from stream_guard.kafka.consumer.isolation import Suspicion
from stream_guard.kafka.consumer.rescue_child import (
    Answer,
    Between,
    Bounds,
    End,
    Failed,
    Gone,
    Next,
    Question,
    Read,
    Seek,
    Silent,
    Terms,
    Unreadable,
)
from stream_guard.kafka.consumer.rescue_process import Child, Died, Stopped
from stream_guard.kafka.settings import Log
from stream_guard.records import Flaw, Lease, Record

STRETCH: Final = 20_000
"""Records that are read apart at most before the service's own consumer goes on."""
DEATHS: Final = 2
"""How often a batch must end the child before it is given up: once may be the kernel's choice, not the batch's."""
_BATCH: Final = 500
_AGAIN_S: Final = 2.0
_TELL_S: Final = 30.0


class Job(Struct, frozen=True):
    """What is to be read apart. `begin` may be librdkafka's word for the beginning; without `until`, to the end of the log."""

    lease: Lease
    begin: int
    why: str
    until: int | None = None
    suspicion: Suspicion | None = None
    """Which of its records are to be taken one at a time, while nothing else is in flight in the whole process."""


class Rescue:
    """Carries out one job, in a thread of its own. What it reads is taken by another thread; little is held in between."""

    def __init__(self, job: Job, terms: Terms, log: Log) -> None:
        """Starts it."""
        self.job = job
        self.next = job.begin
        """The offset that follows what was taken."""
        self._log = log
        self._stopped = Event()
        self._queue: Queue[list[Record]] = Queue(maxsize=1)
        self._at = job.begin
        self._child = Child(terms, self._stopped)
        self._deaths = 0
        self._told = 0.0
        self._held: list[Record] = []
        self._thread = Thread(target=self._run, name="kafka-rescue", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether everything was read and taken."""
        return not self._thread.is_alive() and self._queue.empty() and not self._held

    @property
    def reached(self) -> int:
        """Where reading goes on, once it is done."""
        return self._at

    def waiting(self) -> Record | None:
        """The next record, None where none is there yet."""
        if not self._held and not self._queue.empty():
            self._held = self._queue.get_nowait()
        return self._held[0] if self._held else None

    def take(self) -> Record:
        """Takes the record that waits."""
        record = self._held.pop(0)
        self.next = record.offset + 1
        return record

    def stop(self) -> None:
        """It is not wanted any more. Returns at once; the thread ends soon, and its child with it."""
        self._stopped.set()

    # -- in its own thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        where = {"topic": self.job.lease.topic, "partition": self.job.lease.partition}
        try:
            if (until := self._until()) is not None:
                self._log("rescue.reading", **where, first=self._at, until=until, reason=self.job.why)
                while self._at < until:
                    self._step(until)
                self._log("rescue.over", **where, goes_on_at=self._at)
        except (Stopped, _NoMore):
            pass
        except Exception as error:  # noqa: BLE001 - nothing is lost: the service's own consumer goes on where this ended
            self._log("rescue.failed", **where, offset=self._at, reason=f"{type(error).__name__}: {error}")
        finally:
            self._child.end()

    def _until(self) -> int | None:
        """Where this ends; None where the position is not in the log: then the service's own consumer tells so."""
        while True:
            try:
                answer = self._child.ask(Bounds())
            except Died as death:
                answer = Failed(str(death))
            if isinstance(answer, Between):
                break
            self._wait(answer)
        if self._at < 0:
            self._at = answer.low
        if not answer.low <= self._at <= answer.high:
            return None
        end = min(answer.high, self._at + STRETCH)
        self._seek(self._at)
        return end if self.job.until is None else min(self.job.until, answer.high)

    def _step(self, until: int) -> None:
        try:
            answer = self._child.ask(Next(_BATCH))
        except Died as death:
            self._on_death(str(death))
            return
        if isinstance(answer, Read):
            self._deaths = 0
            self._deliver(_records(answer, self.job.lease), until)
        elif isinstance(answer, Unreadable):
            base = answer.base
            self._pass_over(lambda found: isinstance(found, Unreadable) and found.base == base, answer.why)
        elif isinstance(answer, End):
            self._at = max(self._at, min(answer.offset, until))
            raise _NoMore
        elif isinstance(answer, Gone):
            raise _NoMore
        else:
            self._wait(answer)
            if isinstance(answer, Failed):
                self._seek(self._at)

    def _on_death(self, how: str) -> None:
        self._deaths += 1
        lease = self.job.lease
        self._log(
            "rescue.died", topic=lease.topic, partition=lease.partition, offset=self._at, how=how, deaths=self._deaths
        )
        if self._deaths < DEATHS:
            self._seek(self._at)
            return
        self._pass_over(lambda found: found is None, f"to read it takes more memory than kafka.rescue_memory ({how})")
        self._deaths = 0

    def _deliver(self, records: list[Record], until: int) -> None:
        wanted = [record for record in records if record.offset < until]
        self._hand_on(wanted)
        self._at = until if len(wanted) < len(records) else records[-1].offset + 1

    def _hand_on(self, records: list[Record]) -> None:
        while records:
            if self._stopped.is_set():
                raise Stopped
            try:
                self._queue.put(records, timeout=0.2)
            except Full:
                continue
            return

    def _pass_over(self, same: Callable[[Answer | None], bool], why: str) -> None:
        """Tells the batch that can't be read as one record, which has its last offset, and goes on behind it."""
        lease, first = self.job.lease, self._at
        if not self._is_within(first, same):  # it was the network's fault, or that of the batch behind this one
            self._seek(first)
            return
        answer = self._asked(Bounds())
        end = answer.high if isinstance(answer, Between) else first + 1
        last = last_within(first, end, lambda offset: self._is_within(offset, same))
        flaw = f"offsets {first} to {last} can't be read: {why}"
        self._log("rescue.unreadable", topic=lease.topic, partition=lease.partition, first=first, last=last, reason=why)
        self._hand_on([Record(lease, last, None, flaw=flaw, flaw_kind=Flaw.UNREADABLE_BATCH)])
        self._at = last + 1
        self._seek(self._at)

    def _is_within(self, offset: int, same: Callable[[Answer | None], bool]) -> bool:
        """Whether reading from there fails in the same way. A death counts where it repeats."""
        for _ in range(DEATHS):
            found = self._found(offset)
            if found is not None:
                return same(found)
        return same(None)

    def _found(self, offset: int) -> Answer | None:
        """What reading from an offset comes to first, None where the child ends over it."""
        self._seek(offset)
        while True:
            try:
                answer = self._child.ask(Next(1))
            except Died:
                return None
            if not isinstance(answer, Silent | Failed):
                return answer
            self._wait(answer)
            self._seek(offset)

    def _seek(self, offset: int) -> None:
        self._asked(Seek(offset))

    def _asked(self, question: Question) -> Answer:
        """The answer to what no child ends over."""
        while True:
            try:
                return self._child.ask(question)
            except Died as death:
                self._wait(Failed(str(death)))

    def _wait(self, answer: Answer) -> None:
        """The cluster gives nothing now: told now and then, never given up."""
        now = time.monotonic()
        if now - self._told > _TELL_S and (why := getattr(answer, "why", "")):
            self._told = now
            self._log("rescue.waiting", topic=self.job.lease.topic, partition=self.job.lease.partition, reason=why)
        failed = isinstance(answer, Failed)
        if failed:
            self._child.end()
        if self._stopped.wait(_AGAIN_S if failed else 0):
            raise Stopped


class _NoMore(Exception):
    """There is nothing more to read apart."""


def last_within(first: int, end: int, within: Callable[[int], bool]) -> int:
    """The last offset of the batch that holds `first`; `end` is the end of the log. Asks 2 log2(its length) times.

    `within` must hold up to some offset and for none beyond: it is not asked of `first`.
    """
    low, step = first, 1
    while low + step < end and within(low + step):
        low += step
        step *= 2
    high = min(low + step, end)
    while high - low > 1:
        middle = (low + high) // 2
        if within(middle):
            low = middle
        else:
            high = middle
    return low


def _records(answer: Read, lease: Lease) -> list[Record]:
    return [
        Record(
            lease, offset, value, key, tuple((name, header) for name, header in headers), timestamp_ms, timestamp_type,
            leader_epoch, flaw, flaw_kind=flaw_kind,
        )
        for offset, value, key, headers, timestamp_ms, timestamp_type, leader_epoch, flaw, flaw_kind in answer.records
    ]  # fmt: skip
