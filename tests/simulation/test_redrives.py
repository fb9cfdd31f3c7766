"""Dead letters are redriven among rebalances, crashes and faults: every slot folds to its verdict, whatever is repeated."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from stream_guard import docket, publishing
from stream_guard.deciding import Decider
from stream_guard.delivery.hearing import Hearing
from stream_guard.docket import Docket
from stream_guard.identity import Subject, record_subject
from stream_guard.records import Record
from stream_guard.redrive.rehearing import asked_of
from stream_guard.verdicts.dead_letter import DeadLetter, encode
from stream_guard.verdicts.encoding import Encoded
from stream_guard.verdicts.model import Ruling
from tests.simulation.coverage import Coverage
from tests.simulation.packed_bugs import redriven_with_its_pack
from tests.simulation.redrives import RedriveWorld
from tests.simulation.simulate import play_out

SCHEDULES = int(os.environ.get("SIMULATION_SCHEDULES", "150"))
WITHIN = 100
"""Schedules in which each planted bug must be found."""


def played(seed: int, coverage: Coverage) -> RedriveWorld:
    """The world of a seed after its end."""
    world = RedriveWorld(seed, coverage)
    play_out(world, world.check)
    return world


@pytest.mark.timeout(600)
def test_every_slot_folds_to_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """What failed is judged once nothing is wrong any more, with no slot filled twice and nothing else disturbed."""
    coverage, redriven = Coverage(), 0
    for seed in range(SCHEDULES):
        world = played(seed, coverage)
        assert world.wrong is None, f"seed {seed}: {world.wrong}"
        redriven += world.redriven
    met = {pair: count for pair, count in coverage.counts.items() if pair[0].startswith("redriv")}
    with capsys.disabled():
        sys.stdout.write(f"\n{SCHEDULES} schedules, {redriven:,} records redriven: {met}\n")
    for reason in ("unparseable", "rejected", "failed", "rejected again", "each of a pack", "one of a pack"):
        assert coverage.counts["redriven", reason], reason
    assert coverage.counts["redrive", "broken off"]


def another_subject(patch: pytest.MonkeyPatch) -> None:
    """A redriven record is named by where it lies in the redrive topic."""

    def named(self: Docket, record: Record, kind: str) -> Subject:
        return record_subject(self._cluster, record.lease.topic, record, kind)

    patch.setattr(Docket, "_record_subject", named)


def others_forgotten(patch: pytest.MonkeyPatch) -> None:
    """The ruling on a redriven case tells of that case alone."""
    ruling = Decider.ruling

    def alone(self: Decider, hearing: Hearing, now_ms: int) -> Ruling:
        hearing.carried = ()
        return ruling(self, hearing, now_ms)

    patch.setattr(Decider, "ruling", alone)


def hops_not_counted(patch: pytest.MonkeyPatch) -> None:
    """What failed again looks as if it had failed for the first time."""

    def fresh(letter: DeadLetter, record: Record) -> Encoded:
        return encode(replace(letter, replays=0), record)

    patch.setattr(publishing, "encode_dead_letter", fresh)


def never_judged_again(patch: pytest.MonkeyPatch) -> None:
    """A redriven case is taken for one that no route judges any more."""
    patch.setattr(docket, "asked_of", lambda hearing, t: () if hearing.record.origin else asked_of(hearing, t))


@pytest.mark.parametrize(
    ("plant", "shows"),
    [
        (another_subject, r"no case of this record|subject"),
        (others_forgotten, r"not one entry for each policy"),
        (hops_not_counted, r"should count \d+ replays"),
        (redriven_with_its_pack, r"(alpha|beta) was asked about under beta\+alpha, not under (alpha|beta)"),
        (never_judged_again, r"is not settled under it|is still abstention|needs has not been written"),
    ],
)
def test_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], shows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for what it is, within a hundred schedules."""
    plant(monkeypatch)
    for seed in range(WITHIN):
        wrong = played(seed, Coverage()).wrong
        if wrong is not None and re.search(shows, wrong):
            return
    pytest.fail(f"{plant.__name__} was not found in {WITHIN} schedules")
