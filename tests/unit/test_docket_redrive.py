"""A redriven record: routed, named and judged as the record that it was, settled as the one that brought it."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from stream_guard.delivery.hearing import Hearing
from stream_guard.docket import Docket
from stream_guard.events.content import CONTEXT_PARTIAL
from stream_guard.events.model import View
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.judging.case import Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.judging.terms import Quota, Terms
from stream_guard.policy.document import Decision
from stream_guard.records import Flaw, Lease, Origin, Record
from stream_guard.redrive.provenance import redriven, restored
from stream_guard.routing import Context, Route, Routes
from stream_guard.verdicts import dead_letter
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.fold import entry_of, fold
from stream_guard.verdicts.model import Rank, Ruling
from tests.cases import (
    NOW_MS,
    RENDERER,
    make_decider,
    make_policy,
    make_publisher,
    make_record,
    make_route,
    open_hearing,
)

LEASE = Lease("redrive", 0, 3, "id of the redrive topic")
FINE, BAD = Judgement("OK"), Judgement("BAD")
GARBAGE = Abstention(AbstentionReason.UNPARSEABLE, "no JSON")
TWO = ("spam", "harassment")
AGE_MS = 500


def heard_again(record: Record, *routes: Route) -> Hearing:
    """The hearing of a record of the redrive topic."""
    docket = Docket(Routes(routes or (make_route(),)), cluster="another cluster")
    (hearing,) = docket.open([restored(record)], [None], 10.0, NOW_MS)
    return hearing


def through(letter: DeadLetter, record: Record, offset: int = 5) -> Record:
    """The record of the redrive topic that a dead letter becomes."""
    sent = redriven(letter, record)
    return Record(LEASE, offset, sent.value, sent.key, sent.headers, NOW_MS - AGE_MS)


def rejected(record: Record, *routes: Route) -> tuple[Ruling, DeadLetter, Record]:
    """The ruling on a record that could not be judged, its dead letter, and what that keeps."""
    hearing = open_hearing(record, *routes)
    return rejected_hearing(hearing)


def rejected_hearing(hearing: Hearing) -> tuple[Ruling, DeadLetter, Record]:
    """The same of a hearing."""
    assert isinstance(hearing.outcome, Rejection)
    hearing.entries = make_decider().not_judged(hearing)
    (output,) = make_publisher().rejected(hearing, hearing.outcome, NOW_MS)
    return make_decider().ruling(hearing, NOW_MS), *dead_letter.decode(output.key, output.value, output.headers)


def judged(hearing: Hearing, **results: Judgement | Abstention) -> tuple[Ruling, list[tuple[DeadLetter, Record]]]:
    """The ruling on a record whose cases end so, by policy id, and its dead letters."""
    letters = []
    assert {case.template.policy.id for case in hearing.cases} == results.keys()
    for case in hearing.cases:
        outcome = Outcome(case, case.template.policy, results[case.template.policy.id])
        verdict = make_decider().verdict(outcome, 11.0, NOW_MS)
        hearing.entries.append(entry_of(verdict))
        sent = make_publisher().verdict(hearing, verdict, outcome)
        letters += [dead_letter.decode(o.key, o.value, o.headers) for o in sent if o.topic == "dead-letters"]
    return make_decider().ruling(hearing, NOW_MS), letters


def test_it_is_named_by_where_it_stood() -> None:
    """Position, subject and key are the first record's; lease and offset are those that are to be settled."""
    before, letter, kept = rejected(make_record(b"?", offset=42))
    hearing = heard_again(through(letter, kept))
    assert (hearing.record.lease, hearing.record.offset) == (LEASE, 5)
    assert hearing.subject == before.subject
    assert hearing.position == before.sources[0]
    assert hearing.record.key == b"room"


def test_what_is_mended_supersedes_what_was_said() -> None:
    """A record of which no event could be made, and now can: one slot, one verdict, however often it is redriven."""
    before, letter, kept = rejected(make_record(b'{"kind":"massage","content":"x"}'))
    mended = replace(kept, value=make_record().value)  # as a mended mapping would read it
    rulings = [judged(heard_again(through(letter, mended, offset)), spam=BAD)[0] for offset in (5, 6)]
    assert (rulings[0].kind, rulings[0].reason, rulings[0].complete) == ("message", None, True)
    assert rulings[0].id == rulings[1].id
    folded = fold([before, *rulings])
    assert (folded.decision, folded.complete, len(folded.slots)) == (Decision.FLAG, True, 1)


def test_of_a_case_only_its_policy_is_judged_again() -> None:
    """The ruling repeats what the other policies said."""
    route = make_route(policies=TWO)
    before, ((letter, kept),) = judged(open_hearing(make_record(), route), spam=GARBAGE, harassment=BAD)
    again, letters = judged(heard_again(through(letter, kept), route), spam=FINE)
    assert not letters
    assert {entry.policy_id: entry.decision for entry in again.entries} == {"spam": "allow", "harassment": "flag"}
    assert (again.decision, again.complete) == (Decision.FLAG, True)
    assert fold([again, before]).slots == fold([again]).slots


def test_a_record_is_judged_under_all_policies_of_today() -> None:
    """Whatever policies there were when it failed."""
    _, letter, kept = rejected(make_record(b"?"))
    hearing = heard_again(through(letter, replace(kept, value=make_record().value)), make_route(policies=TWO))
    assert [case.template.policy.id for case in hearing.cases] == ["spam", "harassment"]
    assert hearing.carried == ()


def test_a_case_is_also_judged_under_policies_that_came_since() -> None:
    """A ruling that left one out would pass for complete."""
    _, ((letter, kept),) = judged(open_hearing(make_record()), spam=GARBAGE)
    hearing = heard_again(through(letter, kept), make_route(policies=TWO))
    assert [case.template.policy.id for case in hearing.cases] == ["spam", "harassment"]


def test_what_fails_again_can_be_redriven_again() -> None:
    """Its dead letter replaces the first, keeps the first place and the first failure, and counts."""
    _, ((letter, kept),) = judged(open_hearing(make_record(offset=42)), spam=GARBAGE)
    letter = replace(letter, first_failed_at_ms=123)
    hearing = heard_again(through(letter, kept))
    _, ((again, still),) = judged(hearing, spam=GARBAGE)
    assert (again.id, again.subject, again.replays) == (letter.id, letter.subject, 1)
    assert (again.cluster, again.topic_id, again.first_failed_at_ms) == (letter.cluster, letter.topic_id, 123)
    assert still == kept
    twice = heard_again(through(again, still))
    assert twice.record.origin is not None
    assert twice.record.origin.replays == 2


def test_a_case_whose_record_is_rejected_now_keeps_what_others_said() -> None:
    """One entry a slot: an abstention for the policy that was to be judged again."""
    route = make_route(policies=TWO)
    _, ((letter, kept),) = judged(open_hearing(make_record(), route), spam=GARBAGE, harassment=BAD)
    ruling, again, _ = rejected_hearing(heard_again(through(letter, replace(kept, value=b"?")), route))
    assert {entry.policy_id: entry.rank for entry in ruling.entries} == {"spam": "abstention", "harassment": "final"}
    assert (again.scope, again.replays) == (Scope.RECORD, 1)
    assert again.entries == ruling.entries[::-1] or again.entries == ruling.entries


@pytest.mark.parametrize(
    "route",
    [
        make_route(topic="another"),
        make_route(policies=("harassment",)),
        make_route(templates={View.CHAT: (RENDERER.template(make_policy(), View.CHAT),)}),
    ],
)
def test_what_nobody_judges_any_more_is_ignored(route: Route) -> None:
    """By topic, by policy, by kind: counted for itself."""
    _, ((letter, kept),) = judged(open_hearing(make_record()), spam=GARBAGE)
    hearing = heard_again(through(letter, kept), route)
    assert hearing.outcome == Ignored(IgnoredReason.NO_LONGER_SELECTED)
    assert not hearing.cases


def test_a_tombstone_stays_one() -> None:
    """A null value is not an empty one."""
    _, letter, kept = rejected(make_record(b"?"))
    assert heard_again(through(letter, replace(kept, value=None))).outcome == Ignored(IgnoredReason.TOMBSTONE)


def test_it_is_late_only_since_it_was_redriven() -> None:
    """However old it is."""
    record = replace(make_record(), timestamp_ms=NOW_MS - 86_400_000)
    _, ((letter, kept),) = judged(open_hearing(record), spam=GARBAGE)
    assert heard_again(through(letter, kept), make_route(expire_after_s=1.0)).cases
    assert not heard_again(through(letter, kept), make_route(expire_after_s=AGE_MS / 2000)).cases


def test_it_is_judged_without_context_and_says_so() -> None:
    """Nor is it context: what is said now does not follow what was said then."""
    template = RENDERER.template(make_policy(), View.MESSAGE_IN_CONTEXT)
    route = make_route(templates={View.MESSAGE_IN_CONTEXT: (template,)}, context=Context(3))
    docket = Docket(Routes((route,)), cluster="cluster")
    _, letter, kept = rejected(make_record(b"?"))
    back = restored(through(letter, replace(kept, value=make_record().value)))
    live = [make_record(offset=offset) for offset in (7, 8)]
    hearings = docket.open([live[0], back, live[1]], [None] * 3, 10.0, NOW_MS)
    shown = [hearing.judged for hearing in hearings]
    assert [len(judged.context.splitlines()) for judged in shown if judged] == [0, 0, 1]
    assert [CONTEXT_PARTIAL in judged.signals for judged in shown if judged] == [True, True, True]
    docket.forget([LEASE])


def test_it_uses_up_nobody_s_quota() -> None:
    """What an operator redrives is no flood: else it would abstain for good, for want of tokens."""
    route = make_route(terms=Terms(quota=Quota(1, 1.0)))
    _, ((letter, kept),) = judged(open_hearing(make_record(), route), spam=GARBAGE)
    assert heard_again(through(letter, kept), route).cases[0].dues is None


def test_its_own_id_does_not_name_it() -> None:
    """Its first verdict was about the subject of its dead letter, and so is this one."""
    value = {"kind": "completion", "id": "c-1", "prompt": [], "completion": "once upon a time"}
    before, letter, kept = rejected(make_record(b"?"))
    hearing = heard_again(through(letter, replace(kept, value=make_record(value).value)))
    assert hearing.subject == before.subject
    assert hearing.event_id == "c-1"


def test_what_says_nothing_of_its_origin_is_dead_lettered_as_it_is() -> None:
    """By the first route of all, under its own place: no route reads the redrive topic."""
    foreign = Record(LEASE, 5, make_record().value, b"room", (("sg-redrive", b"{}"),), NOW_MS)
    hearing = heard_again(foreign, make_route("first", topic="elsewhere"), make_route("second"))
    ruling, letter, kept = rejected_hearing(hearing)
    assert (letter.reason, letter.route) == (RejectionReason.UNRESTORABLE, "first")
    assert (kept.topic, kept.offset, kept.headers) == ("redrive", 5, foreign.headers)
    assert ruling.decision is Decision.REVIEW
    assert ruling.entries[0].rank is Rank.ABSTENTION


def test_poison_stays_unread_and_has_its_own_place() -> None:
    """It can be redriven once what it kills is mended."""
    _, letter, kept = rejected(make_record(b"?", offset=42))
    sent = replace(through(letter, kept), flaw="it kills", flaw_kind=Flaw.POISON)
    _, again, still = rejected_hearing(heard_again(sent))
    assert (again.reason, again.subject, still) == ("poison", letter.subject, kept)
    gone = heard_again(sent, make_route(topic="another"))
    assert gone.outcome == Ignored(IgnoredReason.NO_LONGER_SELECTED)


def test_the_route_is_that_of_the_origin() -> None:
    """Its topic counts, and its headers."""
    _, letter, kept = rejected(make_record(b"?"))
    back = through(letter, replace(kept, value=make_record().value))
    routes = make_route("greedy", topic="redrive"), replace(make_route("own"), topic=re.compile("ch.t"))
    hearing = heard_again(back, *routes)
    assert hearing.route is not None
    assert hearing.route.name == "own"
    assert isinstance(hearing.record.origin, Origin)
