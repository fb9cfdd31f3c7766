"""Which dead letters are meant, and which of them can be redriven. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from stream_guard.events.outcome import RejectionReason
from stream_guard.redrive.letters import Letter

NOT_WHOLE = frozenset({RejectionReason.UNREADABLE, RejectionReason.UNREADABLE_BATCH, RejectionReason.UNRESTORABLE})
"""Reasons of dead letters that do not hold all of the record, or not the one that was meant."""


class Filter(Struct, frozen=True):
    """Which dead letters are meant: those for which all holds that is said. Times are Unix times in milliseconds."""

    reasons: frozenset[str] = frozenset()
    topic: str | None = None
    """The topic of the record, not that of the dead letter."""
    route: str | None = None
    policy: str | None = None
    """The policy that a case failed under. A record that failed as a whole is of no one policy."""
    since_ms: int | None = None
    until_ms: int | None = None
    """Exclusive."""

    def takes(self, letter: Letter) -> bool:
        """Whether a dead letter is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and self.topic in (None, letter.origin.topic)
            and self.route in (None, letter.route)
            and self.policy in (None, letter.policy_id)
            and (self.since_ms is None or letter.failed_at_ms >= self.since_ms)
            and (self.until_ms is None or letter.failed_at_ms < self.until_ms)
        )


class Fate(StrEnum):
    """What a redrive does with a dead letter."""

    GOES = "goes"
    QUARANTINED = "quarantined"
    """It was redriven as often as it may be, and failed each time."""
    NOT_WHOLE = "not_whole"
    """It does not hold all of the record, so the record can't be judged by it."""
    FOREIGN = "foreign"
    """It is of another namespace or lane: its verdicts would compete with nobody's."""


class Terms(Struct, frozen=True):
    """Whose dead letters are redriven, and how often."""

    namespace: str
    lane: str
    max_hops: int

    def fate(self, letter: Letter) -> Fate:
        """What becomes of a dead letter."""
        if (letter.namespace, letter.lane) != (self.namespace, self.lane):
            return Fate.FOREIGN
        if letter.reason in NOT_WHOLE:
            return Fate.NOT_WHOLE
        return Fate.QUARANTINED if letter.replays >= self.max_hops else Fate.GOES


class Count(Struct, frozen=True):
    """So many dead letters of a reason and a topic, and what becomes of them."""

    reason: str
    topic: str
    fate: Fate
    letters: int
    bytes: int


class Selected(Struct, frozen=True):
    """The dead letters that go, in the order in which they stand, and the counts of all that are meant."""

    going: Sequence[Letter]
    counts: Sequence[Count]

    @property
    def fates(self) -> Mapping[Fate, int]:
        """How many are meant, by what becomes of them."""
        found: Counter[Fate] = Counter()
        for count in self.counts:
            found[count.fate] += count.letters
        return found


def select(letters: Iterable[Letter], meant: Filter, terms: Terms) -> Selected:
    """What a redrive of these would do."""
    going: list[Letter] = []
    counted: Counter[tuple[str, str, Fate]] = Counter()
    sizes: Counter[tuple[str, str, Fate]] = Counter()
    for letter in letters:
        if not meant.takes(letter):
            continue
        fate = terms.fate(letter)
        counted[letter.reason, letter.origin.topic, fate] += 1
        sizes[letter.reason, letter.origin.topic, fate] += letter.size
        if fate is Fate.GOES:
            going.append(letter)
    counts = [Count(*of, number, sizes[of]) for of, number in sorted(counted.items(), key=_largest_first)]
    return Selected(sorted(going, key=lambda letter: letter.at), counts)


def _largest_first(counted: tuple[tuple[str, str, Fate], int]) -> tuple[int, tuple[str, str, Fate]]:
    of, number = counted
    return -number, of
