"""Looks every few seconds how far the partitions that are held reach. In the event loop; what blocks runs in a thread.

The client itself knows that only of what it fetches, so not of what is paused or halted, and that is what a backlog is asked about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from confluent_kafka import KafkaException

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.extents import ends, extents
from stream_guard.kafka.settings import KafkaSettings, Log
from stream_guard.records import Assigned, Extent, Extents, Lease, Lost, Revoking, Signal, TopicPartition


class Survey:
    """Knows which leases are held by the signals that pass, and posts `Extents`, `KafkaSettings.survey_s` after one another."""

    def __init__(self, settings: KafkaSettings, admin: Admin, post: Callable[[Signal], None], log: Log) -> None:
        self._settings, self._admin, self._post, self._log = settings, admin, post, log
        self._committed_only = settings.consumer_config().get("isolation.level") != "read_uncommitted"
        self._begins: dict[Lease, int | None] = {}
        self._aged: set[Lease] = set()
        self._came = asyncio.Event()
        self._unknown = False

    def follow(self, signals: Iterable[Signal]) -> None:
        """These signals are handed on now."""
        for signal in signals:
            if isinstance(signal, Assigned):
                begins = signal.begins or (None,) * len(signal.leases)
                self._begins.update(zip(signal.leases, begins, strict=True))
                self._came.set()
            elif isinstance(signal, Revoking | Lost):
                for lease in signal.leases:
                    self._begins.pop(lease, None)
                    self._aged.discard(lease)

    async def watch(self) -> None:
        """Looks for ever; at once where partitions came."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), self._settings.survey_s)
            self._came.clear()
            if self._begins:
                await self._look(dict(self._begins))

    async def _look(self, begins: Mapping[Lease, int | None]) -> None:
        asked_at = time.time()
        found = await asyncio.to_thread(self._ask, begins, begins.keys() - self._aged)
        self._aged.update(lease for lease, extent in found.items() if lease in self._begins and _aged(extent))
        self._tell_unknown(len(begins) - len(found))
        if found:
            self._post(Extents(found, asked_at))

    def _ask(self, begins: Mapping[Lease, int | None], unaged: Iterable[Lease]) -> dict[Lease, Extent]:
        """Blocks, bounded. In a thread."""
        at = {TopicPartition(lease.topic, lease.partition): lease for lease in begins}
        try:
            client, seconds = self._admin.client, self._settings.timeout_s / 2
            reach = ends(client, at, seconds, committed_only=self._committed_only)
            known = {where: begins[at[where]] for where in reach}
            old = {TopicPartition(lease.topic, lease.partition) for lease in unaged}
            return {at[where]: extent for where, extent in extents(client, reach, known, old, seconds).items()}
        except (KafkaException, StartRefused):  # credentials that changed and can't be used, say
            return {}

    def _tell_unknown(self, partitions: int) -> None:
        """Once: the service does without, and backlogs stay as they were last known."""
        if partitions and not self._unknown:
            self._log("kafka.extents_unknown", partitions=partitions)
        self._unknown = bool(partitions)


def _aged(extent: Extent) -> bool:
    """Whether nothing is left to be asked of the record at which the lease began: it is known, or there was none."""
    return extent.begin_ms is not None or (extent.begin is not None and extent.begin >= extent.end)
