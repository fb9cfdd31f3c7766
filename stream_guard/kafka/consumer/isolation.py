"""Which records may have brought the process down, and how they are told from those beside them.

After `SUSPECTED_AFTER` unclean ends in a row that had the same records in flight, those are taken one at a time, each only
once nothing else is in flight in the whole process. Where it then ends again, the one record in flight is the only suspect; after
`journal.PROVEN_AFTER` such ends in a row it is handed on marked, and so dead-lettered by code that does not look into it. Each pod counts
for itself: a journal knows nothing of what another pod went through.

Pure but for the journal, and one thread's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from stream_guard.kafka.consumer.journal import NOWHERE, Entry, Journal, ended, left
from stream_guard.kafka.settings import Log
from stream_guard.records import Flaw, Lease, Record, TopicPartition

SUSPECTED_AFTER: Final = 2
"""Unclean ends with the same records in flight. One alone may be a node's: it must not slow anything down."""
NAMED_AFTER: Final = 4
"""Such ends after which not even its bytes are handed on: to write them to the dead letters may be what ends the process."""


class Suspicion(Struct, frozen=True):
    """What is suspected in a partition. An empty range (`last` before `first`) accuses what was never handed on: its batch."""

    first: int
    last: int
    ends: int

    @property
    def records(self) -> int:
        """How many offsets it spans."""
        return max(self.last - self.first + 1, 0)


class Isolation:
    """Follows what is in flight, writes it to the journal, and knows what was in flight when the process last ended."""

    def __init__(self, journal: Journal | None, log: Log, told: Callable[[int], None] = lambda _: None) -> None:
        """Counts the last run's end in. Without a journal nothing is ever suspected. `told` hears how many suspects are left."""
        self._journal, self._log, self._tell, self.told = journal, log, told, 0
        self._entries: dict[TopicPartition, Entry] = {}
        """What is known of each partition that is held, or that something is suspected of."""
        self._flying: set[TopicPartition] = set()
        before = dict(journal.entries if journal else {})
        for where, entry in before.items():
            if (after := ended(entry)).ends:
                self._keep(where, after)
        self._proven = any(entry.proven for entry in self._entries.values())
        if held := [entry for entry in before.values() if entry.held]:
            flying = sum(max(entry.high - entry.low + 1, 0) for entry in held)
            log(
                "journal.unclean_end",
                partitions=len(held),
                in_flight=flying,
                ends=max(e.ends for e in map(ended, held)),
            )

    @property
    def on(self) -> bool:
        """Whether anything is kept track of."""
        return self._journal is not None

    @property
    def idle(self) -> bool:
        """Whether no record is in flight in the whole process."""
        return not self._flying

    @property
    def suspects(self) -> int:
        """Records still to be taken one at a time in the partitions that are held."""
        return sum(s.records for where, entry in self._entries.items() if entry.held and (s := self.of(where)))

    def tell(self) -> None:
        """Tells how many suspects are left, where that changed."""
        if (suspects := self.suspects) != self.told:
            self.told = suspects
            self._tell(suspects)

    def of(self, where: TopicPartition) -> Suspicion | None:
        """What is suspected in a partition, None where it is read as always."""
        entry = self._entries.get(where)
        if entry is None or entry.ends < SUSPECTED_AFTER:
            return None
        return Suspicion(max(entry.first, entry.low), entry.last, entry.ends)

    def assigned(self, leases: Iterable[Lease]) -> None:
        """Partitions came."""
        for lease in leases if self._journal is not None else ():
            entry = self._entries.get(_where(lease), Entry())
            self._put(_where(lease), replace(entry, held=True, high=NOWHERE, alone=False))

    def of_other_topics(self, partitions: Iterable[TopicPartition]) -> None:
        """Their topics were made anew: what is suspected of the old ones' records is not of these."""
        for where in partitions:
            if where in self._entries:
                self._put(where, Entry())
        self._proven = any(entry.proven for entry in self._entries.values())

    def left(self, leases: Iterable[Lease]) -> None:
        """Partitions went, in order or not: what of them is in flight is no longer ours."""
        for lease in leases:
            where = _where(lease)
            self._flying.discard(where)
            if (entry := self._entries.pop(where, None)) is not None:
                self._keep(where, left(entry))

    def handed(self, records: Sequence[Record], *, apart: bool = False) -> None:
        """Records are about to be handed on, in order. `apart` says that no others will be while they are in flight."""
        if self._journal is None:
            return
        alone = apart and self.idle and len(records) == 1
        bounds: dict[Lease, tuple[int, int]] = {}
        for run in _runs([record for record in records if not record.past]):
            first, _ = bounds.get(run[0].lease, (run[0].offset, 0))
            bounds[run[0].lease] = first, run[1].offset
        for lease, (first, last) in bounds.items():
            where = _where(lease)
            entry = self._entries.get(where)
            if entry is not None and entry.held:
                low = entry.low if where in self._flying else first
                self._flying.add(where)
                self._put(where, replace(entry, low=low, high=last, alone=alone))

    def stored(self, offsets: Mapping[Lease, int]) -> None:
        """Everything below these offsets is settled. Past what was suspected, nothing is any more."""
        if self._journal is None:
            return
        for lease, offset in offsets.items():
            where = _where(lease)
            entry = self._entries.get(where)
            if entry is None or not entry.held or entry.high == NOWHERE:
                continue
            if offset > entry.high:
                self._flying.discard(where)
            entry = replace(entry, low=offset, alone=entry.alone and offset <= entry.high)
            self._put(where, _cleared(entry) if offset > entry.last else entry)

    def read_ahead(self, lease: Lease) -> None:
        """What comes next in a partition was read, apart, and did no harm."""
        entry = self._entries.get(_where(lease))
        if entry is not None and entry.last < max(entry.first, entry.low):
            self._put(_where(lease), _cleared(entry))

    def marked(self, records: list[Record]) -> list[Record]:
        """The records as they are to be handed on: one that is proven to bring the process down is not to be looked into."""
        return [self._marked(record) for record in records] if self._proven else records

    def proves(self, record: Record) -> bool:
        """Whether this record is proven to bring the process down."""
        entry = self._entries.get(_where(record.lease))
        return entry is not None and entry.proven and entry.suspect == record.offset and not record.past

    def _marked(self, record: Record) -> Record:
        if not self.proves(record):
            return record
        entry = self._entries[_where(record.lease)]
        self._log(
            "isolation.poison", topic=record.topic, partition=record.partition, offset=record.offset, deaths=entry.deaths,
            meaning="it is dead-lettered without being looked into",
        )  # fmt: skip
        flaw = f"the process ended {entry.deaths} times with this record alone in flight"
        if entry.deaths < NAMED_AFTER:
            return replace(record, flaw=flaw, flaw_kind=Flaw.POISON)
        flaw += ": not even its bytes are kept, it stands in the topic at its offset"
        return replace(record, value=None, key=None, headers=(), flaw=flaw, flaw_kind=Flaw.POISON)

    def _put(self, where: TopicPartition, entry: Entry) -> None:
        self._entries[where] = entry
        if self._journal is not None:
            self._journal.put(where, entry)

    def _keep(self, where: TopicPartition, entry: Entry) -> None:
        """What outlives a lease: only what is suspected, or proven."""
        if entry.ends or entry.proven:
            self._entries[where] = entry
        if self._journal is not None:
            self._journal.put(where, entry)


def _cleared(entry: Entry) -> Entry:
    known = Entry(suspect=entry.suspect, deaths=entry.deaths) if entry.proven else Entry()
    return replace(known, held=entry.held, low=entry.low, high=entry.high, alone=entry.alone)


def _where(lease: Lease) -> TopicPartition:
    return TopicPartition(lease.topic, lease.partition)


def _runs(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    """The first and the last record of each row of one lease. By identity: it is done for every record."""
    if not records:
        return []
    first = last = records[0]
    lease, found = first.lease, []
    for record in records:
        if record.lease is not lease:
            found.append((first, last))
            first, lease = record, record.lease
        last = record
    return [*found, (first, last)]
