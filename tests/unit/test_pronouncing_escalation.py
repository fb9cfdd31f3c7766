"""Cases that this engine is asked about again: two askings, one ruling, whatever becomes of the second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.accounts import Accounts
from stream_guard.delivery.brakes import BrakeBounds, Brakes
from stream_guard.delivery.guard import Guard, GuardBounds
from stream_guard.delivery.halts import Halts
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Outbox
from stream_guard.delivery.ports import Output
from stream_guard.delivery.turns import Turns
from stream_guard.events.model import View
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.judging.terms import Quota, Terms
from stream_guard.policy.document import Decision, Effort
from stream_guard.pronouncing import Pronouncing
from stream_guard.records import Lease, Record
from stream_guard.redrive.provenance import redriven, restored
from stream_guard.routing import Publish, Route
from stream_guard.telemetry.null import NullTelemetry
from stream_guard.verdicts import dead_letter
from stream_guard.verdicts.decoding import decode_ruling, decode_verdict
from stream_guard.verdicts.fold import fold
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.cases import NOW_MS, make_decider, make_publisher, open_hearing
from tests.escalations import (
    ADVERT,
    FINE,
    SCAM,
    brought,
    heard_elsewhere,
    make_escalation,
    make_written_policy,
    make_written_route,
)

GARBAGE = Abstention(AbstentionReason.UNPARSEABLE, "no JSON")
LATE = Abstention(AbstentionReason.EXPIRED)
ONE, OTHER = make_written_policy(), make_written_policy("insults")


class Counting(NullTelemetry):
    """Keeps what it is told of escalations."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def escalated(self, policy: str, reason: str) -> None:
        """See the port."""
        self.told.append((policy, reason))

    def escalation_refused(self, policy: str, reason: str, detail: str) -> None:
        """See the port."""
        assert detail
        self.told.append((policy, reason))


class Desk:
    """Pronounces on one record, and keeps what is published."""

    def __init__(self, route: Route, record: Record | None = None) -> None:
        self.telemetry = Counting()
        self.outbox = Outbox(resend_s=1.0, max_resend_s=1.0)
        halts = Halts(None, self.telemetry, Brakes(BrakeBounds()), Guard(GuardBounds()))  # type: ignore[arg-type]  # never told
        self._wall: Callable[[], float] = lambda: NOW_MS / 1000
        accounts = Accounts(self.telemetry, self._wall, "model-x")
        self.pronouncing = Pronouncing(
            make_decider(), make_publisher(), self.outbox, Turns(), halts, accounts, self.telemetry, self._wall
        )
        self.hearing = open_hearing(record, route)
        self.sent: list[Output] = []

    def end(self, case: Case[Hearing], result: Judgement | Abstention) -> list[Case[Hearing]]:
        """A case ends. Returns those that are to be asked again."""
        case.attempts = 1
        again = self.pronouncing.decide([Outcome(case, case.template.policy, result)], 11.0)
        self.sent += self.outbox.take(11.0)
        return again

    @property
    def verdicts(self) -> list[Verdict]:
        """What was published."""
        return [decode_verdict(output.value or b"") for output in self.sent if output.topic == "verdicts"]

    @property
    def rulings(self) -> list[Ruling]:
        """The same."""
        return [decode_ruling(output.value or b"") for output in self.sent if output.topic == "rulings"]

    def letters(self) -> list[Record]:
        """As records of a redrive topic."""
        found = []
        for output in self.sent:
            if output.topic == "dead-letters":
                sent = redriven(*dead_letter.decode(output.key, output.value, output.headers))
                found.append(Record(Lease("again", 0, 1), 0, sent.value, sent.key, sent.headers, NOW_MS))
        return found


def make_desk(record: Record | None = None, **settings: Any) -> Desk:
    """A route that asks again at a high effort, always."""
    return Desk(make_written_route(ONE, **{"escalation": make_escalation(None, ONE), **settings}), record)


def test_the_ruling_waits_for_the_second_asking() -> None:
    """First a provisional verdict, then the final one that follows from it, then the ruling, which names the last alone."""
    desk = make_desk()
    (case,) = desk.hearing.cases
    (again,) = desk.end(case, ADVERT)
    assert (again.template.policy.effort, again.judged, again.owner) == (Effort.HIGH, case.judged, desk.hearing)
    assert [output.topic for output in desk.sent] == ["verdicts"]
    assert not desk.hearing.heard
    assert desk.end(again, FINE) == []
    assert [output.topic for output in desk.sent] == ["verdicts", "verdicts", "rulings"]
    first, last = desk.verdicts
    assert (first.rank, first.decision, first.awaits) == (Rank.PROVISIONAL, Decision.FLAG, "higher_effort")
    assert first.final_by_ms == NOW_MS + 60_000
    assert (last.rank, last.decision, last.sequence, last.derived_from) == (Rank.FINAL, Decision.ALLOW, 1, (first.id,))
    assert (last.stage.name, last.slot, last.policy) == ("escalation", first.slot, first.policy)
    (ruling,) = desk.rulings
    assert (ruling.decision, ruling.complete) == (Decision.ALLOW, True)
    assert [entry.verdict_id for entry in ruling.entries] == [last.id]
    assert desk.telemetry.told == [("adverts", "always")]


def test_a_redelivery_between_the_two_repeats_both() -> None:
    """With the same ids, whatever was published before the crash."""
    before, after = make_desk(), make_desk()
    before.end(before.hearing.cases[0], ADVERT)
    (again,) = after.end(after.hearing.cases[0], ADVERT)
    after.end(again, FINE)
    assert before.verdicts[0].id == after.verdicts[0].id
    assert fold([*before.verdicts, *after.rulings, *after.verdicts]) == fold(after.rulings)


def test_a_model_that_is_sure_at_the_redelivery_supersedes_too() -> None:
    """What was provisional before is final now."""
    before, after = make_desk(), make_desk(escalation=make_escalation(None, ONE, severity=4))
    before.end(before.hearing.cases[0], ADVERT)
    assert after.end(after.hearing.cases[0], ADVERT) == []
    assert fold([*after.rulings, *before.verdicts]).complete


@pytest.mark.parametrize("result", [GARBAGE, LATE])
@pytest.mark.parametrize(
    ("first", "decision"), [(SCAM, Decision.BLOCK), (ADVERT, Decision.FLAG), (FINE, Decision.ALLOW)]
)
def test_if_the_second_asking_abstains_the_first_word_stands(
    result: Abstention, first: Judgement, decision: Decision
) -> None:
    """The ruling says it, and that it is not complete; it does at its time. Never milder, nor a failure that decides."""
    desk = make_desk()
    (again,) = desk.end(desk.hearing.cases[0], first)
    desk.end(again, result)
    provisional, abstention = desk.verdicts
    assert (abstention.rank, abstention.sequence, abstention.derived_from) == (Rank.ABSTENTION, 1, (provisional.id,))
    (ruling,) = desk.rulings
    assert (ruling.decision, ruling.complete, ruling.missing) == (decision, False, ("adverts",))
    folded = fold([*desk.verdicts, ruling])
    assert folded.decision is decision
    assert not folded.stands_at(NOW_MS + 59_999)
    assert folded.stands_at(NOW_MS + 60_000)
    assert len(desk.letters()) == (result is GARBAGE)


def test_what_abstained_is_asked_from_the_beginning_when_it_is_redriven() -> None:
    """And meanwhile its ruling repeats what stands."""
    desk = make_desk()
    (again,) = desk.end(desk.hearing.cases[0], SCAM)
    desk.end(again, GARBAGE)
    (letter,) = desk.letters()
    redone = make_desk(restored(letter))
    (case,) = redone.hearing.cases
    assert case.template.policy.effort is Effort.LOW
    redone.end(case, GARBAGE)
    assert (redone.rulings[0].decision, redone.rulings[0].complete) == (Decision.BLOCK, False)
    third = make_desk(restored(letter))
    (again,) = third.end(third.hearing.cases[0], SCAM)
    third.end(again, ADVERT)
    folded = fold([*third.rulings, *redone.rulings, *desk.rulings])
    assert (folded.decision, folded.complete) == (Decision.FLAG, True)
    assert third.verdicts[0].id == desk.verdicts[0].id


def test_an_abstention_goes_no_further() -> None:
    """It is no weak judgement, but none."""
    desk = make_desk()
    assert desk.end(desk.hearing.cases[0], GARBAGE) == []
    assert desk.rulings[0].entries[0].rank is Rank.ABSTENTION
    assert desk.telemetry.told == []


def test_what_was_asked_again_is_the_last_word() -> None:
    """However unsure that one is."""
    desk = make_desk()
    (again,) = desk.end(desk.hearing.cases[0], ADVERT)
    assert desk.end(again, ADVERT) == []
    assert desk.rulings[0].complete


def test_each_policy_goes_on_by_itself() -> None:
    """One that asks for as much by itself is not asked again, and the ruling waits for all."""
    desk = Desk(make_written_route(ONE, OTHER, escalation=make_escalation(None, ONE)))
    one, other = desk.hearing.cases
    (again,) = desk.end(one, ADVERT)
    assert desk.end(other, SCAM) == []
    assert desk.rulings == []
    desk.end(again, FINE)
    (ruling,) = desk.rulings
    assert {entry.policy_id: entry.rank for entry in ruling.entries} == {"adverts": "final", "insults": "final"}
    assert (ruling.decision, ruling.complete) == (Decision.BLOCK, True)


def test_an_allow_that_takes_back_a_flag_is_always_published() -> None:
    """Also on a route that publishes none; an allow for now is not."""
    desk = make_desk(publish=Publish.NON_ALLOW)
    (again,) = desk.end(desk.hearing.cases[0], ADVERT)
    desk.end(again, FINE)
    assert [verdict.decision for verdict in desk.verdicts] == ["flag", "allow"]


def test_the_second_asking_keeps_its_place_and_owes_nothing() -> None:
    """Its deadline and its flow are the record's; the event has paid for this policy."""
    desk = make_desk(terms=Terms(quota=Quota(1, 1.0), respond_by_s=30.0))
    (case,) = desk.hearing.cases
    assert case.dues is not None
    (again,) = desk.end(case, ADVERT)
    assert (again.dues, again.deadline, again.flow, again.terms) == (None, case.deadline, case.flow, case.terms)


def test_what_goes_on_elsewhere_is_settled_with_its_record() -> None:
    """The escalation record is an output like any: until it is acknowledged, the offset stays."""
    desk = make_desk(escalation=make_escalation("up"))
    assert desk.end(desk.hearing.cases[0], ADVERT) == []
    assert [output.topic for output in desk.sent] == ["verdicts", "up", "rulings"]
    assert desk.hearing.awaited_acks == 3
    assert not desk.rulings[0].complete
    assert desk.hearing.escalated == []


def test_a_refusal_is_told() -> None:
    """By policy and reason, once a record."""
    first = make_desk(escalation=make_escalation("up"))
    first.end(first.hearing.cases[0], ADVERT)
    (output,) = (output for output in first.sent if output.topic == "up")
    desk = make_desk()
    hearing = heard_elsewhere(brought(output), replace(make_written_route(), templates={View.CHAT: ()}))
    assert hearing.outcome is not None
    desk.pronouncing.turn_down(hearing, hearing.outcome)  # type: ignore[arg-type]  # a rejection
    assert desk.telemetry.told == [("adverts", "not_escalatable")]
