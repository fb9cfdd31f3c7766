"""The partitions that are read apart, one after the other: first those with records that are to be taken one at a time.

Until these are past, nothing else is handed on, so that whatever ends the process then was alone in flight. Then each is read apart
as far as what the consumer would fetch ahead, and only then by the consumer again: what it fetches may be what ended the process.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from typing import TypeAlias

from msgspec.structs import replace

from stream_guard.kafka.consumer.isolation import Isolation
from stream_guard.kafka.consumer.rescue import Job, Rescue
from stream_guard.kafka.settings import Log
from stream_guard.records import Lease, Record, TopicPartition

Begin: TypeAlias = Callable[[Job], Rescue]
"""Starts reading apart."""


class Apart:
    """The jobs under way and to come. One thread's own."""

    def __init__(
        self,
        isolation: Isolation,
        begin: Begin,
        holds_back: Callable[[Lease], bool],
        log: Log,
        *,
        commit_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read apart yet. `holds_back` says of which leases nothing is to be taken for now: others go first.

        `commit_s` is how long it takes until what is stored is committed.
        """
        self._commit_s, self._clock = commit_s, clock
        self._culprit, self._not_before = False, 0.0
        self._isolation, self._begin, self._holds_back, self._log = isolation, begin, holds_back, log
        self._jobs: deque[Job] = deque()
        self._rescue: Rescue | None = None
        self._handed = False
        self._alone = False

    @property
    def active(self) -> bool:
        """Whether any partition is read apart."""
        return self._rescue is not None or bool(self._jobs)

    @property
    def alone(self) -> bool:
        """Whether nothing but what is read apart may be handed on."""
        return self._alone

    @property
    def reading(self) -> Lease | None:
        """Which is read now."""
        return None if self._rescue is None else self._rescue.job.lease

    def suspected(self, lease: Lease, begin: int) -> bool:
        """Whether a partition that came is to be read apart from `begin`, since something in it is suspected."""
        suspicion = self._isolation.of(TopicPartition(lease.topic, lease.partition))
        if suspicion is None:
            return False
        why = f"the process ended {suspicion.ends} times in a row without headway in this partition"
        if suspicion.records:
            job = Job(lease, begin, why, suspicion.last + 1, suspicion)
            self._jobs.insert(sum(1 for other in self._jobs if other.suspicion), job)
            self._tell_begin(lease, suspicion.first, suspicion.last, suspicion.ends)
        else:
            self._jobs.append(Job(lease, begin, why))
        self._set_alone()
        return True

    def unreadable(self, lease: Lease, begin: int, why: str) -> None:
        """The consumer can't read on at `begin`."""
        self._jobs.append(Job(lease, begin, why))

    def take(self, room: int) -> list[Record]:
        """Up to `room` records, to be handed on at once; a suspect by itself. Never waits."""
        records: list[Record] = []
        rescue = self._rescue
        if rescue is not None and self._holds_back(rescue.job.lease):
            return []
        while rescue is not None and len(records) < room and (record := rescue.waiting()) is not None:
            suspicion = rescue.job.suspicion
            suspect = suspicion is not None and suspicion.first <= record.offset
            if suspicion is not None and (suspect or not self._handed) and (records or not self._isolation.idle):
                break
            if suspect and self._commits():
                break
            rescue.take()
            self._handed = True
            self._culprit = self._culprit or self._isolation.proves(record)
            records.append(record)
            if suspect:
                break
        return records

    def finished(self) -> list[tuple[Lease, int]]:
        """Which partitions the consumer is to read on, and from where. Begins what comes next."""
        gone_on: list[tuple[Lease, int]] = []
        rescue = self._rescue
        if rescue is not None and rescue.done and (rescue.job.suspicion is None or self._isolation.idle):
            self._rescue = None
            if rescue.job.suspicion is None:
                self._isolation.read_ahead(rescue.job.lease)
                gone_on.append((rescue.job.lease, rescue.reached))
            else:
                self._jobs.append(Job(rescue.job.lease, rescue.reached, rescue.job.why))
        self._begin_next()
        self._set_alone()
        return gone_on

    def drop(self, leases: Collection[Lease]) -> None:
        """These left: nothing of them is read any more."""
        self._jobs = deque(job for job in self._jobs if job.lease not in leases)
        if self._rescue is not None and self._rescue.job.lease in leases:
            self._rescue.stop()
            self._rescue = None
        self._set_alone()

    def stop(self) -> None:
        """Reads nothing apart any more."""
        self._jobs.clear()
        if self._rescue is not None:
            self._rescue.stop()
            self._rescue = None

    def _commits(self) -> bool:
        """Whether to wait after a culprit, which is settled by now, until that is committed.

        Else, if the next suspect ends the process at once, the culprit is read again, and the two clear each other for ever.
        """
        now = self._clock()
        if self._culprit:
            self._culprit, self._not_before = False, now + self._commit_s
        return now < self._not_before

    def _begin_next(self) -> None:
        """One that is held back gives way to another that is not."""
        job = next((job for job in self._jobs if not self._holds_back(job.lease)), None)
        if job is None:
            return
        if self._rescue is not None:
            if not self._holds_back(self._rescue.job.lease):
                return
            self._rescue.stop()
            self._jobs.append(replace(self._rescue.job, begin=self._rescue.next))
        self._jobs.remove(job)
        self._handed, self._rescue = False, self._begin(job)

    def _set_alone(self) -> None:
        jobs = self._jobs if self._rescue is None else (self._rescue.job, *self._jobs)
        alone = any(job.suspicion is not None and not self._holds_back(job.lease) for job in jobs)
        if self._alone and not alone:
            self._log(
                "isolation.over", meaning="nothing is suspected any more, or it left; all partitions are read again"
            )
        self._alone = alone

    def _tell_begin(self, lease: Lease, first: int, last: int, ends: int) -> None:
        self._log(
            "isolation.begins", topic=lease.topic, partition=lease.partition, first=first, last=last, ends=ends,
            meaning="they were in flight at every one of these ends: each is taken by itself, and nothing beside it",
        )  # fmt: skip
