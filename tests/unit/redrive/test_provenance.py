"""What is taken for a redriven record, and what is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from stream_guard.records import Flaw, Lease, Record
from stream_guard.redrive.provenance import HEADER, redriven, restored
from stream_guard.verdicts.dead_letter import Scope
from stream_guard.verdicts.decoding import decode_entries
from tests.messages import make_dead_letter, make_entry

RECORD = Record(
    Lease("chat", 1, 0), 7, b'{"kind":"message"}', b"room", (("a", b"1"), ("a", None)), 1_000, "log_append", 4
)


def lying(**changes: Any) -> Record:
    """A record of the redrive topic whose header says something else; a field of value `...` is left out."""
    sent = redriven(make_dead_letter(), RECORD)
    said = {**msgspec.json.decode(sent.headers[0][1] or b""), **changes}
    header = msgspec.json.encode({name: value for name, value in said.items() if value is not ...})
    return Record(Lease("redrive", 0, 1), 3, sent.value, sent.key, ((HEADER, header), *sent.headers[1:]), 2_000)


def test_the_header_is_written_as_it_ever_was() -> None:
    """Byte for byte: replicas that are of another version read it."""
    case = make_dead_letter(scope=Scope.CASE, policy_id="spam", entries=(make_entry(),))
    (name, value), *_ = redriven(case, RECORD).headers
    entry = msgspec.json.encode(make_entry()).decode()
    assert name == "sg-redrive"
    assert (value or b"").decode() == (
        f'{{"contract":1,"cluster":"{case.cluster}","topic":"chat","topic_id":"{case.topic_id}","partition":1,"offset":7,'
        f'"timestamp_ms":1000,"timestamp_type":"log_append","leader_epoch":4,"subject":"{case.subject}","entries":[{entry}],'
        f'"headers":2,"dead_letter_id":"{case.id}","scope":"case","policy_id":"spam","replays":1,'
        f'"first_failed_at_ms":{case.first_failed_at_ms}}}'
    )


def test_a_field_that_was_added_later_is_ignored() -> None:
    """The contract grows by addition: an older replica may read what a newer command wrote."""
    assert restored(lying(mood="fine")).origin is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"contract": 2}, {"contract": ...}, {"offset": "seven"}, {"offset": None}, {"headers": 3}, {"headers": -1},
        {"scope": "batch"}, {"scope": "case"}, {"policy_id": "spam"}, {"entries": {}}, {"entries": [{"slot": 1}]},
        {"subject": None}, {"replays": ...},
    ],
)  # fmt: skip
def test_what_is_not_of_the_contract_is_not_believed(changes: dict[str, Any]) -> None:
    """A flaw that says so, and quotes nothing."""
    found = restored(lying(**changes))
    assert (found.flaw_kind, found.origin) == (Flaw.UNRESTORABLE, None)
    assert HEADER in found.flaw
    assert "seven" not in found.flaw


def test_a_rank_of_a_later_contract_is_understood_as_a_subscriber_does() -> None:
    """An entry of an unknown rank counts as an abstention: it never keeps a judgement from standing."""
    entry = msgspec.to_builtins(make_entry()) | {"rank": "oracle"}
    found = restored(lying(entries=[entry], scope="case", policy_id="harassment"))
    assert found.origin is not None
    assert b"oracle" in found.origin.entries


@pytest.mark.parametrize("severity", [UNSET, None, 3])
def test_what_was_said_so_far_keeps_its_severity(severity: int | UnsetType | None) -> None:
    """Also where it states none, as an older release's does."""
    entry = make_entry(severity=severity)
    sent = redriven(make_dead_letter(entries=(entry,)), RECORD)
    found = restored(Record(Lease("redrive", 0, 1), 3, sent.value, sent.key, sent.headers, 2_000))
    assert found.origin is not None
    assert decode_entries(found.origin.entries) == (entry,)
    assert msgspec.json.decode(found.origin.entries) == [msgspec.to_builtins(entry)]


def test_what_the_client_could_not_read_stays_as_it_is() -> None:
    """Its headers are gone, or all of it: its flaw says what is wrong."""
    for kind in (Flaw.UNREADABLE, Flaw.UNREADABLE_BATCH):
        flawed = replace(lying(), flaw="why", flaw_kind=kind, headers=())
        assert restored(flawed) == flawed


def test_poison_keeps_its_flaw_and_its_origin() -> None:
    """It is dead-lettered as what it was, unread."""
    found = restored(replace(lying(), flaw="it kills", flaw_kind=Flaw.POISON))
    assert (found.flaw, found.flaw_kind) == ("it kills", Flaw.POISON)
    assert found.origin is not None
    assert found.topic == "chat"


def test_no_repr_shows_content() -> None:
    """Sizes alone."""
    assert repr(redriven(make_dead_letter(scope=Scope.RECORD), RECORD)) == "Carried(18 B value, 3 headers)"
