"""The fold: whatever is repeated, reordered or folded in parts, one result, and never a milder one than it should be."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from stream_guard.identity import Slot, VerdictId
from stream_guard.policy.document import Decision
from stream_guard.verdicts.decoding import decode_entries, decode_ruling
from stream_guard.verdicts.fold import Folded, Folder, fold, rule, ruling_of, winners
from stream_guard.verdicts.model import Entry, Rank, Ruling
from tests.messages import POSITION, SUBJECT, make_ruling

small = st.integers(0, 2)
policies = st.sampled_from(["spam", "harassment", "game-cheating"])
severities: st.SearchStrategy[int | UnsetType | None] = st.sampled_from([UNSET, None, 0, 1, 4])


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Entries from a space so small that places, ids and decisions often coincide."""
    policy = draw(policies)
    return Entry(
        slot=Slot(f"slot-{policy}"),
        policy_id=policy,
        policy_version=draw(st.sampled_from(["a", "b"])),
        revision=draw(small),
        verdict_id=VerdictId(draw(st.sampled_from(["v1", "v2", "v3"]))),
        decision=draw(st.sampled_from(Decision)),
        rank=draw(st.sampled_from(Rank)),
        through=draw(small),
        sequence=draw(small),
        awaits=draw(st.sampled_from([None, "", "escalation"])),
        final_by_ms=draw(st.sampled_from([None, 0, 60_000])),
        severity=draw(severities),
    )


def as_ruling(listed: list[Entry]) -> Ruling:
    """A ruling that lists these, whatever a well-made one would."""
    return msgspec.structs.replace(make_ruling(), entries=tuple(listed))


rulings = st.lists(entries(), max_size=3).map(as_ruling)
histories = st.lists(rulings, max_size=6)


@given(histories, st.data())
def test_any_order_and_repetition_folds_alike(history: list[Ruling], data: st.DataObject) -> None:
    """Redelivery and reordering change nothing: neither the winners and who leads, nor the number of ties."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=6)) if history else []
    assert fold(data.draw(st.permutations(history + again))) == fold(history)


@given(histories, st.lists(st.integers(0, 3), min_size=6, max_size=6), st.permutations(range(4)))
def test_parts_merge_in_any_order(history: list[Ruling], parts: list[int], order: list[int]) -> None:
    """Folding parts by themselves and merging them, in any order, is folding the whole."""
    folders = [Folder() for _ in range(4)]
    for message, part in zip(history, parts, strict=False):
        folders[part].add(message)
    whole = Folder()
    for part in order:
        whole.merge(folders[part])
    assert whole.folded() == fold(history)


@given(histories)
def test_a_result_goes_on_from_its_kept_state(history: list[Ruling]) -> None:
    """A subscriber may keep a folder's state between messages."""
    folder = Folder()
    for message in history:
        folder = Folder(folder.places, ruled=folder.ruled)
        folder.add(message)
    assert folder.folded() == fold(history)


@given(histories)
def test_never_milder_than_the_strictest_of_equals(history: list[Ruling]) -> None:
    """In each slot no entry outranks the winner, and none of equal right is stricter; the whole is as strict as any slot."""
    folded = fold(history)
    for entry in itertools.chain.from_iterable(message.entries for message in history):
        winner = folded.slots[entry.slot]
        assert rights(winner) >= rights(entry)
        assert rights(winner) > rights(entry) or winner.decision.strictness >= entry.decision.strictness
        assert folded.decision.strictness >= winner.decision.strictness


@given(histories)
def test_ties_are_what_a_plain_count_says(history: list[Ruling]) -> None:
    """The running count of ties is that of the definition, taken over all entries at once."""
    folded = fold(history)
    everything = [entry for message in history for entry in message.entries]
    tied = sum(
        len({(e.verdict_id, e.decision) for e in everything if e.slot == slot and rights(e) == rights(winner)}) > 1
        for slot, winner in folded.slots.items()
    )
    assert folded.ties == tied


@given(histories)
def test_who_leads_is_what_is_left_of_the_winners(history: list[Ruling]) -> None:
    """Rule by rule those who don't lead are left out: the definition, worked out the slow way."""
    folded = fold(history)
    left = [entry for entry in folded.slots.values() if entry.decision is folded.decision]
    for ranks in ({Rank.FINAL, Rank.HUMAN}, {Rank.PROVISIONAL}):
        left = [entry for entry in left if entry.rank in ranks] or left
    for severity in (4, 1):
        left = [entry for entry in left if entry.severity == severity] or left
    assert folded.lead == min((entry.policy_id for entry in left), default=None)


@given(histories)
def test_a_fold_that_knows_no_severity_names_the_same_verdicts(history: list[Ruling]) -> None:
    """A subscriber of an older release gets the same winners, decision and ties: the severity only decides between their like."""
    older = [as_ruling([msgspec.structs.replace(e, severity=UNSET) for e in message.entries]) for message in history]
    known, unknown = fold(history), fold(older)
    graded = {slot: msgspec.structs.replace(entry, severity=UNSET) for slot, entry in known.slots.items()}
    assert graded == unknown.slots
    assert (known.decision, known.missing, known.ties) == (unknown.decision, unknown.missing, unknown.ties)


@given(histories, entries())
def test_a_repeat_of_a_winner_changes_nothing(history: list[Ruling], entry: Entry) -> None:
    """Folding the winners in once more, as a ruling that carries them on does, gives the same result."""
    folded = fold([*history, as_ruling([entry])])
    carried = as_ruling(list(folded.slots.values()))
    assert fold([*history, as_ruling([entry]), carried]) == folded


@given(st.lists(entries(), max_size=6), st.randoms(use_true_random=False))
def test_a_ruling_says_what_its_fold_says(listed: list[Entry], random: object) -> None:
    """What a ruling states of itself is what a subscriber gets by folding it, whatever order its verdicts came in."""
    ruling = rule_on(listed)
    folded = fold([ruling])
    assert (ruling.decision, ruling.complete, ruling.missing) == (folded.decision, folded.complete, folded.missing)
    assert ruling.lead == folded.lead
    random.shuffle(listed)  # type: ignore[attr-defined]  # Hypothesis types its generator as object
    assert rule_on(listed) == ruling


@given(st.lists(entries(), max_size=6))
def test_winners_are_one_a_slot(listed: list[Entry]) -> None:
    """The winners are exactly those of the fold, and rule as it does."""
    folded = fold([as_ruling(listed)])
    assert {entry.slot: entry for entry in winners(listed)} == folded.slots
    assert rule(winners(listed)).decision == folded.decision


@given(st.lists(entries(), min_size=1, max_size=4), st.sampled_from(["quarantine", "", "ALLOW", "deny"]))
def test_an_unknown_decision_is_a_review(listed: list[Entry], unknown: str) -> None:
    """A decision of a later version, wherever it stands, folds exactly as `review`."""
    raw = [msgspec.to_builtins(entry) for entry in listed]
    raw[0]["decision"] = unknown
    known = [msgspec.structs.replace(listed[0], decision=Decision.REVIEW), *listed[1:]]
    assert decode_entries(msgspec.json.encode(raw)) == tuple(known)


additions = st.dictionaries(
    st.from_regex(r"x_[a-z]{1,8}", fullmatch=True),
    st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=5), st.lists(st.booleans(), max_size=2)),
    max_size=3,
)


@given(rulings, additions, additions)
def test_unknown_fields_are_ignored(ruling: Ruling, above: dict[str, object], below: dict[str, object]) -> None:
    """Fields of a later version, in a ruling or its entries, change nothing for a subscriber of today."""
    raw = msgspec.to_builtins(ruling) | above
    raw["entries"] = [entry | below for entry in raw["entries"]]
    assert decode_ruling(msgspec.json.encode(raw)) == ruling


@given(histories)
def test_without_a_judgement_from_each_nothing_is_complete(history: list[Ruling]) -> None:
    """Complete means that each slot's winner is final or human, and that a ruling said who has a say."""
    folded: Folded = fold(history)
    judged = all(entry.rank in {Rank.FINAL, Rank.HUMAN} for entry in folded.slots.values())
    assert folded.complete == (bool(history) and bool(folded.slots) and judged)


def rights(entry: Entry) -> tuple[int, int, int, int]:
    """What the fold compares first."""
    return entry.rank.weight, entry.revision, entry.through, entry.sequence


def rule_on(listed: list[Entry]) -> Ruling:
    """A ruling on these entries."""
    return ruling_of(
        listed,
        subject=SUBJECT,
        namespace="default",
        lane="live",
        kind="message",
        event_id=None,
        route="chat",
        sources=(POSITION,),
        ruled_at_ms=0,
    )
