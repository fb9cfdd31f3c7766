"""What outcomes mean: verdicts, rulings, and what is published for them."""

from __future__ import annotations

from msgspec.structs import replace

from stream_guard import identity
from stream_guard.deciding import INTAKE, MODEL
from stream_guard.delivery.hearing import Hearing
from stream_guard.engines.port import Usage
from stream_guard.judging.case import Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason, Confidence, Judgement
from stream_guard.policy.document import Decision
from stream_guard.routing import Publish
from stream_guard.verdicts import dead_letter
from stream_guard.verdicts.coverage import MAX_NAMED_PARTS
from stream_guard.verdicts.decoding import decode_ruling, decode_verdict
from stream_guard.verdicts.fold import entry_of
from stream_guard.verdicts.model import Rank, Verdict
from tests.cases import NOW_MS, make_decider, make_publisher, make_record, make_route, open_hearing

FINE = Judgement("OK", confidence=Confidence("label_probability", 0.9))
BAD = Judgement("BAD", ("R1",), Confidence("stated", level="high"), rationale="it quotes", reasoning="long")
UNPARSEABLE = Abstention(AbstentionReason.UNPARSEABLE, "no JSON")
TIMEOUT = Abstention(AbstentionReason.TIMEOUT)


def make_outcome(result: Judgement | Abstention, *, attempts: int = 1, **settings: object) -> Outcome[Hearing]:
    """The outcome of a message; `settings` are fields of its route."""
    hearing = open_hearing(make_record(), make_route(**settings))  # type: ignore[arg-type]  # of the test's choice
    case = hearing.cases[0]
    case.attempts = attempts
    if attempts:
        case.spend(Usage(100, 60, 5, 0.25, 0.001))
    return Outcome(case, case.template.policy, result)


def verdict_of(outcome: Outcome[Hearing]) -> Verdict:
    """Its verdict."""
    return make_decider(b"k" * 16).verdict(outcome, 11.0, NOW_MS)


def topics_of(outcome: Outcome[Hearing]) -> list[str]:
    """Where its outputs go."""
    hearing, verdict = outcome.case.owner, verdict_of(outcome)
    hearing.entries.append(entry_of(verdict))
    return [output.topic for output in make_publisher().verdict(hearing, verdict, outcome)]


def test_who_settled_it_is_told_and_no_part_of_the_id() -> None:
    """A label that is near its bound may be clear the one time and not the other: a redelivery gives the same verdict id."""
    looked, reasoned = (verdict_of(make_outcome(replace(BAD, signals=signals))) for signals in (("quick_look",), ()))
    assert (looked.signals, reasoned.signals) == (("quick_look",), ())
    assert (looked.stage, looked.id) == (reasoned.stage, reasoned.id)


def test_signals_of_a_judgement_stand_with_those_of_the_content() -> None:
    """How it came about, beside how it was shown."""
    assert verdict_of(make_outcome(replace(BAD, signals=("reasoning_cut",)))).signals == ("reasoning_cut",)


def test_a_judgement_takes_the_decision_of_its_category() -> None:
    """With rule ids, confidence, model, tokens and times."""
    verdict = verdict_of(make_outcome(BAD))
    assert (verdict.decision, verdict.category, verdict.severity) == (Decision.FLAG, "BAD", 2)
    assert verdict.rule_ids == ("R1",)
    assert (verdict.rank, verdict.stage) == (Rank.FINAL, MODEL)
    assert verdict.model is not None
    assert verdict.model.name == "model-x"
    assert (verdict.tokens.prompt, verdict.tokens.cached, verdict.tokens.completion) == (100, 60, 5)
    assert (verdict.timings.engine_ms, verdict.timings.queue_ms) == (250.0, 750.0)
    assert verdict.content_hash == identity.content_hash(b"k" * 16, "hello there")


def test_no_abstention_allows() -> None:
    """It takes the route's decision, and says why; nothing is known of a severity."""
    verdict = verdict_of(make_outcome(TIMEOUT, abstain=Decision.BLOCK))
    assert (verdict.decision, verdict.rank, verdict.category) == (Decision.BLOCK, Rank.ABSTENTION, None)
    assert verdict.severity is None
    assert verdict.abstention is not None
    assert verdict.abstention.reason is AbstentionReason.TIMEOUT


def test_a_verdict_without_asking_names_no_model() -> None:
    """It was given at intake."""
    verdict = verdict_of(make_outcome(TIMEOUT, attempts=0))
    assert verdict.stage == INTAKE
    assert verdict.model is None


def test_a_verdict_names_what_bore_on_it_beside_the_text() -> None:
    """In the order in which it was found out."""
    outcome = make_outcome(FINE)
    assert verdict_of(outcome).signals == ()
    outcome.case.judged = outcome.case.judged.signalling("context_cut").signalling("split").signalling("split")
    assert verdict_of(outcome).signals == ("context_cut", "split")


def test_the_same_record_and_policy_give_the_same_verdict_id() -> None:
    """Whatever was decided, as long as the rank is the same."""
    one, again, other = (verdict_of(make_outcome(result)) for result in (FINE, BAD, TIMEOUT))
    assert one.id == again.id != other.id
    assert one.slot == other.slot


def test_a_ruling_is_the_strictest_of_its_verdicts() -> None:
    """And complete only where every policy gave a judgement."""
    hearing = open_hearing(make_record(), make_route(policies=("spam", "harassment")))
    results: dict[str, Judgement | Abstention] = {"spam": FINE, "harassment": TIMEOUT}
    for case in hearing.cases:
        verdict = verdict_of(Outcome(case, case.template.policy, results[case.template.policy.id]))
        hearing.entries.append(entry_of(verdict))
    assert hearing.heard
    ruling = make_decider().ruling(hearing, NOW_MS)
    assert (ruling.decision, ruling.complete, ruling.missing) == (Decision.REVIEW, False, ("harassment",))
    assert ruling.reason is None


def test_of_equally_strict_policies_one_leads() -> None:
    """A judgement before an abstention that the route lets decide as strictly; each entry has its verdict's severity."""
    route = make_route(policies=("spam", "harassment"), abstain=Decision.FLAG)
    hearing = open_hearing(make_record(), route)
    results: dict[str, Judgement | Abstention] = {"spam": BAD, "harassment": TIMEOUT}
    for case in hearing.cases:
        hearing.entries.append(
            entry_of(verdict_of(Outcome(case, case.template.policy, results[case.template.policy.id])))
        )
    ruling = make_decider().ruling(hearing, NOW_MS)
    assert (ruling.decision, ruling.lead) == (Decision.FLAG, "spam")
    assert {entry.policy_id: entry.severity for entry in ruling.entries} == {"spam": 2, "harassment": None}


def test_a_record_that_can_not_be_judged_gets_a_ruling_too() -> None:
    """One abstention for each policy of the route, in the very slots that a redrive will fill."""
    hearing = open_hearing(make_record(b"?"), make_route(policies=("spam", "harassment"), abstain=Decision.BLOCK))
    hearing.entries = make_decider().not_judged(hearing)
    ruling = make_decider().ruling(hearing, NOW_MS)
    assert (ruling.decision, ruling.complete, ruling.reason) == (Decision.BLOCK, False, "not_json")
    assert ruling.missing == ("harassment", "spam")
    assert hearing.subject is not None
    slots = {entry.policy_id: entry.slot for entry in ruling.entries}
    assert slots["spam"] == identity.slot("default", "live", hearing.subject, "spam")
    assert [entry.severity for entry in ruling.entries] == [None, None]
    assert ruling.lead == "harassment"


def test_allows_are_published_unless_the_route_says_otherwise() -> None:
    """What is not an allow always is."""
    assert topics_of(make_outcome(FINE)) == ["verdicts"]
    assert topics_of(make_outcome(FINE, publish=Publish.NON_ALLOW)) == []
    assert topics_of(make_outcome(TIMEOUT, publish=Publish.NON_ALLOW)) == ["verdicts"]


def test_what_quotes_a_user_goes_to_the_rationale_topic_alone() -> None:
    """And nowhere where the route names none."""
    outcome = make_outcome(BAD)
    verdict, rationale = make_publisher().verdict(outcome.case.owner, verdict_of(outcome), outcome)
    assert rationale.topic == "rationale"
    assert b"it quotes" in (rationale.value or b"")
    assert b"it quotes" not in (verdict.value or b"")
    assert rationale.key == verdict_of(outcome).slot.encode()


def test_an_abstention_that_can_be_mended_is_also_a_dead_letter() -> None:
    """A timeout is not: judging the same record again is the retry's business."""
    assert topics_of(make_outcome(UNPARSEABLE)) == ["verdicts", "dead-letters"]
    assert topics_of(make_outcome(TIMEOUT)) == ["verdicts"]


def test_the_dead_letters_of_cases_come_with_the_last_verdict() -> None:
    """So that each holds what all policies said: who redrives it repeats the others' entries."""
    hearing = open_hearing(make_record(), make_route(policies=("spam", "harassment")))
    results: tuple[Judgement | Abstention, ...] = (UNPARSEABLE, FINE)
    sent = []
    for case, result in zip(hearing.cases, results, strict=True):
        outcome = Outcome(case, case.template.policy, result)
        verdict = verdict_of(outcome)
        hearing.entries.append(entry_of(verdict))
        sent.append(make_publisher().verdict(hearing, verdict, outcome))
    assert [[output.topic for output in outputs] for outputs in sent] == [["verdicts"], ["verdicts", "dead-letters"]]
    letter, _ = dead_letter.decode(sent[1][1].key, sent[1][1].value, sent[1][1].headers)
    assert (letter.policy_id, letter.entries) == ("spam", tuple(hearing.entries))


def test_a_flood_does_not_flood_the_dead_letters() -> None:
    """What was limited can't be mended, and is told by its verdict alone."""
    assert topics_of(make_outcome(Abstention(AbstentionReason.RATE_LIMITED), attempts=0)) == ["verdicts"]


def test_a_dead_letter_gives_back_the_record_whole() -> None:
    """Key, value, headers, and why."""
    record = make_record(b"?", headers=(("a", b"1"), ("a", None)))
    hearing = open_hearing(record)
    assert hearing.outcome is not None
    (output,) = make_publisher().rejected(hearing, hearing.outcome, NOW_MS)  # type: ignore[arg-type]  # a rejection
    letter, restored = dead_letter.decode(output.key, output.value, output.headers)
    assert (restored.key, restored.value, restored.headers) == (record.key, record.value, record.headers)
    assert (letter.reason, letter.scope, letter.group) == ("not_json", "record", "group")


def test_outputs_carry_the_key_of_their_record_and_its_trace() -> None:
    """Without a key, the subject, so that a slot stays in one partition."""
    trace = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),)
    keyed = open_hearing(make_record(headers=trace))
    unkeyed = open_hearing(make_record(key=None))
    publisher, decider = make_publisher(), make_decider()
    first = publisher.ruling(keyed, decider.ruling(keyed, NOW_MS))
    second = publisher.ruling(unkeyed, decider.ruling(unkeyed, NOW_MS))
    assert first.key == b"room"
    assert trace[0] in first.headers
    assert second.key == (unkeyed.subject or "").encode()


def test_what_is_published_reads_back() -> None:
    """A subscriber gets what was decided."""
    outcome = make_outcome(BAD)
    verdict = verdict_of(outcome)
    output = make_publisher().verdict(outcome.case.owner, verdict, outcome)[0]
    assert decode_verdict(output.value or b"") == verdict
    outcome.case.owner.entries.append(entry_of(verdict))
    ruling = make_decider().ruling(outcome.case.owner, NOW_MS)
    sent = make_publisher().ruling(outcome.case.owner, ruling)
    assert decode_ruling(sent.value or b"") == ruling


def test_a_record_of_nothing_but_parts_gives_a_verdict_that_fits() -> None:
    """A tool call takes two bytes of a record and twelve of a verdict: one that no topic takes would never be settled."""
    parts = ",".join(['{"type":"image"}'] * 10_000)
    value = f'{{"kind":"message","content":[{parts}]}}'.encode()
    hearing = open_hearing(make_record(value), make_route())
    verdict = verdict_of(hearing.screened[0])
    assert verdict.coverage is not None
    assert verdict.coverage.unsupported_parts == ("image",) * MAX_NAMED_PARTS
    assert not verdict.coverage.complete
