"""The fake engine of one member: it knows the truth, and tells it when and as the schedule lets it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from stream_guard.engines.port import (
    Ask,
    AskId,
    Completion,
    EngineIdentity,
    Failure,
    FailureKind,
    Labels,
    Text,
    Usage,
)
from stream_guard.errors import EngineUnavailable
from stream_guard.policy.document import Category
from stream_guard.policy.packed import Asked, Packed
from stream_guard.records import Lease
from tests.simulation.corpus import IDENTITY, MODEL_LEN, THINKS, THOUGHT, Fate, items_in, segment_truth
from tests.simulation.mailbox import Mailbox
from tests.simulation.policies import asked_in, policies_of, unsure
from tests.simulation.replies import garbage, may_say, packed_garbage, packed_reply, text, thinks, true_reply

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World

_HEALTH_TIMEOUT_S = 1.0
_SLOWEST_S = 2.0
"""Slower than that, and an ask could time out by itself before a hang of the engine is known for what it is."""

_CURSED = 13
"""One content of so many."""

_FAULTS = ("blip", "garbage", "transient", "rejected", "stuck")
_NO_EXCUSE = ("sick", "mute")
"""What is the engine's fault as a whole: no case may suffer for it."""
_FAILURES = {
    "blip": (FailureKind.UNAVAILABLE, "connection reset"),
    "transient": (FailureKind.TRANSIENT, "503"),
    "rejected": (FailureKind.REJECTED, "400"),
    "sick": (FailureKind.TRANSIENT, "500"),
    "too_long": (FailureKind.TOO_LONG, "prompt too long"),
}


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
        self._sick_until, self._sickness = 0.0, ("sick", 1.0)

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
            if ask.id < 0:
                self._begin_trial(ask)
                continue
            if ask.id in self.leases:
                self._world.fail(f"{self._member.name} asked {ask.id} twice")
            self._open[ask.id] = ask
            self.leases[ask.id] = self._world.oracle.lease_asked_under(self._member, ask)
            self._world.oracle.shown(self._member, ask)
            self._begin(ask)
        opened = len(self._open) - len(self._cancelled) - sum(ask_id < 0 for ask_id in self._open)
        self._world.oracle.asked(self._member, opened)

    async def completions(self) -> Sequence[Completion]:
        """What was answered."""
        return await self._completions.take()

    def cancel(self, ask_ids: Iterable[AskId]) -> None:
        """Forgets asks; the answer to some of them is on its way already."""
        for ask_id in ask_ids:
            ask = self._open.get(ask_id)
            if ask is not None:
                if self._world.rng.random() < 0.7 or self._kills(ask):
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

    def sicken(self, seconds: float, how: str = "sick", share: float = 1.0) -> None:
        """Fails a share of the asks for a while (`sick`) or never answers them (`mute`), though it looks healthy."""
        self._world.coverage.met_all("sick", self._member.states())
        self._sick_until, self._sickness = self._world.loop.time() + seconds, (how, share)

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
        if self._kills(ask):
            world.later(min(world.delay(world.schedule.pace.engine), _SLOWEST_S), self._die, ask)
            return
        reply = self._reply(ask, asked_in(ask.prompt), ask.prompt[1])
        if reply is not None:
            world.later(min(world.delay(world.schedule.pace.engine), _SLOWEST_S), self._finish, ask, reply)

    def _kills(self, ask: Ask) -> bool:
        record = self._world.by_number.get(ask.prompt[1])
        return record is not None and record.content.fate is Fate.KILLER

    def _die(self, killer: Ask) -> None:
        """The process ends of an ask, and takes along whatever is open."""
        world = self._world
        if self._member.gone or killer.id not in self._open:
            return
        if self.hung:
            world.later(0.1, self._die, killer)
            return
        world.trace("death", self._member.name, *killer.prompt[:2])
        world.coverage.met("death", "of one that was alone" if len(self._open) == 1 else "with others open")
        if isinstance(asked := asked_in(killer.prompt), Packed):
            world.coverage.met("death", "of one under several policies")
        self._spoil(asked, killer.prompt[1], "killer")
        for ask in list(self._open.values()):
            self._finish(ask, Failure(FailureKind.DIED, "the engine's process ended"))
        self._out_until = max(self._out_until, world.loop.time() + world.rng.uniform(0.05, 0.4))

    def _begin_trial(self, ask: Ask) -> None:
        """A trial is about no record, and goes wrong like any ask."""
        world, how = self._world, self._fault()
        world.trace("trial", self._member.name)
        world.coverage.met("trial", how or "answered")
        self._open[ask.id] = ask
        self.leases[ask.id] = None
        if how not in ("stuck", "mute"):
            reply = Failure(*_FAILURES[how]) if how in _FAILURES else text("0", as_tokens=False)
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

    def _reply(self, ask: Ask, asked: Asked, number: int) -> Labels | Text | Failure | None:
        """What the engine will say to an ask, None where it never says anything."""
        world = self._world
        how = "too_long" if len(ask.prompt) > MODEL_LEN else self._fault(number) or self._curse(ask, number)
        if how is None and thinks(ask):
            return Text((*map(ord, "hm"), THOUGHT), None, finished=True)
        if how is None:
            return self._judge(ask, asked, number)
        if how not in _NO_EXCUSE:
            self._spoil(asked, number, how)
        if how == "garbage":
            return self._garbage(ask, asked, world.rng.randrange(8))
        return Failure(*_FAILURES[how]) if how in _FAILURES else None

    def _judge(self, ask: Ask, asked: Asked, number: int) -> Labels | Text:
        """What it truly holds of a content, under each policy that it is asked about."""
        rng, items = self._world.rng, items_in(ask.prompt)
        said: list[Category] = []
        for policy in policies_of(asked):
            category = segment_truth(policy, number, items)
            if unsure(policy, number):
                category = rng.choice([each for each in policy.categories if may_say(ask, each)])
            self._world.oracle.judged(policy.id, number, category, items)
            said.append(category)
        if isinstance(asked, Packed):
            self._world.coverage.met("packed ask", "in steps" if THINKS in ask.prompt else "at once")
            return packed_reply(asked, said, rng)
        return true_reply(ask, asked, said[0], as_tokens=rng.random() < 0.5)

    def _spoil(self, asked: Asked, number: int, how: str) -> None:
        """It gives no true answer, under any of the policies that it is asked about."""
        for policy in policies_of(asked):
            self._world.oracle.spoiled(policy.id, number, how)

    def _garbage(self, ask: Ask, asked: Asked, kind: int) -> Labels | Text:
        if not isinstance(asked, Packed) or thinks(ask):
            return garbage(ask, policies_of(asked)[0], kind)
        what, reply = packed_garbage(asked, kind)
        self._world.coverage.met("packed garbage", what)
        return reply

    def _curse(self, ask: Ask, number: int) -> str | None:
        """Where asks are not answered now and then, some contents never are; of a long one, its beginning."""
        cursed = self._world.schedule.rates.stuck and number % _CURSED == 1
        items = items_in(ask.prompt) if cursed else ()
        return "stuck" if cursed and (not items or 0 in items) else None

    def _fault(self, number: int = 1) -> str | None:
        """What befalls an ask. Where asks fail now and then, some contents fail always: those are to blame themselves."""
        if self._world.loop.time() < self._out_until:
            return "blip"
        if self._world.loop.time() < self._sick_until:
            how, share = self._sickness
            return how if self._world.rng.random() < share else None
        if self._world.rates.transient and not number % _CURSED:
            return "transient"
        draw = self._world.rng.random()
        for how in _FAULTS:
            draw -= getattr(self._world.rates, how)
            if draw < 0:
                return how
        return None
