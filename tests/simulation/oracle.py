"""Knows the truth and watches everything that passes a port. Each check costs what the event costs, never a rescan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ledger import Ledger
from stream_guard.delivery.ports import Output
from stream_guard.engines.port import Ask
from stream_guard.policy.document import Category, Decision
from stream_guard.policy.packed import Packed
from stream_guard.records import Intake, Lease, Lost, Record, Revoking, Signal, TopicPartition
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.simulation.contract import Answers, Seen, check_ruling, check_verdict
from tests.simulation.corpus import ANSWERS, THINKS, Fate
from tests.simulation.deadlines import Deadlines
from tests.simulation.log import Evidence, Letter, Parsed, SimRecord
from tests.simulation.order import Order
from tests.simulation.policies import asked_in
from tests.simulation.reading import read_output
from tests.simulation.rooms import due, kind_of, shown_in, wrong_signals, wrong_with

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World


class Delivery:
    """One record under one lease: what of its own outputs was acknowledged."""

    __slots__ = ("acked", "awaited", "record")

    def __init__(self, record: SimRecord) -> None:
        self.record = record
        self.acked = record.evidence()
        self.awaited = 0
        """Outputs sent and not acknowledged yet."""

    @property
    def settled(self) -> bool:
        """Whether this delivery's own outputs are all there, acknowledged."""
        return self.acked.settled and not self.awaited


class Tenure:
    """One lease of one member, as the oracle follows it."""

    __slots__ = ("began", "deliveries", "lease", "leaving", "open", "opened", "state", "stored")

    def __init__(self, lease: Lease, start: int) -> None:
        self.lease = lease
        self.began = start
        """What stands below is past."""
        self.stored = start
        """Everything below is stored, and was rightly so."""
        self.leaving = False
        """Whether the pipeline was told that it must let go."""
        self.state = "held"
        """`held`, then `revoked` once the pipeline let go, or `lost` once it heard of the loss."""
        self.deliveries: dict[int, Delivery] = {}
        self.open = 0
        """Deliveries that are not settled."""
        self.opened: set[int] | None = None
        """Once the guard stopped it: the offsets that were open then. No other may be opened any more."""


class Oracle:
    """Says what is wrong as soon as it is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tenures: dict[tuple[Member, Lease], Tenure] = {}
        self._current: dict[tuple[Member, str, int], Lease] = {}
        self._settled_below: dict[TopicPartition, int] = {}
        self._answers: Answers = {}
        self._seen: Seen = {}
        self._told: dict[int, set[bool]] = {}
        """Whether a message, by its number, was shown with all that was said before it."""
        self._looked: set[tuple[str, int, int]] = set()
        """Which parts, by member, policy and number, were looked at and not asked about since."""
        self._spoiled: set[tuple[str, int, str]] = set()
        self._order = Order(world)
        self._deadlines = Deadlines(world)
        self._credit: dict[Member, int] = {}
        self._open: dict[Member, int] = {}

    # -- source -------------------------------------------------------------------------------------------------------

    def assigned(self, member: Member, lease: Lease, position: int) -> None:
        """The client got a partition."""
        met, world = self._world.coverage.met, self._world
        world.trace("assign", member.name, lease, position)
        self._tenures[member, lease] = Tenure(lease, position)
        old = self._current.get((member, lease.topic, lease.partition))
        self._current[member, lease.topic, lease.partition] = lease
        met("assign", "first time" if old is None else "back to the same member")
        if old is not None and member.engine.asks_of([old]):
            met("assign", "back while an old ask is in the engine")
        if old is not None and member.sink.awaits([old]):
            met("assign", "back while an old ack is awaited")
        rest = world.logs[TopicPartition(lease.topic, lease.partition)][position:]
        if any(record is not None and record.landed.messages for record in rest):
            met("assign", "redelivers what has landed")

    def granted(self, member: Member, records: int) -> None:
        """The pipeline gave credit: with what it holds unsettled that must not exceed its window."""
        self._credit[member] = self._credit.get(member, 0) + records
        held = self._credit[member] + self._open.get(member, 0)
        if held > self._world.schedule.bounds.records:
            self._world.fail(
                f"{member.name} took or asked for {held} records, its window holds {self._world.schedule.bounds.records}"
            )

    def heard(self, member: Member, signal: Signal) -> None:
        """The pipeline was told of a signal."""
        if isinstance(signal, Intake):
            self._credit[member] -= len(signal.records)
            for record in signal.records:
                self._delivered(member, record)
        elif isinstance(signal, Revoking):
            for lease in signal.leases:
                self._tenures[member, lease].leaving = True
        elif isinstance(signal, Lost):
            for lease in signal.leases:
                self._world.trace("lost", member.name, lease)
                self._end(member, lease, "lost")

    def _delivered(self, member: Member, record: Record) -> None:
        tenure = self._tenures[member, record.lease]
        if record.past:
            return  # whatever is sent, stored or counted for it is wrong
        known = self._world.record(record.topic, record.partition, record.offset)
        delivery = tenure.deliveries[record.offset] = Delivery(known)
        self._order.delivered(member, record.lease, delivery)
        if tenure.state == "held" and not tenure.leaving and not delivery.settled and tenure.opened is None:
            tenure.open += 1
            self._open[member] = self._open.get(member, 0) + 1

    def _end(self, member: Member, lease: Lease, state: str) -> None:
        tenure = self._tenures[member, lease]
        tenure.state = state
        self._open[member] = self._open.get(member, 0) - tenure.open
        tenure.open = 0

    def stopped(self, member: Member, ledger: Ledger[Hearing]) -> None:
        """The guard stopped a partition: what is not open by now leaves the window, and is neither judged nor committed."""
        tenure = self._tenures[member, ledger.lease]
        tenure.opened = {hearing.record.offset for hearing in ledger}
        still = sum(1 for offset in tenure.opened if not tenure.deliveries[offset].settled)
        self._open[member] -= tenure.open - still
        tenure.open = still

    def released(self, member: Member, lease: Lease) -> None:
        """The pipeline let a lease go."""
        tenure = self._tenures[member, lease]
        if tenure.state == "held":
            self._end(member, lease, "revoked")

    def stored(self, member: Member, lease: Lease, offset: int) -> None:
        """The pipeline made an offset ready to be committed: all below it must be settled, by what this lease itself sent."""
        tenure = self._tenures.get((member, lease))
        if tenure is None or tenure.state == "lost":
            when = "which it never held" if tenure is None else "after it had heard that it is lost"
            self._world.fail(f"{member.name} stored {offset} for {lease} {when}")
            return
        if offset > tenure.stored:
            self._world.coverage.met("store", "moved on")
        if member.source.leases.get(TopicPartition(lease.topic, lease.partition)) == lease and not member.in_group:
            self._world.coverage.met("store", "before the lost was heard of")
        wrong = self._move_on(tenure, offset)
        if wrong:
            self._world.fail(f"{member.name} stored {offset} for {lease}, but {wrong}")

    def _move_on(self, tenure: Tenure, offset: int) -> str | None:
        """Looks at each record between what was stored before and `offset`, once. Returns what forbids to go so far."""
        log = self._world.logs[TopicPartition(tenure.lease.topic, tenure.lease.partition)]
        while tenure.stored < offset:
            if tenure.stored >= len(log) or log[tenure.stored] is not None:
                delivery = tenure.deliveries.get(tenure.stored)
                if delivery is None:
                    return f"{tenure.stored} was never delivered under it"
                if not delivery.settled:
                    return f"{delivery.record!r} is not settled under it"
            tenure.stored += 1
        return None

    def committed(self, tp: TopicPartition, before: int, offset: int) -> None:
        """The group committed: everything below must stand in the output logs."""
        if offset < before:
            self._world.fail(f"{tp} was committed back from {before} to {offset}")
        below, log = self._settled_below.get(tp, 0), self._world.logs[tp]
        while below < offset and below < len(log):
            record = log[below]
            if record is not None and not record.landed.settled:
                break
            below += 1
        self._settled_below[tp] = below
        if below < offset:
            self._world.fail(f"{tp} committed {offset}, but what {below} needs has not been written")

    # -- sink ---------------------------------------------------------------------------------------------------------

    def sent(self, member: Member, output: Output) -> Parsed:
        """Reads an output and checks what it says."""
        parsed = read_output(self._world, output)
        record, says = parsed.record, parsed.says
        self._world.trace("send", member.name, *record.tp, record.offset, type(says).__name__)
        tenure = self._tenures.get((member, parsed.lease))
        if tenure is None or parsed.offset not in tenure.deliveries:
            self._world.fail(f"{member.name} sent an output for {record!r} under {parsed.lease}, which it never had")
        else:
            tenure.deliveries[parsed.offset].awaited += 1
            if tenure.opened is not None and parsed.offset not in tenure.opened:
                self._world.fail(f"{member.name} opened {record!r} after the guard had stopped {parsed.lease}")
            if (wrong := self._order.sent(member, parsed.lease, record)) is not None:
                self._world.fail(f"{member.name}: {record!r} {wrong}")
        for wrong in self._wrong(parsed, output.key):
            self._world.fail(f"{member.name}: {type(says).__name__} of {record!r}: {wrong}")
        return parsed

    def landed(self, member: Member, parsed: Parsed) -> None:
        """An output stands in the log of its topic."""
        self._world.trace("land", member.name, *parsed.record.tp, parsed.record.offset)
        evidence = parsed.record.landed
        if isinstance(parsed.says, Verdict | Ruling) and (wrong := self._order.landed(parsed.record)) is not None:
            self._world.fail(f"{parsed.record!r} {wrong}")
        if isinstance(parsed.says, Verdict):
            self._meet_verdict(parsed.record, parsed.says, evidence)
        elif isinstance(parsed.says, Ruling):
            self._meet_ruling(parsed.record, parsed.says)
        evidence.add(parsed.says)
        if (read := self._read(parsed)) is not parsed.record:
            read.landed.add(parsed.says)  # what a record of ours comes to also settles that record
        self._world.published.append(parsed)

    def _read(self, parsed: Parsed) -> SimRecord:
        """The record that was read: not the one that an output is about, where that was redriven or escalated."""
        return self._world.record(parsed.lease.topic, parsed.lease.partition, parsed.offset)

    def acked(self, member: Member, parsed: Parsed) -> None:
        """The pipeline is about to be told that an output was written."""
        tenure = self._tenures[member, parsed.lease]
        self._world.coverage.met("ack", self._when(member, tenure))
        delivery = tenure.deliveries[parsed.offset]
        was_open = not delivery.settled
        delivery.awaited -= 1
        delivery.acked.add(parsed.says)
        if was_open and delivery.settled and tenure.open:
            tenure.open -= 1
            self._open[member] -= 1

    def failed(self, member: Member, parsed: Parsed) -> None:
        """The pipeline is about to be told that an output was not written."""
        self._tenures[member, parsed.lease].deliveries[parsed.offset].awaited -= 1

    # -- engine -------------------------------------------------------------------------------------------------------

    def asked(self, member: Member, open_asks: int) -> None:
        """The pipeline asked."""
        if open_asks > self._world.schedule.bounds.asks:
            self._world.fail(f"{member.name} has {open_asks} asks open, {self._world.schedule.bounds.asks} allowed")

    def shown(self, member: Member, ask: Ask) -> None:
        """The pipeline asked about a message: what it shows of what was said before follows from the log."""
        shown, record, asked = shown_in(ask.prompt), self._world.by_number.get(ask.prompt[1]), asked_in(ask.prompt)
        if record is not None and self._begins(member, ask) and (late := self._deadlines.asked(record)) is not None:
            self._world.fail(f"{member.name} {late}")
        if record is not None and isinstance(asked, Packed) and asked not in record.packs:
            self._world.fail(f"{member.name} asks about {record!r} under {asked.id} together, which its route does not")
        if shown is None or record is None:
            return
        self._told.setdefault(record.content.number, set()).add(shown.whole)
        is_due = due(self._world.logs[record.tp], record, self._world.schedule.context)
        if (wrong := wrong_with(shown, is_due)) is not None:
            self._world.fail(f"{member.name} asks about {record!r} and {wrong}")
        if (lease := member.engine.leases[ask.id]) is None:
            return
        past = (
            bool(shown.numbers) and self._world.by_number[shown.numbers[0]].offset < self._tenures[member, lease].began
        )
        self._world.coverage.met("context", kind_of(shown, is_due, past=past))

    def _begins(self, member: Member, ask: Ask) -> bool:
        """Whether an ask is the first about its part: a step after it may come late, most of its time is spent."""
        looked = (member.name, ask.prompt[0], ask.prompt[1])
        if ask.prompt[-1] == ANSWERS and THINKS not in ask.prompt:
            self._looked.add(looked)
        elif looked in self._looked:
            self._looked.discard(looked)
            return False
        return THINKS not in ask.prompt[:-1]

    def answered(self, member: Member, ask: Ask, *, cancelled: bool) -> None:
        """The engine is done with an ask."""
        self._world.trace("answer", member.name, ask.prompt[0], ask.prompt[1])
        lease = member.engine.leases.get(ask.id)
        tenure = None if lease is None else self._tenures[member, lease]
        self._world.coverage.met("completion", "after cancel" if cancelled else "in time")
        if tenure is not None and tenure.state != "held":
            self._world.coverage.met("completion", f"after {tenure.state.replace('revoked', 'revoke')}")

    def judged(self, policy_id: str, number: int, category: Category, items: frozenset[int]) -> None:
        """The engine told what it truly holds of a content under a policy, or of some items of a long one."""
        self._seen.setdefault((policy_id, number), set()).update(items)
        self._answers.setdefault((policy_id, number), set()).add((category.decision, category.id))

    def spoiled(self, policy_id: str, number: int, how: str) -> None:
        """The engine gave no true answer about a content under a policy."""
        self._spoiled.add((policy_id, number, how))

    def lease_asked_under(self, member: Member, ask: Ask) -> Lease | None:
        """Under which lease an ask is made just now, as far as can be told from outside: the current one of its record."""
        record = self._world.by_number.get(ask.prompt[1])
        return None if record is None else self._current.get((member, *record.tp))

    # -- what it says ------------------------------------------------------------------------------------------------

    def _wrong(self, parsed: Parsed, key: bytes | None) -> list[str]:
        record, says = parsed.record, parsed.says
        if record.content.fate is Fate.IGNORED:
            return ["the record is to be ignored"]
        if isinstance(says, Verdict | Ruling) and key != (says.subject.encode() if record.key is None else record.key):
            return ["the key is neither the record's own nor the subject"]
        if isinstance(says, Verdict):
            wrong = check_verdict(record, self._read(parsed), says, self._answers, self._spoiled, self._seen)
            wrong += self._deadlines.said(record, says)
            return [*wrong, *wrong_signals(says, self._told.get(record.content.number, {True}))]
        if isinstance(says, Ruling):
            return check_ruling(record, says, self._answers, self._seen)
        if isinstance(says, Letter) and (says.scope == "record") != (record.content.fate is Fate.REJECTED):
            return [f"scope {says.scope}"]
        return []

    def _when(self, member: Member, tenure: Tenure) -> str:
        lease = tenure.lease
        if self._current[member, lease.topic, lease.partition] != lease:
            return "after the partition came back"
        return {"held": "in time", "revoked": "after revoke", "lost": "after lost"}[tenure.state]

    def _meet_verdict(self, record: SimRecord, verdict: Verdict, evidence: Evidence) -> None:
        met, template = self._world.coverage.met, record.asked_under(verdict)
        earlier = {message.decision for message in evidence.messages if message.id == verdict.id}
        if earlier:
            met("verdict", "repeated after a redelivery")
        if earlier - {verdict.decision}:
            met("verdict", "repeated with another decision")
        said = verdict.abstention.reason if verdict.abstention else verdict.decision
        packed = template is not None and isinstance(template.asked, Packed)
        for event in ("verdict", *(["split"] if "split" in verdict.signals else [])):
            met(event, said)
            if packed:
                met(f"packed {event}", said)

    def _meet_ruling(self, record: SimRecord, ruling: Ruling) -> None:
        """What those policies come to that one ask was about."""
        for pack in record.packs:
            entries = [entry for entry in ruling.entries if entry.policy_id in {policy.id for policy in pack.policies}]
            abstained = {entry.rank is Rank.ABSTENTION for entry in entries}
            allowed = {entry.decision is Decision.ALLOW for entry in entries}
            how = "some abstain" if len(abstained) > 1 else "some allow" if len(allowed) > 1 else "the same of all"
            self._world.coverage.met("packed ruling", how)
