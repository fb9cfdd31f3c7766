"""The oracle: what is to be true of a history, whatever was killed meanwhile. Pure.

Every record ends in exactly the outcome that it should; what repeats says the same, and is no more than a window, and what could not
be committed, for each failure; no commit was ever seen past a record that was not settled by then; no partition stood still; one
ruling an event, never milder than the strictest of its verdicts; the rulings of one key in the order of its records, where that is
promised.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import NamedTuple

from stream_guard.policy.document import Decision
from stream_guard.verdicts.fold import Message, fold_each
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.faults.history import Commit, History, Output, Written
from tests.published import Fate, Place

MAX_STALL_S = 30.0


class Promise(NamedTuple):
    """What a scenario allows. Each failure, of a consumer or of a broker, may repeat a window of `window` records."""

    window: int
    failures: int
    stall_s: float = MAX_STALL_S
    ordered: bool = False
    uncommitted: int = 0
    """Records that may settle before a failure, or while it lasts, and can't be committed: each failure may repeat these too."""

    @property
    def repeats(self) -> int:
        """How many records may have been judged more than once."""
        return (self.window + self.uncommitted) * self.failures


class Findings(NamedTuple):
    """What the oracle found."""

    outcomes: Counter[Fate]
    lost: int
    """Records of which not all came out that should have."""
    wrong: int
    """Records of which something came out that should not have."""
    repeated: int
    """Records that were judged, or dead-lettered, more than once."""
    contradicted: int
    """Records that have more than one verdict id, or more than one ruling once folded, or too mild a one."""
    committed_early: int
    """Commits that were seen past a record that was not settled."""
    disordered: int
    """Records whose ruling stands before that of an earlier record of the same key."""
    stall_s: float
    """The longest time for which a partition had something to do and did nothing. Seconds."""
    rulings: int
    """Rulings that were published, repeats counted."""
    commits: int
    """Commits that were seen."""
    promise: Promise

    @property
    def events(self) -> int:
        """Records of which a ruling is due."""
        return sum(count for fate, count in self.outcomes.items() if fate is not Fate.IGNORED)

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold."""
        told = {
            f"{self.lost} records lost": self.lost,
            f"{self.wrong} records ended wrong": self.wrong,
            f"{self.repeated} records repeated, {self.promise.repeats} allowed": self.repeated > self.promise.repeats,
            f"{self.contradicted} events have more than one ruling, or too mild a one": self.contradicted,
            f"{self.committed_early} commits passed an unsettled record": self.committed_early,
            f"{self.disordered} rulings came before an earlier one of their key": self.promise.ordered
            and self.disordered,
            f"a partition stood still for {self.stall_s:.1f} s": self.stall_s > self.promise.stall_s,
        }
        return [sentence for sentence, broken in told.items() if broken]


def judge(history: History, promise: Promise) -> Findings:
    """Holds a history against what was promised."""
    came = tuple(map(_by_place, (history.verdicts, history.rulings, history.letters)))
    verdicts, rulings, _ = came
    settled = _settled(history.records, came)
    strangers = set().union(*came) - history.records.keys()
    return Findings(
        outcomes=Counter(record.fate for record in history.records.values()),
        lost=sum(_any(at, came, due=True) for at in _pairs(history.records)),
        wrong=sum(_any(at, came, due=False) for at in _pairs(history.records)) + len(strangers),
        repeated=len({at for each in (rulings, came[2]) for at, found in each.items() if len(found) > 1} | _repeated(verdicts)),
        contradicted=sum(_contradicted(verdicts.get(at, ()), found) for at, found in rulings.items()),
        committed_early=_committed_early(settled, history.commits),
        disordered=_disordered(history.records, rulings),
        stall_s=_longest_stall(settled),
        rulings=len(history.rulings),
        commits=len(history.commits),
        promise=promise,
    )  # fmt: skip


_DUE: Mapping[Fate, tuple[bool, bool, bool]] = {
    Fate.JUDGED: (True, True, False),
    Fate.ABSTAINED: (True, True, False),
    Fate.DEAD_LETTERED: (False, True, True),
    Fate.IGNORED: (False, False, False),
}
"""Of which fates come verdicts, rulings and dead letters."""

_Outputs = Mapping[Place, Sequence[Output]]
_Came = tuple[_Outputs, ...]
"""Verdicts, rulings and dead letters."""


class _Settled(NamedTuple):
    """A record that is not ignored, and when all that is due of it had come out first (never: infinity)."""

    offset: int
    written_ms: int
    at_ms: float


def _by_place(outputs: Iterable[Output]) -> _Outputs:
    found: dict[Place, list[Output]] = defaultdict(list)
    for output in outputs:
        found[output.place].append(output)
    return found


def _pairs(records: Mapping[Place, Written]) -> Iterable[tuple[Place, Fate]]:
    return ((place, record.fate) for place, record in records.items())


def _any(record: tuple[Place, Fate], came: _Came, *, due: bool) -> bool:
    """Whether of a record something that is due is missing, or something is there that is not due."""
    place, fate = record
    return any(
        is_due is due and (place in outputs) is not due for is_due, outputs in zip(_DUE[fate], came, strict=True)
    )


def _repeated(verdicts: _Outputs) -> set[Place]:
    """One verdict a policy is no repeat."""
    return {
        place
        for place, found in verdicts.items()
        if len(found) > len({each.what.slot for each in found if isinstance(each.what, Verdict)})
    }


def _contradicted(verdicts: Sequence[Output], rulings: Sequence[Output]) -> bool:
    """Whether an event's repeats do not say the same, or its messages do not fold to what each ruling says."""
    messages: list[Message] = [output.what for output in (*verdicts, *rulings) if output.what is not None]
    ids = {(each.slot, each.id) for each in messages if isinstance(each, Verdict)}
    return len(ids) > len({slot for slot, _ in ids}) or not _one_ruling(messages)


def _one_ruling(messages: Sequence[Message]) -> bool:
    folded = list(fold_each(messages).values())
    if len(folded) != 1 or not folded[0].ruled or folded[0].ties:
        return False
    (result,) = folded
    rulings = [each for each in messages if isinstance(each, Ruling)]
    final = [each.decision.strictness for each in messages if isinstance(each, Verdict) and each.rank is Rank.FINAL]
    said = {(each.decision, each.complete) for each in rulings}
    return (
        said == {(result.decision, result.complete)}
        and result.decision.strictness >= max(final, default=0)
        and all(each.complete or each.decision is not Decision.ALLOW for each in rulings)
    )


def _settled(records: Mapping[Place, Written], came: _Came) -> dict[int, list[_Settled]]:
    """By partition, in the order of offsets."""
    found: dict[int, list[_Settled]] = defaultdict(list)
    for place in sorted(records):
        record = records[place]
        firsts = [
            min((output.at_ms for output in outputs.get(place, ())), default=inf)
            for due, outputs in zip(_DUE[record.fate], came, strict=True)
            if due
        ]
        if firsts:
            found[place.partition].append(_Settled(place.offset, record.at_ms, max(firsts)))
    return found


def _committed_early(settled: Mapping[int, Sequence[_Settled]], commits: Iterable[Commit]) -> int:
    """A commit needs all records below its offset, at the time when it was seen."""
    offsets = {partition: [each.offset for each in found] for partition, found in settled.items()}
    needed = {
        partition: [0.0, *accumulate((each.at_ms for each in found), max)] for partition, found in settled.items()
    }
    return sum(
        needed[each.partition][bisect_left(offsets[each.partition], each.offset)] > each.at_ms
        for each in set(commits)
        if each.partition in needed
    )


def _disordered(records: Mapping[Place, Written], rulings: _Outputs) -> int:
    """Where the first ruling of each record stands, by key."""
    latest: dict[tuple[int, bytes | None], Place] = {}
    count = 0
    for place in sorted(rulings.keys() & records.keys()):
        first = min(output.stands for output in rulings[place])
        key = place.partition, records[place].key
        before = latest.get(key, first)
        count += first.partition != before.partition or first < before
        latest[key] = max(before, first)
    return count


def _longest_stall(settled: Mapping[int, Sequence[_Settled]]) -> float:
    """Between one settlement of a partition and the next, counted from when there was something to do."""
    longest = 0.0
    for found in settled.values():
        ordered = sorted((each for each in found if each.at_ms != inf), key=lambda each: each.at_ms)
        # Of all that settled then or later, when the first was written.
        oldest = list(accumulate((each.written_ms for each in reversed(ordered)), min))[::-1]
        before = 0.0
        for each, since in zip(ordered, oldest, strict=True):
            longest = max(longest, each.at_ms - max(before, since))
            before = each.at_ms
    return longest / 1000
