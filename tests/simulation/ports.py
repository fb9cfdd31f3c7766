"""The fake source, sink and engine of one member. All they do is decided by the world's generator and clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from stream_guard.delivery.ports import Output, Report
from stream_guard.errors import StartRefused
from stream_guard.records import Assigned, Intake, Lease, Lost, Record, Revoking, Signal, TopicPartition
from tests.simulation.corpus import DEAD_LETTERS, ROOMS, topic_id
from tests.simulation.engine import SimEngine
from tests.simulation.log import Parsed
from tests.simulation.mailbox import Mailbox

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World

__all__ = ["SimEngine", "SimSink", "SimSource"]


class SimSource:
    """One member's consumer. `leases` is what the client believes to hold, which the group may see differently."""

    def __init__(self, world: World, member: Member) -> None:
        self._world = world
        self._member = member
        self.leases: dict[TopicPartition, Lease] = {}
        self.draining: set[Lease] = set()
        self.told_to_hold: set[Lease] = set()
        """What the pipeline wants to be held back, and what is, a moment later."""
        self.paused: set[Lease] = set()
        self.credit = 0
        self._positions: dict[TopicPartition, int] = {}
        self._live_from: dict[TopicPartition, int] = {}
        """The committed offsets at the time of the assignment: what stands before them is past."""
        self._epochs: dict[TopicPartition, int] = {}
        self._signals: list[Signal] = []
        self._ready: Mailbox[Signal] = Mailbox(world.loop)
        self._waking = False
        self._polling = False
        self._given_up = False

    # -- the port -----------------------------------------------------------------------------------------------------

    async def receive(self) -> Sequence[Signal]:
        """Hands over what has happened; from here on the pipeline has heard of it."""
        signals = await self._ready.take()
        if self._given_up:
            raise StartRefused("the simulated client gave up")
        for signal in signals:
            self._world.oracle.heard(self._member, signal)
        return signals

    def grant(self, records: int) -> None:
        """Takes credit."""
        if not self._member.gone:
            self.credit += records
            self._world.oracle.granted(self._member, records)
            self.poll_soon()

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """Checks each offset against the truth, then stores it."""
        if self._member.gone:
            return
        for lease, offset in sorted(offsets.items()):
            self._world.trace("store", self._member.name, lease, offset)
            self._world.oracle.stored(self._member, lease, offset)
            self._world.group.store(self._member, lease, offset)

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """Stores the offsets and lets the leases go."""
        if self._member.gone:
            return
        self.store(offsets)
        for lease in leases:
            self._world.trace("released", self._member.name, lease)
            self._world.oracle.released(self._member, lease)
            awaited = self._world.group.released(self._member, lease)
            self._world.coverage.met("released", "in time" if awaited else "too late")

    def pause(self, leases: Collection[Lease]) -> None:
        """Reads nothing more of them, from a moment on."""
        self._order("pause", leases)

    def resume(self, leases: Collection[Lease]) -> None:
        """Reads on, from a moment on."""
        self._order("resume", leases)

    async def close(self) -> None:
        """Commits what is stored and leaves the group."""
        if not self._member.gone and self._member.in_group:
            self._member.in_group = False
            self._world.group.leave(self._member)

    @property
    def free(self) -> set[Lease]:
        """The leases that the pipeline does not want to be held back."""
        return set(self.leases.values()) - self.told_to_hold

    def _order(self, what: str, leases: Collection[Lease]) -> None:
        if self._member.gone:
            return
        self._world.trace(what, self._member.name, *leases)
        held = set(self.leases.values()).intersection(leases)
        if wrong := [lease for lease in held if (lease in self.told_to_hold) == (what == "pause")]:
            self._world.fail(f"{self._member.name} was told to {what} {wrong} again")
        self._world.coverage.met(what, self._member.why_paused(leases))
        self.told_to_hold.symmetric_difference_update(held)
        self._world.later(self._world.delay(self._world.schedule.pace.wake), self._obey)

    def _obey(self) -> None:
        self.told_to_hold.intersection_update(self.leases.values())
        self.paused = set(self.told_to_hold)
        self.poll_soon()

    # -- what the group does ------------------------------------------------------------------------------------------

    def assign(self, tp: TopicPartition, position: int) -> Lease:
        """A partition comes; reading goes on where the group has committed."""
        epoch = self._epochs[tp] = self._epochs.get(tp, 0) + 1
        lease = Lease(*tp, epoch, topic_id(tp.topic))
        self.leases[tp] = lease
        self._live_from[tp] = position
        self._positions[tp] = self._beginning(tp, position)
        self._world.oracle.assigned(self._member, lease, position)
        self._signal(Assigned((lease,)))
        self.poll_soon()
        return lease

    def revoke(self, leases: tuple[Lease, ...]) -> None:
        """Partitions are about to leave: nothing more is read of them."""
        self._world.coverage.met_all("revoke", self._member.states(list(leases)))
        self.draining.update(leases)
        self._signal(Revoking(leases))

    def gone(self, lease: Lease) -> None:
        """A partition has left in order."""
        self.draining.discard(lease)
        self._drop(lease)

    def lose(self, leases: Sequence[Lease]) -> None:
        """Partitions turn out to be gone already. What was read of them and not yet handed over is thrown away, or not."""
        self._world.coverage.met_all("lost", self._member.states(list(leases)))
        if self._world.rng.random() < 0.5:
            self._purge(set(leases))
        for lease in leases:
            self.gone(lease)
        self._signal(Lost(tuple(leases)))

    def give_up(self) -> None:
        """The client can't go on: whoever waits for it is told so."""
        self._given_up = True
        self._ready.items.append(Lost(()))
        self._ready.wake()

    def queues(self, leases: Collection[Lease]) -> bool:
        """Whether records of these leases were read and not yet handed over."""
        signals = (*self._signals, *self._ready.items)
        return any(isinstance(s, Intake) and any(r.lease in leases for r in s.records) for s in signals)

    # -- reading ------------------------------------------------------------------------------------------------------

    def poll_soon(self) -> None:
        """Reads in a while, if there is credit and anything to read."""
        if not self._polling and self.credit > 0 and self._readable():
            self._polling = True
            self._world.later(self._world.delay(self._world.schedule.pace.fetch), self._poll)

    def _poll(self) -> None:
        self._polling = False
        if self._member.gone:
            return
        readable = self._in_turn(self._readable())
        records: list[Record] = []
        for tp in readable:
            room = min(self.credit, self._world.schedule.batch) - len(records)
            if room <= 0:
                break
            records.extend(self._read(tp, self._world.rng.randint(1, room)))
        if records:
            self.credit -= len(records)
            self._signal(Intake(records, 0.001))
        self.poll_soon()

    def _in_turn(self, readable: list[TopicPartition]) -> list[TopicPartition]:
        """The order in which the client hands over what it has fetched."""
        self._world.rng.shuffle(readable)
        return readable

    def _readable(self) -> list[TopicPartition]:
        logs = self._world.logs
        return [
            tp
            for tp, lease in self.leases.items()
            if lease not in self.draining and lease not in self.paused and self._positions[tp] < len(logs[tp])
        ]

    def _read(self, tp: TopicPartition, count: int) -> Iterable[Record]:
        position, lease = self._positions[tp], self.leases[tp]
        read = self._world.logs[tp][position : position + count]
        self._positions[tp] = position + len(read)
        self._world.trace("read", self._member.name, lease, position, len(read))
        live = self._live_from[tp]
        return [record.under(lease, past=record.offset < live) for record in read if record is not None]

    def _beginning(self, tp: TopicPartition, committed: int) -> int:
        """Where reading begins: a while before, for the context, unless the log can't be asked where it begins."""
        if tp.topic != ROOMS or self._world.rng.random() < 0.1:
            return committed
        return max(0, committed - self._world.schedule.context.reread)

    def _drop(self, lease: Lease) -> None:
        tp = TopicPartition(lease.topic, lease.partition)
        self.paused.discard(lease)
        self.told_to_hold.discard(lease)
        if self.leases.get(tp) == lease:
            del self.leases[tp]

    def _purge(self, leases: set[Lease]) -> None:
        for queue in (self._signals, self._ready.items):
            for index, signal in enumerate(queue):
                if isinstance(signal, Intake):
                    kept = [record for record in signal.records if record.lease not in leases]
                    self.credit += len(signal.records) - len(kept)
                    queue[index] = Intake(kept, signal.seconds)
            queue[:] = [signal for signal in queue if not isinstance(signal, Intake) or signal.records]

    def _signal(self, signal: Signal) -> None:
        self._signals.append(signal)
        if not self._waking:
            self._waking = True
            self._world.later(self._world.delay(self._world.schedule.pace.wake), self._wake)

    def _wake(self) -> None:
        self._waking = False
        self._ready.items.extend(self._signals)
        self._signals.clear()
        self._ready.wake()


class Flight:
    """An output on its way: `landed` once it is in the log of its topic."""

    __slots__ = ("landed", "output", "parsed")

    def __init__(self, output: Output, parsed: Parsed) -> None:
        self.output = output
        self.parsed = parsed
        self.landed = False


class SimSink:
    """One member's producer: in order per topic and key, acknowledged some time after; now and then it fails, or says so."""

    def __init__(self, world: World, member: Member) -> None:
        self._world = world
        self._member = member
        self._reports: Mailbox[Report] = Mailbox(world.loop)
        self._under_way: dict[int, Flight] = {}
        self._landed: dict[int, Output] = {}
        self._last: dict[tuple[str, bytes | None], float] = {}
        self.stalled_until = 0.0
        self.no_dead_letters_until = 0.0

    def send(self, outputs: Sequence[Output]) -> None:
        """Takes outputs; each lands and is acknowledged at a time of its own, or not at all."""
        if self._member.gone:
            return
        for output in outputs:
            flight = Flight(output, self._world.oracle.sent(self._member, output))
            self._under_way[id(flight)] = flight
            self._fly(flight)

    async def reports(self) -> Sequence[Report]:
        """The fates of outputs."""
        return await self._reports.take()

    async def close(self) -> None:
        """Lets go of what is still under way: it may be written or not."""
        self.die()

    def awaits(self, leases: Collection[Lease]) -> bool:
        """Whether an acknowledgement is awaited for a record of these leases."""
        return any(flight.parsed.lease in leases for flight in self._under_way.values())

    def die(self) -> None:
        """Nobody listens any more; what is under way is written or not."""
        for flight in self._under_way.values():
            if not flight.landed and self._world.rng.random() < 0.5:
                self._land(flight)
        self._under_way.clear()

    def _fly(self, flight: Flight) -> None:
        world, rates = self._world, self._world.rates
        lane = flight.output.topic, flight.output.key
        wait = world.delay(world.schedule.pace.ack)
        now = world.loop.time()
        at = max(now + wait, self._last.get(lane, 0.0), self.stalled_until)
        self._last[lane] = at
        draw = world.rng.random()
        if flight.output.topic == DEAD_LETTERS and now < self.no_dead_letters_until:
            world.later(at - now, self._report, flight, "refused")
        elif draw < rates.sink_error:
            world.later(at - now, self._report, flight, "not written" if draw < rates.sink_error / 2 else "refused")
        elif draw < rates.sink_error + rates.sink_late:
            world.later(at - now, self._report, flight, "timed out")
            world.later(at - now + world.delay(world.schedule.pace.ack), self._land, flight)
        elif draw > 0.75:
            world.later(at - now, self._land, flight)
            world.later(at - now + world.delay(world.schedule.pace.ack), self._report, flight, None)
        else:
            world.later(at - now, self._written, flight)

    def _written(self, flight: Flight) -> None:
        self._land(flight)
        self._report(flight, None)

    def _land(self, flight: Flight) -> None:
        if not flight.landed and not self._world.over:
            flight.landed = True
            if id(flight.output) in self._landed:
                self._world.coverage.met("write", "landed twice")
            self._landed[id(flight.output)] = flight.output
            self._world.oracle.landed(self._member, flight.parsed)

    def _report(self, flight: Flight, error: str | None) -> None:
        if self._under_way.pop(id(flight), None) is None:
            return
        if error is None:
            self._world.oracle.acked(self._member, flight.parsed)
        else:
            self._world.oracle.failed(self._member, flight.parsed)
            self._world.coverage.met(
                "write", "failed but landed" if flight.landed or error == "timed out" else "failed"
            )
        self._reports.put(Report(flight.output, error, retriable=error != "refused"))
