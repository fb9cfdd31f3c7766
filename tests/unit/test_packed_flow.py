"""Policies that are asked about together, from the record to the ruling: one case, a verdict for each, nothing else changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.accounts import Accounts
from stream_guard.delivery.hearing import Hearing
from stream_guard.docket import Docket
from stream_guard.engines.port import Usage
from stream_guard.events.model import View
from stream_guard.judging.case import Case, outcomes
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.policy.packed import packed
from stream_guard.records import Record
from stream_guard.redrive.provenance import restored
from stream_guard.routing import Limits, Route, Routes
from stream_guard.verdicts.fold import fold
from stream_guard.verdicts.model import Rank
from tests.cases import NOW_MS, RENDERER, make_record, make_route, open_hearing
from tests.escalations import ADVERT, FINE, SCAM, brought, heard_elsewhere, make_escalation, make_written_policy
from tests.unit.test_pronouncing_escalation import Desk

ADVERTS, INSULTS, THREATS = (make_written_policy(name) for name in ("adverts", "insults", "threats"))
GARBAGE = Abstention(AbstentionReason.UNPARSEABLE, "no JSON")
LATE = Abstention(AbstentionReason.TIMEOUT)


def make_packed_route(**settings: Any) -> Route:
    """A route with three policies, of which the first and the last are packed."""
    policies = (ADVERTS, INSULTS, THREATS)
    return make_route(
        templates={View.MESSAGE: tuple(RENDERER.template(policy, View.MESSAGE) for policy in policies)},
        packed={View.MESSAGE: (RENDERER.template(packed([ADVERTS, THREATS]), View.MESSAGE),)},
        **settings,
    )


def cases_of(hearing: Hearing) -> dict[str, Case[Hearing]]:
    """What is asked, by its name."""
    return {case.template.asked.id: case for case in hearing.cases}


class PackedDesk(Desk):
    """Ends cases under several policies."""

    def end_all(self, name: str, *results: Judgement | Abstention) -> list[Case[Hearing]]:
        """The case of this name ends so, policy by policy."""
        case = cases_of(self.hearing)[name]
        case.attempts = 1
        case.spend(Usage(101, 51, 7, 0.5, 0.001))
        again = self.pronouncing.decide(outcomes(case, results), 11.0)
        self.sent += self.outbox.take(11.0)
        return again


def test_a_packed_case_stands_in_the_place_of_its_policies() -> None:
    """What is in no group is a case of its own."""
    hearing = open_hearing(None, make_packed_route())
    assert list(cases_of(hearing)) == ["adverts+threats", "insults"]
    assert not hearing.heard


def test_each_policy_gets_its_verdict_and_the_event_one_ruling() -> None:
    """With the slot of a separate verdict; with the prompt version of what was shown; what was spent adds up."""
    desk = PackedDesk(make_packed_route())
    assert desk.end_all("adverts+threats", ADVERT, FINE) == []
    assert desk.rulings == []
    desk.end_all("insults", FINE)
    adverts, threats, insults = desk.verdicts
    assert [v.policy.id for v in desk.verdicts] == ["adverts", "threats", "insults"]
    assert [v.category for v in desk.verdicts] == ["ADVERT", "FINE", "FINE"]
    assert adverts.prompt_version == threats.prompt_version != insults.prompt_version
    apart = PackedDesk(replace(make_packed_route(), packed={}))
    for name, result in (("adverts", ADVERT), ("insults", FINE), ("threats", FINE)):
        apart.end_all(name, result)
    assert {v.slot for v in desk.verdicts} == {v.slot for v in apart.verdicts}
    assert {v.id for v in desk.verdicts} & {v.id for v in apart.verdicts} == {insults.id}
    assert (adverts.tokens.prompt + threats.tokens.prompt, insults.tokens.prompt) == (101, 101)
    assert [adverts.tokens.completion, threats.tokens.completion] == [4, 3]
    (ruling,) = desk.rulings
    assert (ruling.decision, ruling.complete, len(ruling.entries)) == ("flag", True, 3)
    assert fold(desk.verdicts).decision == "flag"


def test_where_one_ask_fails_each_policy_abstains_and_has_its_letter() -> None:
    """They are redriven one by one."""
    desk = PackedDesk(make_packed_route())
    desk.end_all("insults", FINE)
    desk.end_all("adverts+threats", GARBAGE, GARBAGE)
    assert [v.rank for v in desk.verdicts] == [Rank.FINAL, Rank.ABSTENTION, Rank.ABSTENTION]
    assert len(desk.letters()) == 2
    assert desk.rulings[0].missing == ("adverts", "threats")


def heard_again(record: Record, route: Route) -> Hearing:
    """The hearing of a record that was redriven."""
    (hearing,) = Docket(Routes((route,)), cluster="cluster").open([restored(record)], [None], 20.0, NOW_MS)
    return hearing


def test_a_redriven_case_is_asked_about_alone() -> None:
    """Of a group of which the other policy has its verdict: that is not asked about again."""
    desk = PackedDesk(make_packed_route())
    desk.end_all("insults", FINE)
    desk.end_all("adverts+threats", GARBAGE, SCAM)
    (letter,) = desk.letters()
    hearing = heard_again(letter, make_packed_route())
    assert list(cases_of(hearing)) == ["adverts"]
    assert {entry.policy_id for entry in hearing.carried} == {"insults", "threats"}


def test_a_record_that_failed_as_a_whole_is_asked_about_in_groups_again() -> None:
    """As any record."""
    desk = PackedDesk(make_packed_route(), make_record(b"?"))
    outcome = desk.hearing.outcome
    desk.pronouncing.turn_down(desk.hearing, outcome)  # type: ignore[arg-type]  # it is a rejection
    desk.sent += desk.outbox.take(11.0)
    (letter,) = desk.letters()
    hearing = heard_again(replace(letter, value=make_record().value), make_packed_route())
    assert list(cases_of(hearing)) == ["adverts+threats", "insults"]


def test_what_is_screened_abstains_under_each() -> None:
    """Without anyone being asked."""
    hearing = open_hearing(None, make_packed_route(limits=Limits(content_chars=3)))
    assert [(o.policy.id, o.result.reason) for o in hearing.screened if isinstance(o.result, Abstention)] == [
        (name, AbstentionReason.TOO_LONG) for name in ("adverts", "threats", "insults")
    ]
    assert hearing.cases == []


@pytest.mark.parametrize("last", [SCAM, LATE])
def test_a_judgement_of_a_group_goes_on_by_itself(last: Judgement | Abstention) -> None:
    """At a higher effort on this engine, under the one policy that is doubted; the ruling waits for it."""
    escalation = make_escalation(None, ADVERTS, THREATS, severity=2)
    desk = PackedDesk(make_packed_route(escalation=escalation))
    desk.end_all("insults", FINE)
    (again,) = desk.end_all("adverts+threats", ADVERT, FINE)
    assert (again.template.asked.id, desk.rulings) == ("adverts", [])
    assert not desk.hearing.heard
    desk.end(again, last)
    (ruling,) = desk.rulings
    assert len(ruling.entries) == 3
    assert fold(desk.verdicts).decision == ("block" if last is SCAM else "flag")
    assert fold([*desk.verdicts, ruling]).decision == ruling.decision


def test_a_judgement_of_a_group_goes_on_elsewhere() -> None:
    """As a record about its policy alone; there it is no part of a group."""
    desk = PackedDesk(make_packed_route(escalation=make_escalation("up", severity=2)))
    desk.end_all("adverts+threats", FINE, SCAM)
    desk.end_all("insults", ADVERT)
    sent = [output for output in desk.sent if output.topic == "up"]
    hearings = [heard_elsewhere(brought(output), make_packed_route()) for output in sent]
    assert [list(cases_of(hearing)) for hearing in hearings] == [["threats"], ["insults"]]


class Ledger(dict[str, Any]):
    """Keeps what telemetry is told, under the name of the call."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.setdefault(name, []).append((args, kwargs))


def test_retries_are_told_for_each_policy() -> None:
    """The metric is by policy, as that of verdicts is."""
    told: Any = Ledger()
    cases = open_hearing(None, make_packed_route()).cases
    Accounts(told, time.time, "m").retried((case, "timeout") for case in cases)
    assert [args for args, _ in told["retry"]] == [(name, "timeout") for name in ("adverts", "threats", "insults")]


def test_what_an_ask_took_is_told_once_and_what_it_cost_by_shares() -> None:
    """Sums over policies are then those over asks."""
    desk, ledger = PackedDesk(make_packed_route()), Ledger()
    desk.pronouncing._accounts._telemetry = ledger
    desk.end_all("adverts+threats", ADVERT, FINE)
    usage = {args[0]: args[1:] for args, _ in ledger["usage"]}
    assert usage == {"adverts": (51, 26, 4, 0.0005), "threats": (50, 25, 3, 0.0005)}
    latencies = [args[0] for args, _ in ledger["latency"]]
    assert sorted(latencies) == ["engine", "judge", "judge", "queue"]
    told: Mapping[str, Any] = {args[1]: args[2] for args, _ in ledger["verdict"]}
    assert told == {"adverts": "flag", "threats": "allow"}
