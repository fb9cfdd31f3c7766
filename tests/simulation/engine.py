"""The fake engine of one member: it knows the truth, and tells it when and as the schedule lets it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from stream_guard.engines.port import (
    Ask,
    AskId,
    Completion,
    EngineIdentity,
    Failure,
    FailureKind,
    LabelRead,
    Labels,
    Text,
    Usage,
)
from stream_guard.errors import EngineUnavailable
from stream_guard.policy.document import Category, OutputForm, Policy
from stream_guard.records import Lease
from tests.simulation.corpus import IDENTITY, MODEL_LEN, NO_ID, POLICIES, YES_ID, items_in, segment_truth, unsure
from tests.simulation.mailbox import Mailbox

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World

_HEALTH_TIMEOUT_S = 1.0
_SLOWEST_S = 2.0
"""Slower than that, and an ask could time out by itself before a hang of the engine is known for what it is."""

_FAULTS = ("blip", "garbage", "transient", "rejected", "stuck")
_FAILURES = {
    "blip": (FailureKind.UNAVAILABLE, "connection reset"),
    "transient": (FailureKind.TRANSIENT, "503"),
    "rejected": (FailureKind.REJECTED, "400"),
    "too_long": (FailureKind.TOO_LONG, "prompt too long"),
}

_json = msgspec.json.encode


class SimEngine:
    """An engine that answers in any order, badly, late, never, or after it was told not to."""

    def __init__(self, world: World, member: Member) -> None:
        self._world = world
        self._member = member
        self.leases: dict[AskId, Lease | None] = {}
        self._open: dict[AskId, Ask] = {}
        self._held: list[tuple[Ask, Labels | Text | Failure]] = []
        self._cancelled: set[AskId] = set()
        self._completions: Mailbox[Completion] = Mailbox(world.loop)
        self._out_until = 0.0
        self._hung_until = 0.0

    # -- the port -----------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> EngineIdentity:
        """Who judges."""
        return IDENTITY

    def submit(self, asks: Sequence[Ask]) -> None:
        """Takes asks."""
        if self._member.gone:
            return
        for ask in asks:
            if ask.id in self.leases:
                self._world.fail(f"{self._member.name} asked {ask.id} twice")
            self._open[ask.id] = ask
            self.leases[ask.id] = self._world.oracle.lease_asked_under(self._member, ask)
            self._world.oracle.shown(self._member, ask)
            self._begin(ask)
        self._world.oracle.asked(self._member, len(self._open) - len(self._cancelled))

    async def completions(self) -> Sequence[Completion]:
        """What was answered."""
        return await self._completions.take()

    def cancel(self, ask_ids: Iterable[AskId]) -> None:
        """Forgets asks; the answer to some of them is on its way already."""
        for ask_id in ask_ids:
            ask = self._open.get(ask_id)
            if ask is not None:
                if self._world.rng.random() < 0.7:
                    del self._open[ask_id]
                else:
                    self._cancelled.add(ask_id)

    async def health(self) -> None:
        """Raises EngineUnavailable while the engine is out, or has hung for too long."""
        await asyncio.sleep(0.001)
        if self.hung:
            await asyncio.sleep(_HEALTH_TIMEOUT_S)
        if self.hung:
            raise EngineUnavailable("no answer")
        if self._world.loop.time() < self._out_until:
            raise EngineUnavailable("connection refused")

    # -- what befalls it ----------------------------------------------------------------------------------------------

    @property
    def hung(self) -> bool:
        """Whether it says nothing at all."""
        return self._world.loop.time() < self._hung_until

    @property
    def down(self) -> bool:
        """Whether it is out or hung."""
        return self.hung or self._world.loop.time() < self._out_until

    def fall(self, seconds: float) -> None:
        """Dies, for a while: whatever is open fails."""
        self._world.coverage.met_all("outage", self._member.states())
        self._out_until = self._world.loop.time() + seconds
        for ask in list(self._open.values()):
            self._finish(ask, Failure(FailureKind.UNAVAILABLE, "connection lost"))

    def hang(self, seconds: float) -> None:
        """Says nothing for a while; then it goes on, or has lost everything."""
        self._world.coverage.met_all("hang", self._member.states())
        self._hung_until = self._world.loop.time() + seconds
        self._world.later(seconds, self._wake_up, self._world.rng.random() < 0.5)

    def asks_of(self, leases: Collection[Lease]) -> bool:
        """Whether a record of these leases is being asked about."""
        return any(self.leases[ask_id] in leases for ask_id in self._open)

    def _wake_up(self, restarted: bool) -> None:
        held, self._held = self._held, []
        for ask, reply in held:
            self._finish(ask, Failure(FailureKind.UNAVAILABLE, "restarted") if restarted else reply)

    # -- answering ----------------------------------------------------------------------------------------------------

    def _begin(self, ask: Ask) -> None:
        world = self._world
        if world.loop.time() < self._out_until:
            world.later(0.001, self._finish, ask, Failure(FailureKind.UNAVAILABLE, "connection refused"))
            return
        policy, number = POLICIES[ask.prompt[0]], ask.prompt[1]
        reply = self._reply(ask, policy, number)
        if reply is not None:
            world.later(min(world.delay(world.schedule.pace.engine), _SLOWEST_S), self._finish, ask, reply)

    def _finish(self, ask: Ask, reply: Labels | Text | Failure) -> None:
        if self._member.gone or ask.id not in self._open:
            return
        if self.hung:
            self._held.append((ask, reply))
            return
        del self._open[ask.id]
        self._world.oracle.answered(self._member, ask, cancelled=ask.id in self._cancelled)
        self._cancelled.discard(ask.id)
        self._completions.put(Completion(ask.id, reply, Usage(len(ask.prompt), 0, 1, engine_s=0.01)))

    def _reply(self, ask: Ask, policy: Policy, number: int) -> Labels | Text | Failure | None:
        """What the engine will say to an ask, None where it never says anything."""
        world = self._world
        how = "too_long" if len(ask.prompt) > MODEL_LEN else self._fault()
        if how is None:
            items = items_in(ask.prompt)
            category = segment_truth(policy, number, items)
            if unsure(policy, number):
                category = world.rng.choice(policy.categories)
            world.oracle.judged(policy.id, number, category, items)
            return true_reply(ask, policy, category, as_tokens=world.rng.random() < 0.5)
        world.oracle.spoiled(policy.id, number, how)
        if how == "garbage":
            return _garbage(ask, policy, world.rng.randrange(8))
        return None if how == "stuck" else Failure(*_FAILURES[how])

    def _fault(self) -> str | None:
        draw = self._world.rng.random()
        for how in _FAULTS:
            draw -= getattr(self._world.rates, how)
            if draw < 0:
                return how
        return None


def true_reply(ask: Ask, policy: Policy, category: Category, *, as_tokens: bool) -> Labels | Text:
    """The reply of a model that is right."""
    violates = category.severity > 0
    if isinstance(ask.read, LabelRead):
        return Labels({NO_ID: -3.0, YES_ID: -0.06} if violates else {NO_ID: -0.06, YES_ID: -3.0})
    return _text(_written(policy, category, violates), as_tokens=as_tokens)


def _written(policy: Policy, category: Category, violates: bool) -> str:
    if policy.output is OutputForm.BINARY:
        return str(int(violates))
    fields: dict[str, object] = {"violation": int(violates), "policy_category": category.id}
    if policy.output is OutputForm.RATIONALE:
        fields |= {"rule_ids": [category.id], "confidence": "high", "rationale": "because"}
    return _json(fields).decode()


def _garbage(ask: Ask, policy: Policy, kind: int) -> Labels | Text:
    """A reply that is none, and that looks as much like an allow as it can."""
    if isinstance(ask.read, LabelRead):
        return Labels([{}, {NO_ID: -3.0}, {NO_ID: -2.0, YES_ID: -9.0}, {YES_ID: -4.0}][kind % 4])
    allow = _written(policy, policy.permitted, violates=False)
    texts = [allow, "", allow[:-1] + "?", f"{allow} {allow}", "I would say 0", allow * 2, "null", "[0]"]
    return _text(texts[kind], as_tokens=False, finished=kind != 0)


def _text(text: str, *, as_tokens: bool, finished: bool = True) -> Text:
    if as_tokens:
        return Text(tuple(map(ord, text)), None, finished)
    return Text((), text, finished)
