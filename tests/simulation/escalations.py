"""Worlds in which what is severe is asked about again while all else goes on: with more effort, or by another deployment."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from stream_guard.carrying.restoring import RestoringSource
from stream_guard.delivery.ports import Source
from stream_guard.escalation.policies import CarriedPolicies
from stream_guard.escalation.record import restored
from stream_guard.events.model import View
from stream_guard.judging.escalation import Triggers
from stream_guard.policy.document import Policy
from stream_guard.prompting.port import Template
from stream_guard.records import Lease, Record, TopicPartition
from stream_guard.routing import Escalation, Route
from stream_guard.verdicts.fold import fold
from stream_guard.verdicts.model import Rank, Verdict
from tests.simulation.corpus import EPOCH_S, ESCALATIONS, GOES_ON, LANE, NAMESPACE, PACKED, RENDERER, lifted
from tests.simulation.coverage import Coverage
from tests.simulation.log import Evidence, Parsed, SentOn, SimRecord
from tests.simulation.oracle import Oracle
from tests.simulation.policies import POLICIES
from tests.simulation.rest import check_end
from tests.simulation.schedule import Schedule, make_schedule
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.member import Member

_WHEN = Triggers(severity=GOES_ON)


def make_escalations(seed: int) -> Schedule:
    """The schedule of a seed, in which routes pack their policies more often."""
    schedule = make_schedule(seed)
    return replace(schedule, packing=tuple(PACKED) if seed % 2 else schedule.packing)


class EscalatingWorld(World):
    """Any world, with routes that ask again: with more effort, as a case of its own."""

    def __init__(self, seed: int, coverage: Coverage) -> None:
        super().__init__(make_escalations(seed), coverage)

    def routes(self) -> tuple[Route, ...]:
        """Those of the corpus."""
        return tuple(replace(route, escalation=self.escalation(route)) for route in super().routes())

    def escalation(self, route: Route) -> Escalation:
        """When a route asks again, and how."""
        higher = {
            view: {template.policy.id: self.again(template.policy, view) for template in templates}
            for view, templates in route.templates.items()
        }
        return Escalation(_WHEN, 60.0, None, higher)

    def again(self, policy: Policy, view: View) -> Template:
        """What a policy is asked under again: always by itself."""
        return lifted(policy, view)

    def produce(self, tp: TopicPartition, number: int) -> None:
        """What it may be asked under again is known of each record."""
        super().produce(tp, number)
        record = self.logs[tp][-1]
        if record is not None:
            view = record.content.view
            record.lifted = {name: self.again(template.policy, view) for name, template in record.templates.items()}

    def check(self, _: World) -> None:
        """Each first word has been followed up: by a last one, or by an abstention, and then it stands."""
        check_end(self)
        for log in self.logs.values():
            for record in log:
                if record is not None and record.landed.messages:
                    self._check(record)

    def _check(self, record: SimRecord) -> None:
        verdicts = [message for message in record.landed.messages if isinstance(message, Verdict)]
        slots = fold(record.landed.messages).slots
        went_on = {verdict.slot for verdict in verdicts if verdict.rank is Rank.PROVISIONAL}
        for slot in went_on:
            # Redelivered after a crash, a record may also be too late to be asked about at all.
            gave_up = any(verdict.slot == slot and verdict.abstention is not None for verdict in verdicts)
            entry = slots[slot]
            self.coverage.met("escalated", f"{entry.rank}, {'given up' if gave_up else 'judged'}")
            if entry.rank is not Rank.FINAL and not gave_up:
                self.fail(f"at rest, {record!r} under {entry.policy_id} is {entry.rank}, and nobody followed it up")
        for pack in record.packs:
            ids = {policy.id for policy in pack.policies}
            if went_on_of := ids & {slots[slot].policy_id for slot in went_on}:
                self.coverage.met("escalated", "each of a pack" if went_on_of == ids else "one of a pack")


class EscalatedRecord(SimRecord):
    """A record of the escalation topic, and the record that it stands for."""

    __slots__ = ("original", "policy_id", "record")

    def __init__(self, original: SimRecord, sent: SentOn, tp: TopicPartition, at: int, now_ms: int) -> None:
        self.original, self.policy_id = original, sent.policy_id
        output = sent.output
        self.record = Record(Lease(*tp, 0), at, output.value, output.key, output.headers, now_ms)
        super().__init__(original.content, tp, at, output.key, now_ms)
        self.subject = original.subject
        self.asked = {}
        self.lifted = {self.policy_id: original.lifted[self.policy_id]}

    def evidence(self) -> Evidence:
        """What it needs is the last word under its policy: all else was said before."""
        return EscalatedEvidence(self, self.policy_id)

    def under(self, lease: Lease, *, past: bool = False) -> Record:
        """As it lies in the escalation topic."""
        return replace(self.record, lease=lease, past=past)


class EscalatedEvidence(Evidence):
    """Outputs of one record that was sent on."""

    __slots__ = ("_policy",)

    def __init__(self, record: SimRecord, policy: str) -> None:
        self._policy = policy
        super().__init__(record)

    def _complete(self) -> bool:
        """The first word was published before this record came to be: where that stands, only why is awaited."""
        own = [entry for ruling in self._rulings for entry in ruling.entries if entry.policy_id == self._policy]
        return any(self._gave_up(e) if e.rank is Rank.PROVISIONAL else self._backed(e) for e in own)


class SendingOracle(Oracle):
    """Knows that what is sent on is read by somebody."""

    def __init__(self, world: SendingWorld) -> None:
        super().__init__(world)
        self._sending = world

    def landed(self, member: Member, parsed: Parsed) -> None:
        """What stands in the topic is to be judged."""
        super().landed(member, parsed)
        if isinstance(parsed.says, SentOn):
            self._sending.bring(parsed.record, parsed.says)


class SendingWorld(EscalatingWorld):
    """Routes that send on what they doubt, to a deployment that packs just as this one does: its members are the same."""

    def __init__(self, seed: int, coverage: Coverage) -> None:
        super().__init__(seed, coverage)
        # An escalation record is large, and its deadlines are its own; nobody waits for its turn.
        bounds = replace(self.schedule.bounds, bytes=1_000_000)
        self.schedule = replace(self.schedule, bounds=bounds, ordered=(), respond_by=())
        self.oracle = SendingOracle(self)
        self._draw = random.Random(f"sending {seed}")

    def escalation(self, route: Route) -> Escalation:
        """To a topic."""
        return Escalation(_WHEN, 60.0, ESCALATIONS)

    def again(self, policy: Policy, view: View) -> Template:
        """As it would be asked under there, but for a look."""
        return RENDERER.template(replace(policy, quick_look=None), view)

    def carried(self) -> CarriedPolicies:
        """Those of the routes are known."""
        return CarriedPolicies(RENDERER, POLICIES, namespace=NAMESPACE, lane=LANE)

    def source_of(self, member: Member) -> Source:
        """The originals again."""
        return RestoringSource(member.source, {ESCALATIONS: restored})

    def begin(self) -> None:
        """One more topic."""
        super().begin()
        for _ in range(self._draw.choice((1, 2))):
            self.add_partition(ESCALATIONS)

    def bring(self, original: SimRecord, sent: SentOn) -> None:
        """A record stands in the escalation topic."""
        tp = self._draw.choice([known for known in self.logs if known.topic == ESCALATIONS])
        now_ms = int((EPOCH_S + self.loop.time()) * 1000)
        self.logs[tp].append(EscalatedRecord(original, sent, tp, len(self.logs[tp]), now_ms))
        self.coverage.met("escalated", "sent on")
        holding = self.group.holdings.get(tp)
        if holding is not None and not holding.member.gone:
            holding.member.source.poll_soon()
