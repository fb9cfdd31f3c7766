"""Who is asked about next, among flows and within one."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from msgspec.structs import replace

from stream_guard.judging.case import Part
from stream_guard.judging.queue import Queue
from tests.benches import P1, P2, POLICY, make_case, make_template

OTHER = make_template("other", replace(POLICY, id="other"))
EVERYTHING = 1_000_000


def make_parts(names: str, deadlines: Sequence[float] = (), flow: int = 0, template: object = P1) -> list[Part[str]]:
    """One part a letter, each with its deadline."""
    times = deadlines or [inf] * len(names)
    cases = [make_case(n, template, flow=flow, deadline=t) for n, t in zip(names, times, strict=True)]  # type: ignore[arg-type]
    return [Part(case, case.judged) for case in cases]


def make_queue(*arrivals: list[Part[str]]) -> Queue[str]:
    """A queue in which these arrived, one list after the other."""
    queue: Queue[str] = Queue(place=10)
    for parts in arrivals:
        queue.arrive(parts)
    return queue


def taken(queue: Queue[str], most: int = 16, now: float = 0.0, room: int = 16, chars: int = EVERYTHING) -> str:
    """Of whom the next group is."""
    return "".join(part.case.owner for part in queue.take(room, most, chars, now).group)


def enter(queue: Queue[str], parts: Sequence[Part[str]], size: int = 5) -> None:
    """The parts are open at the engine."""
    for part in parts:
        part.prompt_size = size
        queue.entered(part)


def test_without_deadlines_they_go_in_the_order_in_which_they_came() -> None:
    """As many as are wanted."""
    queue = make_queue(make_parts("abcde"))
    assert [taken(queue, 2), taken(queue, 2), taken(queue, 2), bool(queue)] == ["ab", "cd", "e", False]


def test_within_a_flow_the_earliest_deadline_goes_first_then_the_order_of_arrival() -> None:
    """What has no deadline comes last."""
    queue = make_queue(make_parts("abc", [30.0, inf, 20.0]), make_parts("def", [10.0, 30.0, inf]))
    assert taken(queue) == "dcaebf"


def test_what_is_hardly_in_time_gives_way_to_what_can_be() -> None:
    """Those with less time left than an ask takes come last, the one with the most first; but they are asked."""
    queue = make_queue(make_parts("abcd", [5.0, 7.0, 20.0, 30.0]))
    queue.measured(queue.take(1, 1, EVERYTHING, 0.0).group[0], 8.0)
    queue.arrive(make_parts("e", [6.0]))
    assert taken(queue) == "cdbe"


def test_how_long_an_ask_takes_is_learned_slowly() -> None:
    """One slow answer is no rule; many are."""
    queue = make_queue(make_parts("a"))
    (part,) = queue.take(1, 1, EVERYTHING, 0.0).group
    for _ in range(50):
        queue.measured(part, 1.0)
    assert part.line.share.usual_s < 1.1
    queue.measured(part, 9.0)
    assert part.line.share.usual_s < 5.0
    for _ in range(50):
        queue.measured(part, 9.0)
    assert 8.5 < part.line.share.usual_s < 12.0


def test_what_is_too_late_is_not_taken_to_be_asked() -> None:
    """It is handed out apart, when its turn comes or when somebody asks for it."""
    queue = make_queue(make_parts("abc", [1.0, 2.0, 9.0]), make_parts("de", [1.0, 9.0], flow=1))
    assert [part.case.owner for part in queue.expired(1.0)] == ["a", "d"]
    group, expired = queue.take(16, 16, EVERYTHING, 2.0)
    assert "".join(part.case.owner for part in group) == "ce"
    assert [part.case.owner for part in expired] == ["b"]
    assert not queue


def test_the_flow_that_holds_least_is_served() -> None:
    """By tokens and by places; a policy first, then a partition of it."""
    mine, others = make_parts("abcd"), make_parts("wxyz", template=OTHER)
    queue = make_queue(mine, others)
    first = queue.take(2, 2, EVERYTHING, 0.0).group
    enter(queue, first, size=100)
    assert [taken(queue, 1) for _ in range(3)] == ["w", "x", "y"]
    for part in first:
        queue.left(part)
    enter(queue, others[:1])
    assert taken(queue) == "bcd"
    assert taken(queue) == "z"


def test_a_hot_partition_gets_no_more_than_its_share_of_a_group() -> None:
    """While others wait; what nobody else wants is its own."""
    queue = make_queue(make_parts("aaaaaaaa"), make_parts("bb", flow=1), make_parts("c", flow=2))
    assert [taken(queue, 6), taken(queue, 6)] == ["abcaba", "aaaaa"]


def test_among_equals_the_one_served_longest_ago_goes_first() -> None:
    """With room for one ask all hold nothing whenever there is room, and each gets its turn."""
    one, other = make_parts("aaa"), make_parts("bbb", flow=1)
    queue = make_queue(one, other, make_parts("xxx", template=OTHER), make_parts("yyy", flow=1, template=OTHER))
    assert "".join(taken(queue, room=1) for _ in range(8)) == "axbyaxby"


def test_the_room_is_shared_among_policies_at_once() -> None:
    """One that comes first does not take all of it."""
    queue = make_queue(make_parts("a" * 20), make_parts("b" * 20, template=OTHER))
    assert [taken(queue, room=8), taken(queue, room=4)] == ["aaaa", "bb"]


def test_a_group_is_of_one_template() -> None:
    """What is of another keeps its turn."""
    queue = make_queue(make_parts("ab"), make_parts("cd", template=P2), make_parts("ef", flow=1))
    assert [taken(queue), taken(queue)] == ["aebf", "cd"]


def test_a_group_has_no_more_characters_than_it_may_but_always_one_part() -> None:
    """Each of these has one."""
    queue = make_queue(make_parts("abcdef"), make_parts("x", flow=1))
    assert [taken(queue, chars=3), taken(queue, chars=0), taken(queue, chars=2)] == ["axb", "c", "de"]


def test_what_comes_back_stands_before_those_that_came_later() -> None:
    """In its old order, segments in theirs; a deadline still comes first."""
    queue = make_queue(make_parts("abcd"), make_parts("e", [9.0]))
    group = queue.take(16, 4, EVERYTHING, 0.0).group
    assert [part.case.owner for part in group] == ["e", "a", "b", "c"]
    pieces = [Part(make_case(name), make_case(name).judged, group[1].order) for name in "12"]
    queue.put_back([group[3], group[0], group[2], *pieces])
    assert taken(queue) == "e12bcd"


def test_what_is_forgotten_is_gone() -> None:
    """Wherever it waits; and flows that are empty are not kept."""
    queue = make_queue(make_parts("abc", [9.0, 3.0, 8.0]), make_parts("de", flow=1))
    (part,) = queue.take(1, 1, EVERYTHING, 0.0).group
    queue.measured(part, 4.0)
    assert queue.expired(0.0) == []
    enter(queue, [part])
    queue.forget(lambda part: part.case.owner in "acd")
    queue.prune()
    assert [part.case.owner for part in queue] == ["e"]
    assert len(queue) == 1
    assert set(part.line.share.lines) == {0, 1}
    queue.left(part)
    queue.prune()
    assert set(part.line.share.lines) == {1}
