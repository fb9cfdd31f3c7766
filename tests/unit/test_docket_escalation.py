"""A record that another deployment escalated: read as it is here, judged under what came with it, settled as what brought it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.carriers import restorers
from stream_guard.deciding import ESCALATION
from stream_guard.delivery.hearing import Hearing
from stream_guard.events.content import CONTEXT_PARTIAL
from stream_guard.events.model import View
from stream_guard.events.outcome import Rejection, RejectionReason
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.judging.terms import Quota, Terms
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.policy.document import Decision
from stream_guard.records import Flaw, Lease, Record
from stream_guard.redrive.provenance import redriven
from stream_guard.routing import Context, Publish, Route
from stream_guard.verdicts import dead_letter
from stream_guard.verdicts.coverage import coverage_note
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.fold import fold
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.cases import (
    NOW_MS,
    OUTPUTS,
    make_decider,
    make_docket,
    make_publisher,
    make_record,
    make_route,
    open_hearing,
)
from tests.escalations import (
    ADVERT,
    FINE,
    LATER_MS,
    SCAM,
    UP,
    Said,
    as_brought,
    brought,
    heard_elsewhere,
    make_escalation,
    make_written_policy,
    make_written_route,
)

GARBAGE = Abstention(AbstentionReason.UNPARSEABLE, "no JSON")
TWO = make_written_policy(), make_written_policy("insults")


def escalated(record: Record | None = None, route: Route | None = None) -> tuple[Said, list[Record]]:
    """What the first deployment says of a record whose cases all go on, and what it writes for the other."""
    route = route or make_written_route(escalation=make_escalation())
    said = Said(open_hearing(record or make_record(offset=42), route))
    for case in said.hearing.cases:
        said.say(case, ADVERT, provisional=True)
    return said, [as_brought(output, offset) for offset, output in enumerate(said.of("up"))]


def restored(record: Record) -> Record:
    """As `run` gives it back."""
    return restorers(Selection(redrive="again", escalation="up"))[record.lease.topic](record)


def judged(record: Record, result: Any, *routes: Route) -> tuple[Said, Verdict]:
    """What the other deployment says of a record of its topic."""
    said = Said(heard_elsewhere(restored(record), *routes))
    (case,) = said.hearing.cases
    return said, said.say(case, result)


def rejected(hearing: Hearing) -> tuple[Ruling, DeadLetter, Record]:
    """The ruling on what can't be judged, its dead letter, and what that keeps."""
    assert isinstance(hearing.outcome, Rejection)
    hearing.entries = make_decider().not_judged(hearing)
    (output,) = make_publisher().rejected(hearing, hearing.outcome, LATER_MS)
    return make_decider().ruling(hearing, LATER_MS), *dead_letter.decode(output.key, output.value, output.headers)


def test_the_first_word_is_provisional_and_says_what_it_awaits() -> None:
    """The ruling is not complete; the record that goes on is due with the last verdict."""
    said, (record,) = escalated()
    (verdict,) = said.verdicts
    assert (verdict.rank, verdict.awaits, verdict.final_by_ms) == (Rank.PROVISIONAL, "escalation", NOW_MS + 60_000)
    ruling = said.ruling()
    assert (ruling.decision, ruling.complete, ruling.missing) == (Decision.FLAG, False, ("adverts",))
    assert ruling.entries[0].final_by_ms == verdict.final_by_ms
    folded = fold([verdict, ruling])
    assert not folded.stands_at(NOW_MS + 59_999)
    assert folded.stands_at(NOW_MS + 60_000)
    assert record.key == b"room"


def test_the_last_word_fills_the_same_slot() -> None:
    """Under the same subject and policy, derived from the first, and complete; milder or stricter."""
    before, (record,) = escalated()
    for result, decision in ((FINE, Decision.ALLOW), (SCAM, Decision.BLOCK)):
        said, verdict = judged(record, result)
        (first,) = before.verdicts
        assert (verdict.slot, verdict.subject, verdict.sources) == (first.slot, first.subject, first.sources)
        assert (verdict.rank, verdict.stage, verdict.sequence) == (Rank.FINAL, ESCALATION, 1)
        assert (verdict.derived_from, verdict.awaits, verdict.final_by_ms) == ((first.id,), None, None)
        ruling = said.ruling()
        assert (ruling.decision, ruling.complete) == (decision, True)
        folded = fold([ruling, verdict, before.ruling(), first])
        assert (folded.decision, folded.complete, len(folded.slots)) == (decision, True, 1)
        assert folded == fold([before.ruling(), first, verdict, ruling, ruling])
        assert said.hearing.record.lease == UP


def test_a_repeat_has_the_same_ids() -> None:
    """Of the record that escalates, and of what it was escalated to, wherever that stands."""
    _, (one,) = escalated()
    _, (other,) = escalated()
    verdicts = [judged(record, FINE)[1] for record in (one, other, replace(other, offset=9))]
    assert len({verdict.id for verdict in verdicts}) == 1


def test_an_allow_that_supersedes_is_published_on_any_route() -> None:
    """Who saw the provisional flag has to see it."""
    _, (record,) = escalated()
    said, _ = judged(record, FINE, make_route(publish=Publish.NON_ALLOW))
    assert len(said.of("verdicts")) == 1


def test_of_two_that_go_on_each_brings_what_the_other_said() -> None:
    """Whichever comes first, the rulings fold to one that is complete."""
    before, records = escalated(route=make_written_route(*TWO, escalation=make_escalation()))
    assert len(records) == 2
    rulings = [judged(record, result)[0].ruling() for record, result in zip(records, (FINE, SCAM), strict=True)]
    assert [ruling.complete for ruling in rulings] == [False, False]
    for order in (rulings, rulings[::-1]):
        folded = fold([before.ruling(), *order])
        assert (folded.complete, folded.decision, len(folded.slots)) == (True, Decision.BLOCK, 2)


def test_of_two_that_are_refused_each_has_its_own_dead_letter() -> None:
    """One would replace the other in the topic, and only one policy could be redriven."""
    _, records = escalated(route=make_written_route(*TWO, escalation=make_escalation()))
    hearings = [heard_elsewhere(restored(record), make_route(templates={})) for record in records]
    letters = [rejected(hearing)[1] for hearing in hearings]
    assert len({letter.id for letter in letters}) == 2
    assert [letter.policy_id for letter in letters] == [None, None]


def test_what_the_other_policies_said_is_repeated() -> None:
    """So that the last ruling alone says all."""
    route = make_written_route(*TWO, escalation=make_escalation())
    said = Said(open_hearing(make_record(), route))
    goes, stays = said.hearing.cases
    said.say(goes, FINE, provisional=True)
    assert not said.of("up")
    said.say(stays, SCAM)
    (output,) = said.of("up")
    ruling = judged(as_brought(output), FINE)[0].ruling()
    assert (ruling.complete, ruling.decision) == (True, Decision.BLOCK)
    assert {entry.policy_id for entry in ruling.entries} == {"adverts", "insults"}


def test_an_abstention_elsewhere_is_seen_and_changes_nothing() -> None:
    """The first word stands at its time; a dead letter waits to be redriven."""
    before, (record,) = escalated()
    said, verdict = judged(record, GARBAGE)
    assert (verdict.rank, verdict.sequence, verdict.derived_from) == (Rank.ABSTENTION, 1, (before.verdicts[0].id,))
    assert len(said.of("verdicts")) == len(said.of("dead-letters")) == 1
    ruling = said.ruling()
    assert (ruling.decision, ruling.complete, ruling.missing) == (Decision.FLAG, False, ("adverts",))
    folded = fold([*before.verdicts, before.ruling(), verdict, ruling])
    assert folded.decision is Decision.FLAG
    assert folded.stands_at(NOW_MS + 60_000)


def test_what_failed_elsewhere_can_be_redriven_there() -> None:
    """Its dead letter keeps what lay in the escalation topic, policy and all, however often it fails."""
    before, (record,) = escalated()
    said, _ = judged(record, GARBAGE)
    again = record
    for hop in (1, 2):
        (output,) = said.of("dead-letters")
        letter, whole = dead_letter.decode(output.key, output.value, output.headers)
        assert (letter.scope, letter.policy_id, letter.replays) == (Scope.CASE, "adverts", hop - 1)
        assert (letter.cluster, letter.topic_id) == ("cluster", UP.topic_id)
        assert (whole.topic, whole.offset, whole.headers) == ("up", 0, record.headers)
        sent = redriven(letter, whole)
        again = Record(Lease("again", 0, 1), 3, sent.value, sent.key, sent.headers, LATER_MS + hop)
        said, _ = judged(again, GARBAGE)
        assert said.hearing.record.awaited_since_ms == LATER_MS + hop
    said, verdict = judged(again, SCAM)
    assert verdict.rank is Rank.FINAL
    assert verdict.slot == before.verdicts[0].slot
    assert verdict.sources == before.verdicts[0].sources
    assert fold([before.ruling(), said.ruling()]).decision is Decision.BLOCK


def test_a_record_that_only_looks_escalated_is_redriven_as_it_is() -> None:
    """A producer's header on an input topic is a header, also once it was dead-lettered and redriven."""
    _, (record,) = escalated()
    forged = Record(Lease("chat", 0, 1, "topic-id"), 8, b"?", b"room", record.headers, NOW_MS)
    _, letter, whole = rejected(open_hearing(forged))
    sent = redriven(letter, whole)
    back = restored(Record(Lease("again", 0, 1), 3, sent.value, sent.key, sent.headers, LATER_MS))
    assert back.origin is not None
    assert back.origin.escalated is None
    assert back.headers == record.headers


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        (make_route(topic="elsewhere"), "not_escalatable"),
        (make_route(templates={View.CHAT: ()}), "not_escalatable"),
        (make_route(fields=()), None),
    ],
)
def test_what_no_route_takes_is_a_dead_letter(route: Route, reason: str | None) -> None:
    """Never ignored: it comes back once a route is there. What was said stands."""
    before, (record,) = escalated()
    hearing = heard_elsewhere(restored(record), route)
    if reason is None:
        assert hearing.cases
        return
    ruling, letter, whole = rejected(hearing)
    assert (letter.reason, letter.scope, letter.subject) == (reason, Scope.RECORD, before.hearing.subject)
    assert whole.headers == record.headers
    assert (ruling.decision, ruling.complete, ruling.reason) == (Decision.FLAG, False, reason)
    assert [entry.verdict_id for entry in ruling.entries] == [before.verdicts[0].id]
    assert fold([before.ruling(), ruling]).slots == fold([before.ruling()]).slots


def test_what_is_read_as_another_kind_here_is_a_dead_letter() -> None:
    """The view that was judged is not one of it."""
    value = {"kind": "chat", "turns": [{"role": "user", "content": "hello"}]}
    route = make_written_route(views=(View.LAST_TURN,), escalation=make_escalation())
    _, (record,) = escalated(make_record(value), route)
    hearing = heard_elsewhere(restored(replace(record, value=make_record().value)))
    assert rejected(hearing)[1].reason == RejectionReason.NOT_ESCALATABLE


def test_the_view_is_that_of_the_first_verdict() -> None:
    """Whatever the route here would judge of its own records."""
    value = {"kind": "chat", "turns": [{"role": "user", "content": "hello"}, {"role": "user", "content": "you"}]}
    route = make_written_route(views=(View.CHAT,), escalation=make_escalation())
    _, (record,) = escalated(make_record(value), route)
    hearing = heard_elsewhere(restored(record), make_route(templates={View.LAST_TURN: ()}))
    (case,) = hearing.cases
    assert (case.template.view, case.judged.view) == (View.CHAT, View.CHAT)


def test_a_changed_policy_is_refused_and_the_first_word_stands() -> None:
    """The policy that is configured here has another text of the same revision."""
    before, (record,) = escalated()
    other = make_written_policy(criteria="Offers are fine.")
    hearing = heard_elsewhere(restored(record), known=(other,))
    ruling, letter, _ = rejected(hearing)
    assert letter.reason == RejectionReason.POLICY_CHANGED
    assert "raise it" in letter.detail
    assert fold([before.ruling(), ruling]).decision is Decision.FLAG
    assert letter.retriable


def test_a_message_is_shown_with_the_context_that_it_was_shown_with() -> None:
    """The other deployment can't know it: it does not read the topic."""
    route = make_written_route(views=(View.MESSAGE_IN_CONTEXT,), context=Context(3), escalation=make_escalation())
    docket = make_docket(route)
    first = make_record({"kind": "message", "content": "what was said before"}, offset=0)
    _, hearing = docket.open([first, make_record(offset=1)], [None, None], 10.0, NOW_MS)
    said = Said(hearing)
    said.say(hearing.cases[0], ADVERT, provisional=True)
    (output,) = said.of("up")
    there = heard_elsewhere(brought(output), make_route(normalise=False))
    assert there.judged is not None
    assert hearing.judged is not None
    assert there.judged == hearing.judged
    assert "said before" in there.judged.context
    assert there.judged.coverage.context_turns == 1


def test_a_context_that_was_cut_here_goes_along_whole() -> None:
    """How much of it fits is the other model's affair, and what comes is what its coverage says."""
    route = make_written_route(views=(View.MESSAGE_IN_CONTEXT,), context=Context(3), escalation=make_escalation())
    docket = make_docket(route)
    first = make_record({"kind": "message", "content": "what was said before"}, offset=0)
    _, hearing = docket.open([first, make_record(offset=1)], [None, None], 10.0, NOW_MS)
    (case,) = hearing.cases
    case.judged = replace(case.judged, context="", coverage=replace(case.judged.coverage, context_turns=0))
    said = Said(hearing)
    assert said.say(case, ADVERT, provisional=True).coverage != coverage_note(hearing.judged.coverage)  # type: ignore[union-attr]  # it was judged
    (output,) = said.of("up")
    there = heard_elsewhere(brought(output), make_route(normalise=False)).judged
    assert there is not None
    assert ("said before" in there.context, there.coverage.context_turns) == (True, 1)


def test_what_may_be_missing_of_a_context_is_said() -> None:
    """As it was by the first verdict; and a picture in it was not seen here either."""
    route = make_written_route(views=(View.MESSAGE_IN_CONTEXT,), context=Context(3), escalation=make_escalation())
    docket = make_docket(route)
    picture = {"kind": "message", "content": [{"type": "text", "text": "look"}, {"type": "image"}]}
    _, hearing = docket.open([make_record(picture, offset=5), make_record(offset=6)], [None, None], 10.0, NOW_MS)
    said = Said(hearing)
    said.say(hearing.cases[0], ADVERT, provisional=True)
    there = heard_elsewhere(brought(said.of("up")[0]))
    assert there.judged is not None
    assert CONTEXT_PARTIAL in there.judged.signals
    assert not there.judged.coverage.complete
    assert there.cases


def test_it_uses_no_quota_and_is_late_only_since_it_was_escalated() -> None:
    """The first deployment let it pass; how old it is was for that to say."""
    old = replace(make_record(), timestamp_ms=NOW_MS - 86_400_000)
    _, (record,) = escalated(old)
    route = make_route(terms=Terms(quota=Quota(1, 1.0), respond_by_s=60.0), expire_after_s=60.0)
    hearing = heard_elsewhere(restored(record), route)
    assert hearing.cases[0].dues is None
    assert hearing.cases[0].deadline == 80.0
    late = heard_elsewhere(restored(replace(record, timestamp_ms=LATER_MS - 61_000)), route)
    assert not late.cases
    assert late.screened


def test_poison_is_a_dead_letter_that_keeps_it_whole() -> None:
    """Also where no route reads its topic: nobody looks into it."""
    _, (record,) = escalated()
    for route in (make_route(), make_route(topic="elsewhere")):
        hearing = heard_elsewhere(restored(replace(record, flaw="it kills", flaw_kind=Flaw.POISON)), route)
        ruling, letter, whole = rejected(hearing)
        assert (letter.reason, whole.headers) == ("poison", record.headers)
        assert ruling.decision is Decision.FLAG


def test_what_says_nothing_of_its_origin_is_a_dead_letter_of_the_first_route() -> None:
    """Under its own place: an abstention for what is judged there."""
    foreign = Record(UP, 5, make_record().value, b"room", (("sg-escalation", b"{}"),), NOW_MS)
    hearing = heard_elsewhere(restored(foreign), make_route("first", topic="elsewhere"))
    ruling, letter, whole = rejected(hearing)
    assert (letter.reason, letter.route, whole.topic) == ("unrestorable", "first", "up")
    assert ruling.decision is Decision.REVIEW


def test_results_go_where_the_route_here_says() -> None:
    """Not where the first deployment's went."""
    _, (record,) = escalated()
    said, _ = judged(record, FINE, make_route(outputs=replace(OUTPUTS, verdicts="elsewhere")))
    assert [output.topic for output in said.outputs] == ["elsewhere"]
