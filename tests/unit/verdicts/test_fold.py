"""The fold: its language-neutral vectors, and what a subscriber does with the result."""

from __future__ import annotations

import itertools
import json
from importlib import resources
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from stream_guard.identity import Slot, Subject, VerdictId, dead_letter_id, digest, ruling_id
from stream_guard.policy.document import Decision
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.fold import Folded, Folder, entry_of, fold, fold_each, fold_key, rule, winners
from stream_guard.verdicts.model import Entry, Rank
from tests.messages import RECEIVED_MS, SUBJECT, make_entry, make_ruling, make_verdict

DOCUMENT: dict[str, Any] = json.loads(
    resources.files("stream_guard.verdicts").joinpath("fold_vectors.json").read_text(encoding="utf-8")
)
VECTORS: list[dict[str, Any]] = DOCUMENT["vectors"]


def messages_of(vector: dict[str, Any]) -> list[tuple[tuple[Entry, ...], bool]]:
    """The entries of each message in the vector's lane, and whether it is a ruling."""
    return [
        (decode_entries(json.dumps(message["entries"]).encode()), message["type"] == "ruling")
        for message in vector["messages"]
        if message["lane"] == vector["lane"]
    ]


def folded(messages: list[tuple[tuple[Entry, ...], bool]]) -> Folded:
    """The result of these messages, in this order."""
    folder = Folder()
    for entries, ruled in messages:
        folder.add_entries(entries, ruled=ruled)
    return folder.folded()


def as_expected(result: Folded) -> dict[str, Any]:
    """A result in the vectors' words."""
    return {
        "decision": result.decision,
        "lead": result.lead,
        "complete": result.complete,
        "missing": list(result.missing),
        "ties": result.ties,
        "slots": {slot: entry.verdict_id for slot, entry in result.slots.items()},
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_vectors_hold_in_every_order_and_repeated(vector: dict[str, Any]) -> None:
    """Each vector's result is the same in every order of its messages, once and with each repeated."""
    expected = dict(vector["expect"])
    of_winners = {field: expected.pop(field, {}) for field in ("final_by_ms", "severity")}
    messages = messages_of(vector)
    for order in itertools.islice(itertools.permutations(messages), 200):
        for sent in (list(order), [*order, *order], [message for message in order for _ in (1, 2)]):
            result = folded(sent)
            assert as_expected(result) == expected
            for field, by_slot in of_winners.items():
                assert {slot: getattr(result.slots[Slot(slot)], field) for slot in by_slot} == by_slot


def test_vectors_have_names_of_their_own() -> None:
    """A failing vector can be told by its name."""
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)


def test_verdicts_and_rulings_fold_as_the_vectors_entries_do() -> None:
    """Whole messages fold by their entries; the ruling makes it complete."""
    allowed, flagged = make_verdict(), make_verdict("harassment", Decision.FLAG)
    assert not fold([allowed, flagged]).complete
    result = fold([allowed, make_ruling(entry_of(allowed), entry_of(flagged))])
    assert (result.decision, result.complete, result.missing, result.ties) == (Decision.FLAG, True, (), 0)


def test_each_subject_in_each_lane_is_folded_apart() -> None:
    """Messages of any subjects and lanes may come mixed: none bears on another."""
    live = make_ruling(make_entry())
    shadow = make_ruling(make_entry(decision=Decision.BLOCK, lane="shadow"), lane="shadow")
    other = make_ruling(make_entry(decision=Decision.FLAG, subject=Subject("other")), subject=Subject("other"))
    results = fold_each([shadow, live, other, live])
    assert [results[fold_key(m)].decision for m in (live, shadow, other)] == [
        Decision.ALLOW,
        Decision.BLOCK,
        Decision.FLAG,
    ]


def test_a_provisional_decision_stands_once_its_time_is_up() -> None:
    """A lost escalation never leaves a subscriber waiting: from `final_by_ms` on the decision stands for good."""
    entry = make_entry(rank=Rank.PROVISIONAL, awaits="escalation", final_by_ms=RECEIVED_MS)
    result = fold([make_ruling(entry)])
    assert [result.stands_at(RECEIVED_MS + late) for late in (-1, 0, 1)] == [False, True, True]
    assert not result.complete


def test_what_never_stands() -> None:
    """An abstention never stands for good, nor does a provisional verdict without a time, nor verdicts without a ruling."""
    abstention = make_ruling(make_entry(rank=Rank.ABSTENTION))
    open_ended = make_ruling(make_entry(rank=Rank.PROVISIONAL, awaits="escalation"))
    for messages in ([abstention], [open_ended], [make_verdict()]):
        assert not fold(messages).stands_at(RECEIVED_MS * 2)
    assert fold([make_ruling(make_entry())]).stands_at(0)


def test_no_entries_are_no_judgement() -> None:
    """Nothing to rule on is never an allow, and never complete."""
    ruled = rule(())
    assert (ruled.decision, ruled.complete, ruled.missing, ruled.lead) == (Decision.REVIEW, False, (), None)


def test_winners_are_listed_by_policy() -> None:
    """A ruling lists its entries in one order, whatever order the cases ended in."""
    spam, harassment = make_entry("spam"), make_entry("harassment")
    assert winners([spam, harassment]) == winners([harassment, spam]) == (harassment, spam)


def test_a_carried_abstention_is_superseded_in_the_new_ruling() -> None:
    """A redriven record's ruling follows from the verdicts that it carried and those just given."""
    abstention = make_entry(rank=Rank.ABSTENTION, decision=Decision.REVIEW)
    carried = make_entry("harassment")
    ruling = make_ruling(abstention, carried, make_entry(sequence=1))
    assert (ruling.decision, ruling.complete) == (Decision.ALLOW, True)
    assert [entry.sequence for entry in ruling.entries] == [0, 1]


def test_an_entry_is_what_the_verdict_says() -> None:
    """An entry takes every field that the fold needs from its verdict."""
    verdict = make_verdict(rank=Rank.PROVISIONAL, awaits="escalation", final_by_ms=7, through=3, sequence=2, severity=4)
    entry = entry_of(verdict)
    same = ("slot", "decision", "rank", "through", "sequence", "awaits", "final_by_ms", "severity")
    assert all(getattr(entry, field) == getattr(verdict, field) for field in same)
    assert (entry.policy_id, entry.policy_version, entry.revision) == msgspec.structs.astuple(verdict.policy)
    assert entry.verdict_id == verdict.id


@pytest.mark.parametrize(("severity", "written"), [(UNSET, {}), (None, {"severity": None}), (0, {"severity": 0})])
def test_an_entry_states_a_severity_only_where_its_verdict_does(
    severity: int | UnsetType | None, written: dict[str, int | None]
) -> None:
    """Unknown is not null: what an older release wrote is written again as it was."""
    entry = make_entry(severity=severity)
    raw = msgspec.to_builtins(entry)
    assert {field: value for field, value in raw.items() if field == "severity"} == written
    assert decode_entries(msgspec.json.encode([entry])) == (entry,)


def test_a_ruling_names_who_leads_and_keeps_its_id() -> None:
    """The gravest of equally strict policies; what is graver or not, the id follows from the verdicts alone."""
    harassment, spam = (make_entry(policy, Decision.BLOCK, severity=3) for policy in ("harassment", "spam"))
    graver = msgspec.structs.replace(spam, severity=4)
    one, other = make_ruling(spam, harassment), make_ruling(graver, harassment)
    assert (one.lead, other.lead) == ("harassment", "spam")
    assert one.id == other.id
    assert make_ruling().lead is None
    assert fold([one, make_verdict("other", Decision.BLOCK, severity=4)]).lead == "other"


def test_a_ruling_id_names_what_was_ruled_on() -> None:
    """The order of the verdicts does not matter to a ruling's id; anything else does."""
    one, two = VerdictId("1"), VerdictId("2")
    first = ruling_id("default", "live", SUBJECT, [one, two], complete=True, reason=None)
    assert first == ruling_id("default", "live", SUBJECT, [two, one], complete=True, reason=None)
    assert first == digest("ruling", "default", "live", SUBJECT, "1", "2", "true", "")
    others = {
        first,
        ruling_id("other", "live", SUBJECT, [one, two], complete=True, reason=None),
        ruling_id("default", "shadow", SUBJECT, [one, two], complete=True, reason=None),
        ruling_id("default", "live", Subject("other"), [one, two], complete=True, reason=None),
        ruling_id("default", "live", SUBJECT, [one], complete=True, reason=None),
        ruling_id("default", "live", SUBJECT, [one, two], complete=False, reason=None),
        ruling_id("default", "live", SUBJECT, [one, two], complete=True, reason="not_json"),
    }
    assert len(others) == 7


def test_a_dead_letter_id_names_what_failed() -> None:
    """A record and each of its cases have dead letters of their own."""
    record = dead_letter_id("default", "live", SUBJECT, "record", None)
    cases = {dead_letter_id("default", "live", SUBJECT, "case", policy) for policy in ("spam", "harassment")}
    assert len({record, *cases}) == 3
    assert record == digest("dead-letter", "default", "live", SUBJECT, "record", "")
