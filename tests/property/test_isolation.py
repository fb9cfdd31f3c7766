"""A process that dies again and again: nothing is skipped, nobody is condemned who did not die alone, and the culprit is found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.kafka.consumer.apart import Apart
from stream_guard.kafka.consumer.isolation import SUSPECTED_AFTER, Isolation
from stream_guard.kafka.consumer.journal import PROVEN_AFTER, Entry, Journal, opened
from stream_guard.kafka.consumer.rescue import Job
from stream_guard.records import Lease, Record, TopicPartition
from tests.members import LogBook

TOPIC = "chat"
_STEPS = 3_000


def make_journal(folder: Path) -> Journal:
    """The journal of this folder."""
    journal = opened(folder, "cluster", "group", LogBook())
    assert journal is not None
    return journal


entries = st.builds(
    Entry, held=st.booleans(), low=st.integers(-1, 99), high=st.integers(-1, 99), alone=st.booleans(),
    first=st.integers(-1, 99), last=st.integers(-2, 99), ends=st.integers(0, 9), suspect=st.integers(-1, 99),
    deaths=st.integers(0, 9),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 3), entries), min_size=1, max_size=12), st.data())
def test_a_write_that_is_cut_anywhere_leaves_what_was_there_or_what_was_to_be(
    puts: list[tuple[int, Entry]], data: st.DataObject
) -> None:
    """Of the one partition; the others stand as they stood."""
    with TemporaryDirectory() as name:
        folder, file = Path(name), Path(name) / "in-flight"
        journal = make_journal(folder)
        for partition, entry in puts[:-1]:
            journal.put(TopicPartition(TOPIC, partition), entry)
        old, before = dict(journal.entries), file.read_bytes()
        where = TopicPartition(TOPIC, puts[-1][0])
        journal.put(where, puts[-1][1])
        new, after = dict(journal.entries), file.read_bytes()
        journal.close()
        changed = (
            [at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] if before != after else [0]
        )
        cut = data.draw(st.integers(changed[0], changed[-1] + 1))
        file.write_bytes(after[:cut] + before[cut:])
        again = make_journal(folder)
        found = dict(again.entries)
        again.close()
        assert found in (old, new)


class _Reading:
    """What `Apart` sees of a rescue: the records of the log, at once."""

    def __init__(self, job: Job, end: int) -> None:
        self.job = job
        self.reached = job.begin
        self._until = end if job.until is None else min(job.until, end)

    @property
    def done(self) -> bool:
        return self.reached >= self._until

    def waiting(self) -> Record | None:
        return None if self.done else Record(self.job.lease, self.reached, b"")

    def take(self) -> Record:
        self.reached += 1
        return Record(self.job.lease, self.reached - 1, b"")

    def stop(self) -> None:
        """Nothing to stop."""


class World:
    """A log of some partitions, and a service that reads it with a window, lives and dies. Offsets are committed late."""

    def __init__(
        self, folder: Path, random: Random, poison: set[tuple[int, int]], length: int, partitions: int
    ) -> None:
        """Nothing is read yet."""
        self.folder, self.random, self.poison, self.length = folder, random, poison, length
        self.committed = dict.fromkeys(range(partitions), 0)
        self.settled: set[tuple[int, int]] = set()
        self.marked: set[tuple[int, int]] = set()
        self.died_alone: Counter[tuple[int, int]] = Counter()
        self.lives = 0
        self.stored: dict[int, int] = {}

    @property
    def done(self) -> bool:
        """Whether everything is committed."""
        return all(offset == self.length for offset in self.committed.values())

    def live(self, kills: float) -> None:
        """One life: to the end of the log, or to death."""
        self.lives += 1
        self.stored = dict(self.committed)
        journal = make_journal(self.folder)
        isolation = Isolation(journal, LogBook())
        apart = Apart(isolation, lambda job: _Reading(job, self.length), lambda _: False, LogBook())  # type: ignore[arg-type, return-value]
        leases = {p: Lease(TOPIC, p, self.lives) for p in self.committed}
        isolation.assigned(leases.values())
        position = {p: o for p, o in self.committed.items() if not apart.suspected(leases[p], o)}
        flying: dict[tuple[int, int], Record] = {}
        read_to = dict(self.committed)
        for _ in range(_STEPS):
            if self.done:
                break
            for lease, offset in apart.finished():
                position[lease.partition] = offset
            if self.random.random() < kills:
                break
            if not self._step(isolation, apart, leases, position, flying, read_to):
                break
        else:
            raise AssertionError("it stalls")
        if len(flying) == 1:
            self.died_alone[next(iter(flying))] += 1
        journal.close()  # which clears nothing

    def _step(
        self, isolation: Isolation, apart: Apart, leases: dict[int, Lease], position: dict[int, int],
        flying: dict[tuple[int, int], Record], read_to: dict[int, int],
    ) -> bool:  # fmt: skip
        """Takes some, or settles one. False where that ends the process."""
        room, commits = 8 - len(flying), self.random.random() < 0.3
        if room and self.random.random() < 0.5:
            records = apart.take(room)
            if not records and not apart.alone and position:
                partition = self.random.choice(sorted(position))
                end = min(position[partition] + self.random.randint(1, room), self.length)
                records = [Record(leases[partition], o, b"") for o in range(position[partition], end)]
                position[partition] = end
            records = isolation.marked(records)
            isolation.handed(records, apart=apart.alone)
            for record in records:
                assert record.offset == read_to[record.partition], "skipped or repeated within a lease"
                read_to[record.partition] += 1
                flying[record.partition, record.offset] = record
        elif flying:
            at = self.random.choice(sorted(flying))
            record = flying[at]
            if record.flaw:
                self.marked.add(at)
                commits = True
            elif at in self.poison:
                return False
            del flying[at]
            self.settled.add(at)
            partition = at[0]
            low = min((o for p, o in flying if p == partition), default=read_to[partition])
            isolation.stored({leases[partition]: low})
            self.stored[partition] = low
        if commits:
            self.committed |= self.stored
        return True


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(0, 3), st.sampled_from([0.0, 0.0, 0.02]))
def test_the_culprits_alone_are_marked_and_everything_else_is_settled(
    seed: int, partitions: int, culprits: int, kills: float
) -> None:
    """Each culprit costs a bounded number of lives; deaths from outside alone condemn only what died alone twice."""
    length, random = 25, Random(seed)
    poison = {(random.randrange(partitions), random.randrange(length)) for _ in range(culprits)}
    with TemporaryDirectory() as name:
        world = World(Path(name), random, poison, length, partitions)
        bound = (SUSPECTED_AFTER + PROVEN_AFTER) * (len(poison) + 1) if not kills else 400
        while not world.done:
            assert world.lives < bound, "lives were lost without headway"
            world.live(kills)
        assert world.settled == {(p, o) for p in range(partitions) for o in range(length)}
        assert all(world.died_alone[at] >= PROVEN_AFTER for at in world.marked)
        assert poison <= world.marked
        if not kills:
            assert world.marked == poison
