"""How a subscriber reads: lenient where the contract may grow, an error that quotes nothing where it is broken."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from stream_guard.errors import MessageError
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.policy.document import Decision
from stream_guard.verdicts.decoding import decode_entries, decode_rationale, decode_ruling, decode_verdict
from stream_guard.verdicts.encoding import encode_rationale, encode_ruling, encode_verdict
from stream_guard.verdicts.model import AbstentionNote, Rank, Verdict
from tests.messages import make_entry, make_rationale, make_ruling, make_verdict

DECODERS: list[Callable[[bytes], object]] = [decode_verdict, decode_ruling, decode_rationale, decode_entries]


def changed(verdict: Verdict, **fields: object) -> bytes:
    """A verdict's value with some fields set to what this version would never write."""
    return msgspec.json.encode(msgspec.to_builtins(verdict) | fields)


def test_what_is_written_is_read_back() -> None:
    """A verdict, a ruling and a rationale come back as they were."""
    verdict, ruling = make_verdict(), make_ruling(make_entry(), make_entry("harassment", Decision.BLOCK))
    rationale = make_rationale(verdict)
    assert decode_verdict(encode_verdict(verdict, None).value) == verdict
    assert decode_ruling(encode_ruling(ruling, None).value) == ruling
    assert decode_rationale(encode_rationale(rationale, verdict).value) == rationale


def test_unknown_fields_of_a_verdict_are_ignored() -> None:
    """Fields of a later version change nothing."""
    assert decode_verdict(changed(make_verdict(), weight=3, tags={"a": []})) == make_verdict()


def test_an_unknown_decision_is_a_review() -> None:
    """Whatever a later version decides, a subscriber of today reviews."""
    verdict = make_verdict(decision=Decision.BLOCK)
    assert decode_verdict(changed(verdict, decision="quarantine")).decision is Decision.REVIEW


def test_an_unknown_decision_of_a_ruling_is_a_review() -> None:
    """The same for the ruling itself and for each of its entries."""
    raw = msgspec.to_builtins(make_ruling(make_entry()))
    raw["decision"] = raw["entries"][0]["decision"] = "quarantine"
    ruling = decode_ruling(msgspec.json.encode(raw))
    assert (ruling.decision, ruling.entries[0].decision) == (Decision.REVIEW, Decision.REVIEW)


def test_an_unknown_rank_is_an_abstention() -> None:
    """A rank that is not understood outranks nothing."""
    assert decode_verdict(changed(make_verdict(), rank="oracle")).rank is Rank.ABSTENTION


def test_an_unknown_reason_is_not_judged() -> None:
    """A new reason to abstain is still an abstention."""
    verdict = make_verdict(abstention=AbstentionNote(AbstentionReason.TIMEOUT, "60 s"))
    value = changed(verdict, abstention={"reason": "tired", "detail": "60 s"})
    assert decode_verdict(value).abstention == AbstentionNote(AbstentionReason.NOT_JUDGED, "60 s")


def test_an_unknown_lane_is_refused() -> None:
    """A lane can't be guessed: taking it for live could enforce what was only tried."""
    with pytest.raises(MessageError):
        decode_verdict(changed(make_verdict(), lane="canary"))


@pytest.mark.parametrize("field", ["decision", "rank"])
def test_what_is_no_text_at_all_is_refused(field: str) -> None:
    """Only an unknown text is a later version's; a number is a broken message."""
    with pytest.raises(MessageError):
        decode_verdict(changed(make_verdict(), **{field: 7}))


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "value", [b"", b"{", b"\xff", b'"text"', b"7", b"{}", b'[{"slot": 7}]', b"[7]", b'{"entries": 7}', b"[" * 100_000]
)
def test_what_is_no_message_is_refused(decode: Callable[[bytes], object], value: bytes) -> None:
    """Any bytes that are no message end in one error, whichever decoder they meet."""
    with pytest.raises(MessageError):
        decode(value)


def test_errors_quote_nothing() -> None:
    """An error never repeats what stood in the message."""
    with pytest.raises(MessageError) as caught:
        decode_verdict(changed(make_verdict(), lane="hello everybody"))
    assert "hello" not in str(caught.value)
