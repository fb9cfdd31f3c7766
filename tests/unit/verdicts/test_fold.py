"""The fold: its language-neutral vectors, and what a subscriber does with the result."""

from __future__ import annotations

import itertools
import json
from importlib import resources
from typing import Any

import msgspec
import pytest

from stream_guard.identity import Subject, VerdictId, dead_letter_id, digest, ruling_id
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
        "complete": result.complete,
        "missing": list(result.missing),
        "ties": result.ties,
        "slots": {slot: entry.verdict_id for slot, entry in result.slots.items()},
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_vectors_hold_in_every_order_and_repeated(vector: dict[str, Any]) -> None:
    """Each vector's result is the same in every order of its messages, once and with each repeated."""
    expected = dict(vector["expect"])
    final_by: dict[str, int] = expected.pop("final_by_ms", {})
    messages = messages_of(vector)
    for order in itertools.islice(itertools.permutations(messages), 200):
        for sent in (list(order), [*order, *order], [message for message in order for _ in (1, 2)]):
            result = folded(sent)
            assert as_expected(result) == expected
            assert all(result.slots[slot].final_by_ms == at for slot, at in final_by.items())  # type: ignore[index]


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
    assert (ruled.decision, ruled.complete, ruled.missing) == (Decision.REVIEW, False, ())


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
    verdict = make_verdict(rank=Rank.PROVISIONAL, awaits="escalation", final_by_ms=7, through=3, sequence=2)
    entry = entry_of(verdict)
    same = ("slot", "decision", "rank", "through", "sequence", "awaits", "final_by_ms")
    assert all(getattr(entry, field) == getattr(verdict, field) for field in same)
    assert (entry.policy_id, entry.policy_version, entry.revision) == msgspec.structs.astuple(verdict.policy)
    assert entry.verdict_id == verdict.id


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
