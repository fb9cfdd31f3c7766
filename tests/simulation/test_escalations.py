"""Cases are asked again among rebalances, crashes and faults: one ruling each, and no first word is lost or softened."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from stream_guard import pronouncing
from stream_guard.deciding import Decider
from stream_guard.delivery.hearing import Hearing
from stream_guard.judging.case import Outcome
from stream_guard.verdicts.model import Rank, Verdict
from tests.simulation.coverage import Coverage
from tests.simulation.escalations import EscalatingWorld, SendingWorld
from tests.simulation.packed_bugs import goes_on_with_its_pack
from tests.simulation.simulate import play_out

SCHEDULES = int(os.environ.get("SIMULATION_SCHEDULES", "100"))
WITHIN = 50
"""Schedules in which each planted bug must be found."""


HERE_AND_ELSEWHERE = (EscalatingWorld, SendingWorld)


def played(kind: type[EscalatingWorld], seed: int, coverage: Coverage) -> EscalatingWorld:
    """The world of a seed after its end."""
    world = kind(seed, coverage)
    play_out(world, world.check)
    return world


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", HERE_AND_ELSEWHERE)
def test_every_case_that_goes_on_has_a_last_word(
    kind: type[EscalatingWorld], capsys: pytest.CaptureFixture[str]
) -> None:
    """All that is promised of any world holds, and what was provisional is followed up, whatever happens in between."""
    coverage = Coverage()
    for seed in range(SCHEDULES):
        world = played(kind, seed, coverage)
        assert world.wrong is None, f"seed {seed}: {world.wrong}"
    met = {pair[1]: count for pair, count in coverage.counts.items() if pair[0] == "escalated"}
    with capsys.disabled():
        sys.stdout.write(f"\n{kind.__name__}, {SCHEDULES} schedules, slots that went on: {met}\n")
    assert met["final, judged"]
    assert met["provisional, given up"]
    assert met["one of a pack"]
    assert met["each of a pack"]
    assert ("sent on" in met) == (kind is SendingWorld)


def ruled_too_soon(patch: pytest.MonkeyPatch) -> None:
    """The ruling does not wait for the second asking."""
    decide = pronouncing.Pronouncing._escalate

    def hasty(self: pronouncing.Pronouncing, case: object, *rest: object) -> object:
        again = decide(self, case, *rest)  # type: ignore[arg-type]  # as it is called
        if again is not None:
            again.owner._due -= len(again.template.policies)
        return again

    patch.setattr(pronouncing.Pronouncing, "_escalate", hasty)


def never_asked_again(patch: pytest.MonkeyPatch) -> None:
    """The second asking is forgotten, the first word stays provisional."""
    patch.setattr(pronouncing.Pronouncing, "_escalate", lambda *_: None)


def the_last_word_is_no_later(patch: pytest.MonkeyPatch) -> None:
    """Both verdicts have one place in the fold."""
    give = Decider.verdict

    def flat(
        self: Decider, outcome: Outcome[Hearing], now: float, now_ms: int, *, provisional: bool = False
    ) -> Verdict:
        return replace(give(self, outcome, now, now_ms, provisional=provisional), sequence=0)

    patch.setattr(Decider, "verdict", flat)


def an_abstention_outweighs(patch: pytest.MonkeyPatch) -> None:
    """If the second asking abstains, that counts."""
    give = Decider.verdict

    def heavy(
        self: Decider, outcome: Outcome[Hearing], now: float, now_ms: int, *, provisional: bool = False
    ) -> Verdict:
        verdict = give(self, outcome, now, now_ms, provisional=provisional)
        return replace(verdict, rank=Rank.FINAL) if verdict.sequence and verdict.abstention else verdict

    patch.setattr(Decider, "verdict", heavy)


@pytest.mark.parametrize(
    ("kinds", "plant", "shows"),
    [
        (
            (EscalatingWorld,),
            ruled_too_soon,
            r"not settled|has not been written|complete|RuntimeError|exception|nothing was committed",
        ),
        (HERE_AND_ELSEWHERE, never_asked_again, r"not settled|has not been written|nothing was committed"),
        (
            HERE_AND_ELSEWHERE,
            the_last_word_is_no_later,
            r"another policy or prompt version|the id does not follow|no case of this record",
        ),
        (HERE_AND_ELSEWHERE, an_abstention_outweighs, r"the id does not follow|an abstention with rank"),
        (
            HERE_AND_ELSEWHERE,
            goes_on_with_its_pack,
            r"was asked about under (beta\+alpha|gamma\+delta), not under|no case of this record",
        ),
    ],
)
def test_planted_bug_is_found(
    kinds: tuple[type[EscalatingWorld], ...],
    plant: Callable[[pytest.MonkeyPatch], None],
    shows: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each for what it is, within fifty schedules of each kind."""
    plant(monkeypatch)
    for kind in kinds:
        assert _is_found(kind, shows), f"{plant.__name__} was not found in {WITHIN} schedules of {kind.__name__}"


def _is_found(kind: type[EscalatingWorld], shows: str) -> bool:
    for seed in range(WITHIN):
        wrong = played(kind, seed, Coverage()).wrong
        if wrong is not None and re.search(shows, wrong):
            return True
    return False
