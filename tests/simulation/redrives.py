"""A world in which somebody redrives dead letters while all else goes on: some of them, again, and broken off half way."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from stream_guard.carrying.restoring import RestoringSource
from stream_guard.delivery.ports import Source
from stream_guard.events.outcome import RejectionReason
from stream_guard.records import Lease, Record, TopicPartition
from stream_guard.redrive.choice import Filter, Terms, select
from stream_guard.redrive.letters import Letters, Place, opened
from stream_guard.redrive.provenance import redriven, restored
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.fold import fold
from stream_guard.verdicts.model import Rank
from tests.simulation.corpus import DEAD_LETTERS, EPOCH_S, LANE, NAMESPACE, PACKED, Fate
from tests.simulation.coverage import Coverage
from tests.simulation.log import Evidence, Letter, Parsed, SimRecord
from tests.simulation.oracle import Oracle
from tests.simulation.rest import check_end
from tests.simulation.schedule import Schedule, make_schedule
from tests.simulation.world import World, _end

if TYPE_CHECKING:
    from tests.simulation.member import Member

REDRIVE: Final = "redrive"
_TERMS: Final = Terms(NAMESPACE, LANE, max_hops=1_000)
_MENDED: Final = (Fate.JUDGED, Fate.SPLIT)
"""What can be judged once no fault is left."""
_LAST_ROUNDS: Final = 2
"""Everything is redriven once more when no fault is left, and again."""


def make_redrives(seed: int) -> Schedule:
    """The schedule of a seed, with nothing in it that no redrive could mend; its asks go wrong more often."""
    schedule = make_schedule(seed)
    own = schedule.rates
    rates = replace(
        own,
        garbage=max(own.garbage, 0.2),
        rejected=max(own.rejected, 0.1),
        transient=own.transient or seed % 2 / 5,
        stuck=0.0,
    )
    packing = tuple(PACKED) if seed % 2 else schedule.packing
    return replace(schedule, rates=rates, ordered=(), respond_by=(), packing=packing, killers=0, outages_only=False)


class RedrivenRecord(SimRecord):
    """A record of the redrive topic, and the record that it stands for."""

    __slots__ = ("original", "record", "said")

    def __init__(
        self, original: SimRecord, said: DeadLetter, record: Record, tp: TopicPartition, at: int, now_ms: int
    ) -> None:
        self.original, self.said = original, said
        sent = redriven(said, record)
        self.record = Record(Lease(*tp, 0), at, sent.value, sent.key, sent.headers, now_ms)
        super().__init__(original.content, tp, at, sent.key, now_ms)
        self.subject = original.subject
        self.asked = original.asked if said.policy_id is None else original.templates

    def evidence(self) -> Evidence:
        """What a redrive needs is less: the other policies' verdicts are published already."""
        return RedrivenEvidence(self, self.said.policy_id if self.said.scope is Scope.CASE else None)

    def under(self, lease: Lease, *, past: bool = False) -> Record:
        """As it lies in the redrive topic."""
        return replace(self.record, lease=lease, past=past)


class RedrivenEvidence(Evidence):
    """Outputs of one redrive. `policy` is the one that is judged again; None where all are."""

    __slots__ = ("_policy",)

    def __init__(self, record: SimRecord, policy: str | None) -> None:
        self._policy = policy
        super().__init__(record)

    def _complete(self) -> bool:
        if self._policy is None:
            return super()._complete()
        own = [entry for ruling in self._rulings for entry in ruling.entries if entry.policy_id == self._policy]
        return any(map(self._backed, own))


class RedriveOracle(Oracle):
    """Knows what of an output is a redrive's."""

    def __init__(self, world: RedriveWorld) -> None:
        super().__init__(world)
        self._redrives = world

    def landed(self, member: Member, parsed: Parsed) -> None:
        """Of what failed, the dead letter can be redriven."""
        super().landed(member, parsed)
        if isinstance(parsed.says, Letter):
            read = self._read(parsed)
            self._redrives.keep(parsed.says, read.said.replays + 1 if isinstance(read, RedrivenRecord) else 0)


class RedriveWorld(World):
    """One more topic, and somebody who fills it."""

    def __init__(self, seed: int, coverage: Coverage) -> None:
        super().__init__(make_redrives(seed), coverage)
        self.oracle = RedriveOracle(self)
        self.letters = Letters()
        self.redriven = 0
        self._kept: dict[Place, Record] = {}
        self._draw = random.Random(f"redrive {seed}")
        self._rounds = _LAST_ROUNDS

    def source_of(self, member: Member) -> Source:
        """The originals again."""
        return RestoringSource(member.source, {REDRIVE: restored})

    def begin(self) -> None:
        """Redrives befall the world as all else does."""
        super().begin()
        for _ in range(self._draw.choice((1, 2))):
            self.add_partition(REDRIVE)
        for _ in range(self._draw.randint(1, 4)):
            self.later(self._draw.uniform(0.5, self.schedule.horizon + 1.0), self.redrive)

    def keep(self, letter: Letter, replays: int) -> None:
        """A dead letter landed."""
        output = letter.output
        record = Record(Lease(DEAD_LETTERS, 0, 0), len(self._kept), output.value, output.key, output.headers)
        self._kept[Place(DEAD_LETTERS, 0, record.offset)] = record
        self.letters.add(record)
        said, _ = opened(record)
        if said.replays != replays:
            self.fail(f"{said!r} should count {replays} replays")

    def redrive(self, *, whole: bool = False) -> None:
        """Somebody redrives what stands there, and is broken off after some of it."""
        going = select(self.letters, Filter(), _TERMS).going
        count = len(going) if whole else self._draw.randint(0, len(going))
        self.trace("redrive", count, len(going))
        self.coverage.met("redrive", "whole" if count == len(going) else "broken off")
        for letter in going[:count]:
            self._write(letter.at)
        for holding in list(self.group.holdings.values()):
            if not holding.member.gone:
                holding.member.source.poll_soon()

    def _write(self, at: Place) -> None:
        said, record = opened(self._kept[at])
        tp = self._draw.choice([known for known in self.logs if known.topic == REDRIVE])
        original = self.record(record.topic, record.partition, record.offset)
        now_ms = int((EPOCH_S + self.loop.time()) * 1000)
        self.logs[tp].append(RedrivenRecord(original, said, record, tp, len(self.logs[tp]), now_ms))
        self.redriven += 1

    def _rest(self) -> None:
        """Once all is committed, all is redriven, twice."""
        busy = any(self.group.committed[tp] < _end(log) for tp, log in self.logs.items())
        if busy or self._unproduced or not self._rounds:
            super()._rest()
            return
        self._rounds -= 1
        self.redrive(whole=True)
        self._moved_at = self.loop.time()
        self.later(0.25, self._rest)

    def check(self, _: World) -> None:
        """Every slot of a case that failed folds to its verdict, if it has one."""
        check_end(self)
        failed = {(letter.origin, letter.policy_id) for letter in self.letters}
        for letter in self.letters:
            original = self.record(*letter.origin)
            if letter.policy_id is None or original.content.fate not in _MENDED:
                continue
            entry = next(e for e in fold(original.landed.messages).slots.values() if e.policy_id == letter.policy_id)
            self.coverage.met("redriven", letter.reason)
            for pack in original.packs:
                ids = {policy.id for policy in pack.policies}
                if letter.policy_id in ids:
                    whole = failed.issuperset((letter.origin, policy_id) for policy_id in ids)
                    self.coverage.met("redriven", "each of a pack" if whole else "one of a pack")
            if entry.rank is not Rank.FINAL:
                self.fail(f"at rest, {original!r} under {letter.policy_id} is still {entry.rank} after its redrive")
        rejected = sum(letter.reason in set(RejectionReason) for letter in self.letters)
        self.coverage.counts["redriven", "rejected again"] += rejected
