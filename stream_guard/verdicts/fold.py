"""How the verdicts and rulings of one subject and lane fold into one result, whatever was repeated or reordered.

Each message brings entries: a ruling lists them, a verdict is one. The rules, the same in any language
(`fold_vectors.json` beside this file holds cases to test another implementation with):

1. An unknown decision counts as `review`, an unknown rank as `abstention`.
2. In each slot the entry with the highest (rank, revision, through, sequence) wins, compared in that order; ranks order
   abstention < provisional < final < human.
3. Where several share that highest place, the strictest decision wins (allow < flag < review < block), equal verdict ids
   included. Of those, the verdict id that sorts last is named; of the same id, the one with the latest `final_by_ms` (null
   is later than any), then the one whose `awaits` (null first), then `policy_version`, then `policy_id` sort last, then the
   one of the highest `severity` (absent is below null, null below any).
4. `ties` counts the slots where the entries in the winning place differ in verdict id or decision. A repeat is no tie.
5. `decision` is the strictest of the winners'; `review` where there are none.
6. `missing` lists, sorted and without repeats, the policy ids whose winner is an abstention or provisional.
7. `complete` is true where a ruling was seen and nothing is missing. Verdicts alone never complete anything: they don't
   tell which policies have yet to speak.
8. `lead` is the policy id of the winner that leads: that of the strictest decision; of several, one that stands (`final`,
   `human`) before a provisional one before an abstention; then that of the highest `severity` (absent or null counts as 0);
   then the one whose `policy_id`, then `slot`, sorts first. Null where there are no winners.

The state per slot is a join-semilattice (the join is associative, commutative and idempotent), hence any duplication, order
or merging of parts gives the same result. Nothing here is special for labels: a withdrawn human label is one more human
verdict, of a higher sequence, with the decision of the verdict that it restores.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from stream_guard.identity import Slot, Subject, ruling_id
from stream_guard.policy.document import Decision
from stream_guard.verdicts.model import Entry, Lane, Position, Rank, Ruling, Verdict

Message: TypeAlias = Verdict | Ruling

_STRICTNESS: Mapping[str, int] = {decision: decision.strictness for decision in Decision}
_WEIGHT: Mapping[str, int] = {rank: rank.weight for rank in Rank}
_STANDS = frozenset({Rank.FINAL, Rank.HUMAN})
_STANDING: Mapping[str, int] = {rank: min(rank.weight, Rank.FINAL.weight) for rank in Rank}


class Ruled(Struct, frozen=True):
    """What the winners of an event's slots come to."""

    decision: Decision
    complete: bool
    missing: tuple[str, ...]
    lead: str | None


class Folded(Struct, frozen=True):
    """What the messages about one subject in one lane come to."""

    slots: Mapping[Slot, Entry]
    decision: Decision
    complete: bool
    missing: tuple[str, ...]
    ties: int
    ruled: bool
    """Whether a ruling was seen: only a ruling tells which policies have a say."""
    lead: str | None
    """The policy that leads: whose reason is told, whose queue takes the event."""

    def stands_at(self, now_ms: int) -> bool:
        """Whether the decision stands for good at this Unix time: a provisional verdict does once its `final_by_ms` is past."""
        return self.ruled and all(_stands_at(entry, now_ms) for entry in self.slots.values())


class FoldKey(NamedTuple):
    """What messages must share to be folded together."""

    namespace: str
    lane: Lane
    subject: Subject


class Place(NamedTuple):
    """Who holds a slot, and whether another had an equal right to it."""

    entry: Entry
    tied: bool


class Folder:
    """Folds the messages of one subject and lane as they come. Its state is `places` and `ruled`, and grows only by slots."""

    def __init__(self, places: Mapping[Slot, Place] | None = None, *, ruled: bool = False) -> None:
        self.places: dict[Slot, Place] = dict(places or {})
        self.ruled = ruled

    def add(self, message: Message) -> None:
        """Takes in a verdict or a ruling."""
        if isinstance(message, Ruling):
            self.add_entries(message.entries, ruled=True)
        else:
            self.add_entries((entry_of(message),), ruled=False)

    def add_entries(self, entries: Iterable[Entry], *, ruled: bool) -> None:
        """Takes in the entries of one message; `ruled` says whether it was a ruling."""
        self._join((entry.slot, Place(entry, tied=False)) for entry in entries)
        self.ruled = self.ruled or ruled

    def merge(self, other: Folder) -> None:
        """Takes in all that another folder has seen of the same subject and lane."""
        self._join(other.places.items())
        self.ruled = self.ruled or other.ruled

    def folded(self) -> Folded:
        """The result so far."""
        slots = {slot: place.entry for slot, place in sorted(self.places.items())}
        ruled = rule(slots.values())
        ties = sum(place.tied for place in self.places.values())
        complete = ruled.complete and self.ruled
        return Folded(slots, ruled.decision, complete, ruled.missing, ties, self.ruled, ruled.lead)

    def _join(self, places: Iterable[tuple[Slot, Place]]) -> None:
        for slot, place in places:
            held = self.places.get(slot)
            self.places[slot] = place if held is None else _stronger(held, place)


def fold(messages: Iterable[Message]) -> Folded:
    """Folds the messages of one subject and lane. See `fold_each` for messages of many."""
    folder = Folder()
    for message in messages:
        folder.add(message)
    return folder.folded()


def fold_each(messages: Iterable[Message]) -> dict[FoldKey, Folded]:
    """Folds messages of any subjects, namespaces and lanes, each subject in each lane by itself."""
    folders: dict[FoldKey, Folder] = {}
    for message in messages:
        folders.setdefault(fold_key(message), Folder()).add(message)
    return {key: folder.folded() for key, folder in folders.items()}


def fold_key(message: Message) -> FoldKey:
    """What this message is folded by."""
    return FoldKey(message.namespace, message.lane, message.subject)


def entry_of(verdict: Verdict) -> Entry:
    """What a ruling lists of a verdict."""
    policy = verdict.policy
    return Entry(
        slot=verdict.slot,
        policy_id=policy.id,
        policy_version=policy.version,
        revision=policy.revision,
        verdict_id=verdict.id,
        decision=verdict.decision,
        rank=verdict.rank,
        through=verdict.through,
        sequence=verdict.sequence,
        awaits=verdict.awaits,
        final_by_ms=verdict.final_by_ms,
        severity=verdict.severity,
    )


def winners(entries: Collection[Entry]) -> tuple[Entry, ...]:
    """The winner of each slot, ordered by policy id."""
    if len(entries) == 1:
        return tuple(entries)
    folder = Folder()
    folder.add_entries(entries, ruled=False)
    return tuple(sorted((place.entry for place in folder.places.values()), key=_listing_order))


def rule(entries: Collection[Entry]) -> Ruled:
    """What entries come to, one of each slot (`winners` leaves one). No entries are no judgement: `review`, not complete."""
    leading = min(entries, key=_leading_order, default=None)
    if leading is None:
        return Ruled(Decision.REVIEW, complete=False, missing=(), lead=None)
    missing = {entry.policy_id for entry in entries if entry.rank not in _STANDS}
    return Ruled(leading.decision, complete=not missing, missing=tuple(sorted(missing)), lead=leading.policy_id)


def ruling_of(
    entries: Collection[Entry],
    *,
    subject: Subject,
    namespace: str,
    lane: Lane,
    kind: str | None,
    event_id: str | None,
    route: str,
    sources: tuple[Position, ...],
    ruled_at_ms: int,
    reason: str | None = None,
) -> Ruling:
    """The ruling on an event, from the entries of its verdicts so far: those just given, and those that the record carried.

    `reason` says why a dead-lettered record could not be judged at all; its entries are one abstention for each policy.
    """
    listed = winners(entries)
    ruled = rule(listed)
    ids = [entry.verdict_id for entry in listed]
    return Ruling(
        id=ruling_id(namespace, lane, subject, ids, ruled.complete, reason),
        subject=subject,
        namespace=namespace,
        lane=lane,
        kind=kind,
        event_id=event_id,
        route=route,
        sources=sources,
        decision=ruled.decision,
        complete=ruled.complete,
        missing=ruled.missing,
        reason=reason,
        entries=listed,
        ruled_at_ms=ruled_at_ms,
        lead=ruled.lead,
    )


def _rights(entry: Entry) -> tuple[int, int, int, int]:
    return _WEIGHT[entry.rank], entry.revision, entry.through, entry.sequence


def _precedence(entry: Entry) -> tuple[int, str, float, str, str, str, tuple[int, int]]:
    final_by = math.inf if entry.final_by_ms is None else entry.final_by_ms
    awaits = "" if entry.awaits is None else f"+{entry.awaits}"
    # The severity decides last: the verdicts that win, hence ruling ids, are those of a fold that does not know it.
    severity = _known_severity(entry)
    named = entry.verdict_id, final_by, awaits, entry.policy_version, entry.policy_id
    return _STRICTNESS[entry.decision], *named, severity


def _known_severity(entry: Entry) -> tuple[int, int]:
    if isinstance(entry.severity, int):
        return 2, entry.severity
    return (1 if entry.severity is None else 0), 0


def _leading_order(entry: Entry) -> tuple[int, int, int, str, str]:
    severity = entry.severity if isinstance(entry.severity, int) else 0
    return -_STRICTNESS[entry.decision], -_STANDING[entry.rank], -severity, entry.policy_id, entry.slot


def _stronger(one: Place, other: Place) -> Place:
    rights, others = _rights(one.entry), _rights(other.entry)
    if rights != others:
        return one if rights > others else other
    tied = one.tied or other.tied or _differ(one.entry, other.entry)
    return Place(max(one.entry, other.entry, key=_precedence), tied)


def _differ(one: Entry, other: Entry) -> bool:
    return one.verdict_id != other.verdict_id or one.decision != other.decision


def _stands_at(entry: Entry, now_ms: int) -> bool:
    if entry.rank is Rank.PROVISIONAL:
        return entry.final_by_ms is not None and entry.final_by_ms <= now_ms
    return entry.rank in _STANDS


def _listing_order(entry: Entry) -> tuple[str, str]:
    return entry.policy_id, entry.slot
