"""The order of asking: whatever comes, goes and ends, nothing is lost or doubled, flows are even, and deadlines come first."""

from __future__ import annotations

from collections import Counter
from math import inf

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream_guard.engines.port import AskId
from stream_guard.judging.case import Part
from stream_guard.judging.places import Places
from stream_guard.judging.queue import Queue
from tests.benches import P1, P2, POLICY, make_case, make_template

TEMPLATES = (P1, P2, make_template("other", replace(POLICY, id="other")))
PLACE = 10
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "arrive", "take", "take", "answer", "fail", "die", "forget", "pass time", "leave"]),
        st.integers(0, 30),
    ),
    max_size=80,
)


class Model:
    """Places, and what the test knows of who is where."""

    def __init__(self) -> None:
        """Empty."""
        self.places: Places[str] = Places(Queue(PLACE))
        self.now = 0.0
        self.known: dict[str, Part[str]] = {}
        """Every part that has no result yet, by its owner."""
        self.ended: Counter[str] = Counter()

    def step(self, what: str, number: int) -> None:
        """One thing happens."""
        getattr(self, what.replace(" ", "_"))(number)

    def arrive(self, number: int) -> None:
        """Some parts of one template, partition and deadline."""
        template = TEMPLATES[number % 3]
        deadline = (inf, self.now + number, self.now + 3.0)[number % 5 % 3]
        parts = []
        for _ in range(1 + number % 3):
            owner = str(len(self.known) + sum(self.ended.values()))
            case = make_case(owner, template, flow=number % 4, deadline=deadline)
            parts.append(Part(case, case.judged))
            self.known[owner] = parts[-1]
        self.places.waiting.arrive(parts)

    def take(self, number: int) -> None:
        """A group is asked about."""
        if not self.places.waiting:
            return
        before = {id(part): part for part in self.places.waiting}
        soon = {id(part.line): self.now + part.line.share.usual_s for part in before.values()}
        group, expired = self.places.waiting.take(1 + number, 1 + number % 5, 1 + number, self.now)
        for part in expired:
            assert part.case.deadline <= self.now
            self.end(part)
        self.check_first(group, list(self.places.waiting), soon)
        for part in group:
            assert id(part) in before
            self.places.enter(part, 1 + number % 7, self.now)

    def check_first(self, group: list[Part[str]], left: list[Part[str]], soon: dict[int, float]) -> None:
        """What is taken is of one template and in time, and nothing that is left of its flow should have come before it."""
        assert len({id(part.case.template) for part in group}) <= 1
        for part in group:
            assert part.case.deadline > self.now
            for other in left:
                if other.line is part.line and other.case.template is part.case.template:
                    earlier = (other.case.deadline, other.order) < (part.case.deadline, part.order)
                    assert not earlier or other.case.deadline <= soon[id(part.line)]

    def some_open(self, number: int) -> AskId | None:
        """One of those that are open."""
        ids = list(self.places.open)
        return ids[number % len(ids)] if ids else None

    def answer(self, number: int) -> None:
        """One gets its result."""
        if (ask_id := self.some_open(number)) is not None and (part := self.places.leave(ask_id)) is not None:
            self.places.waiting.measured(part, number / 3)
            self.end(part)

    def fail(self, number: int) -> None:
        """One is asked again, at once or later."""
        if (ask_id := self.some_open(number)) is not None and (part := self.places.leave(ask_id)) is not None:
            self.places.pause(part, self.now + number % 3)
            self.places.resume(self.now)

    def die(self, number: int) -> None:
        """The engine's process ends."""
        for part in self.places.open.values():
            part.deaths += 1
        self.places.recall()
        if number % 2 and self.places.suspects:
            for part in self.places.suspects.take(100):
                self.places.enter(part, 1, self.now)

    def forget(self, number: int) -> None:
        """Some are let go of."""
        gone = {owner for owner in self.known if int(owner) % 7 == number % 7}
        self.places.forget(lambda part: part.case.owner in gone)
        self.places.waiting.prune()
        for owner in gone:
            self.end(self.known[owner])

    def leave(self, number: int) -> None:
        """A guilty one was found."""
        self.places.clear_suspects()

    def pass_time(self, number: int) -> None:
        """What is too late by then is let go of."""
        self.now += number / 4
        for part in self.places.expired(self.now):
            assert part.case.deadline <= self.now
            self.end(part)

    def end(self, part: Part[str]) -> None:
        """It has its result."""
        del self.known[part.case.owner]
        self.ended[part.case.owner] += 1

    def check(self) -> None:
        """Everything is in one place, and what flows hold is what is open."""
        here = [*self.places.not_open(), *self.places.open.values()]
        assert sorted(part.case.owner for part in here) == sorted(self.known)
        assert len(here) == len(self.places)
        assert max(self.ended.values(), default=1) == 1
        held: Counter[str] = Counter()
        for part in self.places.open.values():
            held[part.case.template.policy.id] += PLACE + part.prompt_size
        for share in self.places.waiting._shares.values():
            assert share.held == held[share.policy]


@given(STEPS)
def test_nothing_is_lost_or_doubled_and_deadlines_come_first(steps: list[tuple[str, int]]) -> None:
    """Whatever arrives, is asked, answered, asked again, suspected, forgotten or too late, in whatever order."""
    model = Model()
    for step in steps:
        model.step(*step)
        model.check()
    model.now = inf
    for part in model.places.expired(1e9):
        model.end(part)


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=6), st.lists(st.integers(0, 1_000), max_size=120), st.booleans()
)
def test_flows_that_always_wait_hold_about_as_much(flows: list[int], answered: list[int], by_policy: bool) -> None:
    """Whichever asks end first: by no more than one prompt, among partitions or among policies."""
    queue: Queue[str] = Queue(PLACE)
    places, keys = Places(queue), sorted(set(flows))
    templates = {key: make_template(f"p{key}", replace(POLICY, id=f"p{key}")) if by_policy else P1 for key in keys}

    def arrive(key: int, count: int) -> None:
        cases = [make_case("x", templates[key], flow=0 if by_policy else key) for _ in range(count)]
        queue.arrive([Part(case, case.judged) for case in cases])

    def fill() -> None:
        while (room := 12 - len(places.open)) > 0:
            for part in queue.take(room, 16, 1_000_000, 0.0).group:
                places.enter(part, 5, 0.0)
                arrive(keys[0] if len(keys) == 1 else _key(part, by_policy), 1)

    for key in keys:
        arrive(key, 30)
    fill()
    for number in answered:
        places.leave(list(places.open)[number % len(places.open)])
        fill()
        held = Counter(_key(part, by_policy) for part in places.open.values())
        assert max(held[key] for key in keys) - min(held[key] for key in keys) <= 1


def _key(part: Part[str], by_policy: bool) -> int:
    return int(part.case.template.policy.id[1:]) if by_policy else int(str(part.case.flow))
