"""The broker's view of the consumer group: who owns which partition, what is committed, and how partitions change hands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from stream_guard.records import Lease, TopicPartition

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World


class Holding:
    """A partition in the hands of a member. `stored` is what the member made ready to be committed under this lease."""

    __slots__ = ("draining", "lease", "member", "stored")

    def __init__(self, member: Member, lease: Lease) -> None:
        self.member = member
        self.lease = lease
        self.stored: int | None = None
        self.draining = False


class Revocation:
    """Leases that one member was told to let go, until it has or its time is up."""

    __slots__ = ("over", "pending", "tps")

    def __init__(self, tps: Sequence[TopicPartition], leases: Iterable[Lease]) -> None:
        self.tps = tps
        self.pending = set(leases)
        self.over = False


class Group:
    """Cooperative: a partition that moves is first revoked, drained (bounded) and committed, then given to its next owner."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self.committed: dict[TopicPartition, int] = {}
        self.holdings: dict[TopicPartition, Holding] = {}
        self._targets: dict[TopicPartition, Member] = {}
        self._coming: set[TopicPartition] = set()
        self._revocations: dict[Member, list[Revocation]] = {}

    # -- rebalance ----------------------------------------------------------------------------------------------------

    def rebalance(self, *, sticky: bool = True) -> None:
        """Works out who should own what, and sets off whatever has to move."""
        members = [member for member in self._world.members if member.in_group]
        if not members:
            return
        self._targets = self._spread(members, sticky=sticky)
        leaving: dict[Member, list[TopicPartition]] = {}
        for tp, target in self._targets.items():
            holding = self.holdings.get(tp)
            if holding is None:
                self._assign_soon(tp)
            elif holding.member is not target and not holding.draining:
                leaving.setdefault(holding.member, []).append(tp)
        for member, tps in leaving.items():
            self.revoke(member, tps)

    def bounce(self) -> None:
        """Some partition leaves its member and comes back to it."""
        held = [tp for tp, holding in self.holdings.items() if not holding.draining and holding.member.in_group]
        if held:
            tp = self._rng.choice(held)
            self._targets[tp] = self.holdings[tp].member
            self.revoke(self.holdings[tp].member, [tp])

    def _spread(self, members: list[Member], *, sticky: bool) -> dict[TopicPartition, Member]:
        tps = list(self.committed)
        room = dict.fromkeys(members, -(-len(tps) // len(members)))
        targets: dict[TopicPartition, Member] = {}
        if sticky:
            for tp in tps:
                holding = self.holdings.get(tp)
                if holding is not None and room.get(holding.member, 0) > 0:
                    targets[tp] = holding.member
                    room[holding.member] -= 1
        for tp in tps:
            if tp not in targets:
                owner = self._rng.choice([member for member, left in room.items() if left > 0])
                targets[tp] = owner
                room[owner] -= 1
        return targets

    def _assign_soon(self, tp: TopicPartition) -> None:
        if tp not in self._coming:
            self._coming.add(tp)
            self._world.later(self._rng.uniform(0.0, 0.05), self._assign, tp)

    def _assign(self, tp: TopicPartition) -> None:
        self._coming.discard(tp)
        target = self._targets.get(tp)
        if target is None or not target.in_group:
            self.rebalance()
        elif tp not in self.holdings:
            lease = target.source.assign(tp, self.committed[tp])
            self.holdings[tp] = Holding(target, lease)

    # -- revoke -------------------------------------------------------------------------------------------------------

    def revoke(self, member: Member, tps: Sequence[TopicPartition]) -> None:
        """Tells a member to let go of partitions, and waits for it no longer than the drain's budget."""
        for tp in tps:
            self.holdings[tp].draining = True
        leases = tuple(self.holdings[tp].lease for tp in tps)
        revocation = Revocation(tps, leases)
        self._revocations.setdefault(member, []).append(revocation)
        member.source.revoke(leases)
        self._world.later(self._world.schedule.pace.drain, self._hand_over, member, revocation, "too slow")

    def released(self, member: Member, lease: Lease) -> bool:
        """A member has let go of a lease. False where nobody waits for that any more."""
        for revocation in self._revocations.get(member, ()):
            if lease in revocation.pending:
                revocation.pending.discard(lease)
                if not revocation.pending:
                    self._world.later(self._rng.uniform(0.0, 0.01), self._hand_over, member, revocation, "in time")
                return True
        return False

    def _hand_over(self, member: Member, revocation: Revocation, how: str) -> None:
        if revocation.over or member.gone:
            return
        revocation.over = True
        self._revocations[member].remove(revocation)
        self._world.coverage.met("drain", how)
        for tp in revocation.tps:
            holding = self.holdings.get(tp)
            if holding is not None and holding.member is member and holding.draining:
                self.commit(holding, "at hand-over")
                del self.holdings[tp]
                member.source.gone(holding.lease)
                self._assign_soon(tp)

    # -- members that go ----------------------------------------------------------------------------------------------

    def leave(self, member: Member) -> None:
        """A member leaves in order: what it stored is committed."""
        for holding in self._of(member):
            self.commit(holding, "at close")
        self.forget(member)

    def forget(self, member: Member) -> list[Lease]:
        """A member is gone or taken for dead: its partitions are free at once, and what it stored is lost."""
        lost = self._of(member)
        for holding in lost:
            del self.holdings[TopicPartition(holding.lease.topic, holding.lease.partition)]
        for revocation in self._revocations.pop(member, ()):
            revocation.over = True
        self.rebalance()
        return [holding.lease for holding in lost]

    def _of(self, member: Member) -> list[Holding]:
        return [holding for holding in self.holdings.values() if holding.member is member]

    # -- offsets ------------------------------------------------------------------------------------------------------

    def store(self, member: Member, lease: Lease, offset: int) -> None:
        """Makes an offset ready to be committed, if the lease still stands in the group."""
        holding = self.holdings.get(TopicPartition(lease.topic, lease.partition))
        if holding is not None and holding.member is member and holding.lease == lease:
            holding.stored = offset
        else:
            self._world.coverage.met("commit", "not any more")

    def commit_stored(self, member: Member) -> None:
        """The auto-commit of a member."""
        for holding in self._of(member):
            self.commit(holding, "by the timer")

    def commit(self, holding: Holding, when: str) -> None:
        """Commits what a holding has stored."""
        offset, holding.stored = holding.stored, None
        if offset is None:
            return
        tp = TopicPartition(holding.lease.topic, holding.lease.partition)
        self._world.oracle.committed(tp, self.committed[tp], offset)
        self._world.coverage.met("commit", when)
        self._world.trace("commit", *tp, offset)
        self.committed[tp] = offset
