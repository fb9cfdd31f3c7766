"""Which dead letters are meant, which of them go, and which of several with one id stands."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.records import Lease, Record
from stream_guard.redrive.choice import Fate, Filter, Terms, select
from stream_guard.redrive.letters import Letter, Letters, Place, letter_of
from stream_guard.redrive.pacing import Pacer
from stream_guard.verdicts import dead_letter
from stream_guard.verdicts.dead_letter import Scope
from tests.messages import make_dead_letter

TERMS = Terms("default", "live", max_hops=2)


def make_letter(number: int = 0, **changes: Any) -> Letter:
    """A dead letter of a record that failed at 1,000 ms + its number."""
    letter = Letter(
        id=f"{number:032x}",
        at=Place("letters", 0, number),
        origin=Place("chat", 1, number),
        scope=Scope.RECORD,
        reason="not_json",
        route="chat",
        namespace="default",
        lane="live",
        policy_id=None,
        replays=0,
        failed_at_ms=1_000 + number,
        size=10,
    )
    return replace(letter, **changes)


def stored(offset: int, **changes: Any) -> Record:
    """A dead letter as it stands in its topic."""
    kept = dead_letter.encode(make_dead_letter(**changes), Record(Lease("chat", 0, 0), 5, b"secret", b"k"))
    return Record(Lease("letters", 0, 0), offset, kept.value, kept.key, kept.headers)


@pytest.mark.parametrize(
    ("meant", "numbers"),
    [
        (Filter(), [0, 1, 2]),
        (Filter(reasons=frozenset({"empty", "failed"})), [1, 2]),
        (Filter(topic="calls"), [1]),
        (Filter(route="chat"), [0, 1]),
        (Filter(policy="spam"), [2]),
        (Filter(since_ms=1_001), [1, 2]),
        (Filter(until_ms=1_001), [0]),
        (Filter(since_ms=1_001, until_ms=1_002), [1]),
        (Filter(topic="chat", reasons=frozenset({"not_json"}), policy="spam"), []),
    ],
)
def test_all_that_is_said_must_hold(meant: Filter, numbers: list[int]) -> None:
    """Since is inclusive, until is not; only a case is of a policy."""
    letters = [
        make_letter(0),
        make_letter(1, reason="empty", origin=Place("calls", 0, 1)),
        make_letter(2, reason="failed", route="rooms", scope=Scope.CASE, policy_id="spam"),
    ]
    assert [letter.at.offset for letter in letters if meant.takes(letter)] == numbers


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({}, Fate.GOES),
        ({"replays": 1}, Fate.GOES),
        ({"replays": 2}, Fate.QUARANTINED),
        ({"replays": 9}, Fate.QUARANTINED),
        ({"reason": "poison"}, Fate.GOES),
        ({"reason": "unreadable"}, Fate.NOT_WHOLE),
        ({"reason": "unreadable_batch"}, Fate.NOT_WHOLE),
        ({"reason": "unrestorable"}, Fate.NOT_WHOLE),
        ({"namespace": "other"}, Fate.FOREIGN),
        ({"lane": "shadow", "replays": 9}, Fate.FOREIGN),
    ],
)
def test_what_becomes_of_a_dead_letter(changes: dict[str, Any], fate: Fate) -> None:
    """Past the hops it is left to a person; what is not whole, or not ours, can't be judged by it."""
    assert TERMS.fate(make_letter(**changes)) is fate


def test_a_selection_counts_all_and_orders_what_goes() -> None:
    """By reason, topic and fate, the most first; what goes, in the order in which it stands."""
    letters = [make_letter(number) for number in (3, 1, 2)] + [
        make_letter(4, replays=2),
        make_letter(5, reason="empty"),
    ]
    selected = select(letters, Filter(reasons=frozenset({"not_json"})), TERMS)
    assert [letter.at.offset for letter in selected.going] == [1, 2, 3]
    assert [(count.fate, count.letters, count.bytes) for count in selected.counts] == [
        (Fate.GOES, 3, 30), (Fate.QUARANTINED, 1, 10),
    ]  # fmt: skip
    assert selected.fates == {Fate.GOES: 3, Fate.QUARANTINED: 1}


def test_the_last_of_an_id_stands() -> None:
    """A record that was read again, or failed again, replaces its own dead letter; a tombstone takes it away."""
    letters = Letters()
    for record in (stored(0), stored(1, replays=1), stored(2, scope=Scope.CASE, policy_id="spam")):
        letters.add(record)
    assert [(letter.at.offset, letter.replays) for letter in letters] == [(1, 1), (2, 0)]
    letters.add(Record(Lease("letters", 0, 0), 3, None, stored(0).key))
    letters.add(Record(Lease("letters", 0, 0), 4, None, b"\xff"))
    letters.add(Record(Lease("letters", 0, 0), 5, b"no dead letter", b"k"))
    assert [letter.at.offset for letter in letters] == [2]
    assert (letters.read, letters.replaced, letters.purged, letters.unreadable, len(letters)) == (6, 1, 1, 1, 1)


def test_a_dead_letter_has_several_names() -> None:
    """Its id, how that begins, where it stands, where its record stood: but not too few characters of it."""
    letter = letter_of(stored(7))
    for name in (letter.id, letter.id[:6], "letters:0:7", "chat:0:5"):
        assert letter.is_named(name)
    for name in (letter.id[:5], "", "letters:0:70", "x" + letter.id):
        assert not letter.is_named(name)
    assert "secret" not in repr(letter)


def test_a_pace_is_kept() -> None:
    """So many a second; after a pause it goes on at the same pace, without a burst."""
    pacer = Pacer(10.0, now=0.0)
    now, went = 0.0, []
    for _ in range(5):
        now += pacer.wait_s(now)
        went.append(now)
        pacer.went(now)
    assert went == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    now = 100.0
    burst = 0
    while pacer.wait_s(now) == 0:
        pacer.went(now)
        burst += 1
    assert burst <= 2
