"""Worlds of one trouble each, in which a partition is to be held back: what must happen there is known beforehand."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from stream_guard.delivery.brakes import BrakeBounds
from stream_guard.delivery.guard import GuardBounds
from stream_guard.events.model import View
from stream_guard.records import TopicPartition
from tests.simulation.corpus import Content, Fate, make_content, message
from tests.simulation.coverage import Coverage
from tests.simulation.log import Letter
from tests.simulation.rest import check_end
from tests.simulation.schedule import Bounding, Happening, Pace, Rates, Schedule, make_schedule
from tests.simulation.simulate import play_out
from tests.simulation.world import World

BAD: Final = TopicPartition("messages", 0)
"""The partition with the trouble; `messages` has two more."""

WINDOW: Final = 16
LEAD: Final = 40
IN_A_ROW: Final = 10
_CALM = Pace(fetch=0.001, wake=0.0, engine=0.05, ack=0.002, auto_commit=0.5, drain=5.0, slow_share=0.0)
_GARBAGE: Final = 0.05
"""A draw that stands for a record of which no event can be made."""


def make_calm(seed: int, **settings: object) -> Schedule:
    """One member, three partitions, no fault but those of the world's own making."""
    calm = {
        "members": 1,
        "partitions": (3, 0, 0),
        "records": 300,
        "late_share": 0.0,
        "batch": 20,
        "pace": _CALM,
        "rates": Rates(),
        "bounds": Bounding(records=WINDOW, bytes=1_000_000, asks=4, tokens=100_000, context=0),
        "ordered": (),
        "respond_by": (),
        "packing": (),
        "killers": 0,
        "happenings": (),
        "outages_only": False,
        "horizon": 1.0,
        "brakes": BrakeBounds(lead=10_000),
        "guard": GuardBounds(max_consecutive=None, max_ratio=None),
    }
    return replace(make_schedule(seed), **{**calm, **settings})


class Troubled(World):
    """Much in the partition with the trouble, little in the others, which come into being while the world turns."""

    little = 20

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule, Coverage())
        self.lead = 0
        """The longest that any partition ever had."""

    def content(self, tp: TopicPartition, number: int) -> Content:
        """A message that is judged."""
        return Content(number, message(number), Fate.JUDGED, view=View.MESSAGE)

    def play(self) -> None:
        """Turns until it comes to rest."""
        play_out(self, self.check)

    def check(self, _: World) -> None:
        """What must be true at rest."""
        check_end(self)

    def others_done(self) -> bool:
        """Whether all else is committed."""
        return not self._unproduced and all(
            self.group.committed[tp] >= len(log) for tp, log in self.logs.items() if tp != BAD and log
        )

    def _produce_all(self) -> None:
        """The little comes in equal parts, spread over ten seconds."""
        for number in range(1, self.schedule.records + 1):
            self.produce(BAD, number)
        for index in range(2 * self.little):
            self._unproduced += 1
            tp = TopicPartition("messages", 1 + index % 2)
            self.later(10.0 * index / (2 * self.little), self._produce_late, tp, self.schedule.records + 1 + index)

    def _step(self) -> None:
        super()._step()
        for member in self.alive():
            if member.pipeline is not None:
                self.lead = max([self.lead, *(ledger.lead for ledger in member.pipeline.ledgers)])


class Garbage(Troubled):
    """Nothing in the partition is what it should be: the mapping, say, fits no record."""

    def __init__(self, seed: int, *happenings: Happening) -> None:
        guard = GuardBounds(max_consecutive=IN_A_ROW, max_ratio=None)
        super().__init__(make_calm(seed, guard=guard, happenings=happenings, horizon=12.0))

    def content(self, tp: TopicPartition, number: int) -> Content:
        """No event can be made of it."""
        return make_content("messages", number, _GARBAGE) if tp == BAD else super().content(tp, number)

    def check(self, _: World) -> None:
        """The partition never is at rest."""

    def letters(self) -> list[int]:
        """The offsets of the records in the partition that are in the dead letters."""
        letters = (parsed for parsed in self.published if isinstance(parsed.says, Letter))
        return sorted({letter.record.offset for letter in letters if letter.record.tp == BAD})

    def _rest(self) -> None:
        if self.others_done():
            self._moved_at = self.loop.time()
            self._await_end()
        else:
            self.later(0.25, self._rest)


class Unwritable(Troubled):
    """For eight seconds nobody may write to the dead letters, which some records of the partition belong in."""

    until = 8.0

    def __init__(self, seed: int) -> None:
        stall = Happening(0.0, "dead_stall", lasting=self.until)
        super().__init__(make_calm(seed, records=60, happenings=(stall,), horizon=11.0))
        self.committed_meanwhile: dict[TopicPartition, int] = {}
        self.later(self.until - 0.5, self._look)

    def content(self, tp: TopicPartition, number: int) -> Content:
        """Every fifth record is bad."""
        bad = tp == BAD and number % 5 == 0
        return make_content("messages", number, _GARBAGE) if bad else super().content(tp, number)

    def _look(self) -> None:
        self.committed_meanwhile = {tp: self.group.committed[tp] for tp in self.logs}


class Hot(Troubled):
    """The partition has ten times what the others have, more than the engine can do, and the client hands it over first."""

    little = 10

    def __init__(self, seed: int) -> None:
        pace = replace(_CALM, engine=0.2)
        super().__init__(make_calm(seed, pace=pace, horizon=12.0))
        self.waits: list[float] = []
        """How long each record of the others waited until the pipeline had it, in seconds."""


class Stuck(Troubled):
    """The engine says nothing about the sixth record, until that has run out of patience."""

    def __init__(self, seed: int) -> None:
        super().__init__(make_calm(seed, brakes=BrakeBounds(lead=LEAD), horizon=12.0))

    @property
    def stuck(self) -> int:
        """The number of that record."""
        return self.schedule.seed * 1_000 + 6
