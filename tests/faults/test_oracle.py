"""The oracle finds each kind of broken promise in a history that was planted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from stream_guard.identity import Subject, digest
from stream_guard.policy.document import Decision
from stream_guard.verdicts.fold import entry_of
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.faults.history import Commit, History, Output, Written
from tests.faults.oracle import Findings, Promise, judge
from tests.messages import POSITION, make_ruling, make_verdict
from tests.published import Fate, Place

PROMISE = Promise(window=1, failures=1, ordered=True)
RECORDS = 12
"""Of two partitions, one every 100 ms; settled 50 ms later, committed 100 ms after that."""


def make_verdict_of(place: Place, decision: Decision = Decision.FLAG, **changes: object) -> Verdict:
    """The verdict on a record."""
    source = replace(POSITION, partition=place.partition, offset=place.offset)
    return make_verdict("adverts", decision, subject=Subject(digest(str(place))), sources=(source,), **changes)


def make_ruling_of(verdict: Verdict, **changes: object) -> Ruling:
    """The ruling that follows from a verdict."""
    return make_ruling(entry_of(verdict), subject=verdict.subject, sources=verdict.sources, **changes)


def fate_at(number: int) -> Fate:
    """One record is dead-lettered, one ignored."""
    return {3: Fate.DEAD_LETTERED, 6: Fate.IGNORED}.get(number, Fate.JUDGED)


def make_history() -> History:
    """A history as it should be."""
    records, commits = dict[Place, Written](), list[Commit]()
    verdicts, rulings, letters = list[Output](), list[Output](), list[Output]()
    for number in range(RECORDS):
        place, at_ms, stands = Place(number % 2, number // 2), 100 * number, Place(0, number)
        records[place] = Written(fate_at(number), at_ms, b"room")
        commits.append(Commit(place.partition, place.offset + 1, at_ms + 150))
        if fate_at(number) is Fate.IGNORED:
            continue
        verdict = make_verdict_of(place)
        rulings.append(Output(place, at_ms + 50, make_ruling_of(verdict), stands))
        if fate_at(number) is Fate.JUDGED:
            verdicts.append(Output(place, at_ms + 40, verdict, stands))
        else:
            letters.append(Output(place, at_ms + 40, None, stands))
    return History(records, verdicts, rulings, letters, commits)


def at(outputs: list[Output], place: Place) -> int:
    """Where the first output on a record stands in a list."""
    return next(index for index, output in enumerate(outputs) if output.place == place)


A, B, DEAD, IGNORED = Place(0, 1), Place(0, 2), Place(1, 1), Place(0, 3)


def lose_a_verdict(history: History) -> History:
    """No verdict, though a ruling."""
    return history._replace(verdicts=[each for each in history.verdicts if each.place != A])


def lose_a_ruling(history: History) -> History:
    """No ruling, though a verdict."""
    return history._replace(rulings=[each for each in history.rulings if each.place != A], commits=[])


def lose_a_letter(history: History) -> History:
    """A ruling on a record that nobody keeps."""
    return history._replace(letters=[], commits=[])


def judge_a_tombstone(history: History) -> History:
    """A ruling on what is to be ignored."""
    ruling = make_ruling_of(make_verdict_of(IGNORED))
    return history._replace(rulings=[*history.rulings, Output(IGNORED, 999, ruling, Place(1, 0))])


def judge_a_stranger(history: History) -> History:
    """A verdict on a record that never was."""
    nowhere = Place(1, 77)
    return history._replace(verdicts=[*history.verdicts, Output(nowhere, 999, make_verdict_of(nowhere), Place(1, 0))])


def bury_what_was_judged(history: History) -> History:
    """A dead letter beside a verdict."""
    return history._replace(letters=[*history.letters, Output(A, 999, None, Place(1, 0))])


def repeat(history: History) -> History:
    """More than the failure explains: two records for a window of one."""
    again = [
        output._replace(stands=Place(0, 100 + n)) for n, output in enumerate(history.rulings) if output.place in (A, B)
    ]
    return history._replace(rulings=[*history.rulings, *again])


def say_otherwise(history: History) -> History:
    """A repeat with another verdict id."""
    other = make_verdict_of(A, rank=Rank.ABSTENTION)
    return history._replace(verdicts=[*history.verdicts, Output(A, 200, other, Place(0, 100))])


def rule_too_mildly(history: History) -> History:
    """A ruling that is milder than the verdict."""
    mild = make_ruling_of(make_verdict_of(A, Decision.ALLOW))
    rulings = list(history.rulings)
    rulings[at(rulings, A)] = rulings[at(rulings, A)]._replace(what=mild)
    return history._replace(rulings=rulings)


def rule_twice(history: History) -> History:
    """Two rulings that say different things."""
    other = make_ruling_of(make_verdict_of(A, Decision.BLOCK))
    return history._replace(rulings=[*history.rulings, Output(A, 260, other, Place(0, 100))])


def allow_unseen(history: History) -> History:
    """A failure that allows."""
    verdict = make_verdict_of(DEAD, Decision.ALLOW, rank=Rank.ABSTENTION)
    rulings = list(history.rulings)
    rulings[at(rulings, DEAD)] = rulings[at(rulings, DEAD)]._replace(what=make_ruling_of(verdict))
    return history._replace(rulings=rulings)


def settle_late(where: str) -> Callable[[History], History]:
    """What is due of a record comes after the commit that passed it was seen."""

    def late(history: History) -> History:
        outputs = list(getattr(history, where))
        index = at(outputs, DEAD if where == "letters" else A)
        outputs[index] = outputs[index]._replace(at_ms=outputs[index].at_ms + 2000)
        changed = history._asdict() | {where: outputs}
        return History(**changed)

    return late


def commit_too_far(history: History) -> History:
    """A commit of the end before anything was read."""
    return history._replace(commits=[Commit(1, RECORDS // 2, 10), *history.commits])


def swap(history: History) -> History:
    """The rulings of one key in another order."""
    rulings = list(history.rulings)
    a, b = at(rulings, A), at(rulings, B)
    rulings[a], rulings[b] = (
        rulings[a]._replace(stands=rulings[b].stands),
        rulings[b]._replace(stands=rulings[a].stands),
    )
    return history._replace(rulings=rulings)


def scatter(history: History) -> History:
    """A ruling of a key in another partition than its others."""
    rulings = list(history.rulings)
    rulings[at(rulings, B)] = rulings[at(rulings, B)]._replace(stands=Place(1, 100))
    return history._replace(rulings=rulings)


def stand_still(history: History) -> History:
    """Half of a partition comes 31 s later, though it was written long before."""
    slow = {Place(1, offset) for offset in range(3, 6)}

    def later(outputs: list[Output]) -> list[Output]:
        return [each._replace(at_ms=each.at_ms + 31_000) if each.place in slow else each for each in outputs]

    return history._replace(verdicts=later(list(history.verdicts)), rulings=later(list(history.rulings)), commits=[])


WRONG: dict[str, tuple[Callable[[History], History], str]] = {
    "no verdict": (lose_a_verdict, "1 records lost"),
    "no ruling": (lose_a_ruling, "1 records lost"),
    "no dead letter": (lose_a_letter, "1 records lost"),
    "a tombstone judged": (judge_a_tombstone, "1 records ended wrong"),
    "a stranger judged": (judge_a_stranger, "1 records ended wrong"),
    "buried beside a verdict": (bury_what_was_judged, "1 records ended wrong"),
    "too many repeats": (repeat, "2 records repeated, 1 allowed"),
    "a repeat that says otherwise": (say_otherwise, "1 events have more than one ruling"),
    "too mild": (rule_too_mildly, "1 events have more than one ruling"),
    "two rulings": (rule_twice, "1 events have more than one ruling"),
    "an allow of the unseen": (allow_unseen, "1 events have more than one ruling"),
    "verdict after the commit": (settle_late("verdicts"), "commits passed an unsettled record"),
    "ruling after the commit": (settle_late("rulings"), "commits passed an unsettled record"),
    "dead letter after the commit": (settle_late("letters"), "commits passed an unsettled record"),
    "commit too far": (commit_too_far, "1 commits passed an unsettled record"),
    "out of order": (swap, "1 rulings came before an earlier one of their key"),
    "in another partition": (scatter, "rulings came before an earlier one of their key"),
    "a stall": (stand_still, "a partition stood still for 31."),
}  # fmt: skip


def test_a_right_history_breaks_no_promise() -> None:
    """And what it tells is counted."""
    found = judge(make_history(), PROMISE)
    assert found.broken == []
    assert found.outcomes == {Fate.JUDGED: 10, Fate.DEAD_LETTERED: 1, Fate.IGNORED: 1}
    assert (found.events, found.rulings, found.repeated, found.commits) == (11, 11, 0, 12)
    assert found.stall_s == pytest.approx(0.05)


@pytest.mark.parametrize("planted", WRONG)
def test_a_wrong_history_is_found(planted: str) -> None:
    """Each kind by its own sentence."""
    spoil, says = WRONG[planted]
    broken = judge(spoil(make_history()), PROMISE).broken
    assert any(says in sentence for sentence in broken), broken


def test_repeats_within_the_bound_are_no_breach() -> None:
    """A failure may repeat a window of records, word by word."""
    found = judge(repeat(make_history()), PROMISE._replace(window=2))
    assert (found.repeated, found.broken) == (2, [])


def test_order_counts_only_where_it_was_promised() -> None:
    """Without `ordering: key` rulings come as they are decided."""
    assert judge(swap(make_history()), PROMISE._replace(ordered=False)).broken == []


def test_waiting_for_records_is_no_stall() -> None:
    """A partition to which nothing is written has nothing to do."""
    history = make_history()
    late = {Place(1, offset) for offset in range(3, 6)}
    records = {
        place: record._replace(at_ms=record.at_ms + 31_000) if place in late else record
        for place, record in history.records.items()
    }
    found = judge(stand_still(history)._replace(records=records), PROMISE)
    assert found.stall_s < 1


def test_what_never_settled_is_lost_and_passed() -> None:
    """A commit past a record of which nothing ever came out breaks both promises."""
    history = make_history()
    gone: Findings = judge(lose_a_ruling(history)._replace(commits=history.commits), PROMISE)
    assert (gone.lost, gone.committed_early) == (1, 5)
