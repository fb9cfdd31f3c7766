"""What must be true once the world has come to rest."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from stream_guard.policy.document import Decision
from stream_guard.verdicts.fold import Folded, entry_of, fold
from stream_guard.verdicts.model import Entry, Ruling, Verdict
from tests.simulation.log import SimRecord
from tests.simulation.rig import leaks
from tests.simulation.world import World


def check_end(world: World) -> None:
    """Looks at every record, every fold and every member, and fails the world by the first thing that is wrong."""
    rng = random.Random(f"fold {world.schedule.seed}")
    for record in (record for log in world.logs.values() for record in log):
        if record is None:
            continue
        for wrong in _wrong_with(record, rng):
            world.fail(f"at rest, {record!r}: {wrong}")
            return
    for wrong in _wrong_outcomes(world):
        world.fail(f"at rest: {wrong}")
    for member in world.members:
        if (
            member.pipeline is not None
            and member.stopping
            and not member.failing
            and member.probe.drained
            and (held := leaks(member.pipeline))
        ):
            world.fail(f"at rest, {member.name} still holds {', '.join(held)}")


def _wrong_with(record: SimRecord, rng: random.Random) -> Iterator[str]:
    landed = record.landed
    if not landed.settled:
        yield "not settled"
    if landed.messages:
        yield from _wrong_with_fold(landed.messages, rng)


def _wrong_outcomes(world: World) -> Iterator[str]:
    """Each record ended at least once as it must, and no record ended otherwise: repeats come from redelivery alone."""
    due = Counter(record.outcome for log in world.logs.values() for record in log if record is not None)
    for outcome in due.keys() | world.outcomes.keys():
        if world.outcomes[outcome] < due[outcome] or not due[outcome]:
            yield f"{world.outcomes[outcome]} records ended as {outcome}, which {due[outcome]} had to"


def _wrong_with_fold(messages: Sequence[Verdict | Ruling], rng: random.Random) -> Iterator[str]:
    """Folds any order and repetition of what was published: always the oracle's own result, which is never the milder."""
    entries: list[Entry] = []
    for message in messages:
        entries.extend(message.entries if isinstance(message, Ruling) else (entry_of(message),))
    expected = _strictest(entries)
    for _ in range(1 if len(messages) < 4 else 2):
        shown = [*messages, *rng.choices(messages, k=rng.randint(0, 2))]
        rng.shuffle(shown)
        folded = fold(shown)
        if _decisions(folded) != expected:
            yield f"folds to {_decisions(folded)}, not to {expected}"
        if folded.decision is not max(expected.values(), key=lambda decision: decision.strictness):
            yield f"folds to {folded.decision}, not to the strictest of {expected}"


def _decisions(folded: Folded) -> dict[str, Decision]:
    return {slot: entry.decision for slot, entry in folded.slots.items()}


def _strictest(entries: Sequence[Entry]) -> dict[str, Decision]:
    """Per slot the strictest decision among the highest: the definition, worked out the slow way."""
    slots: dict[str, list[Entry]] = {}
    for entry in entries:
        slots.setdefault(entry.slot, []).append(entry)
    decisions = {}
    for slot, competing in slots.items():
        highest = max(map(_place, competing))
        equals = [entry.decision for entry in competing if _place(entry) == highest]
        decisions[slot] = max(equals, key=lambda decision: decision.strictness)
    return decisions


def _place(entry: Entry) -> tuple[int, int, int, int]:
    return entry.rank.weight, entry.revision, entry.through, entry.sequence
