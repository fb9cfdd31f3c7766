"""What an escalation record holds, what is taken for one, and what comes back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from stream_guard.escalation.record import CONTEXT_HEADER, HEADER, POLICY_HEADER, kept, restored
from stream_guard.events.model import View
from stream_guard.records import Flaw, Headers, Record
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.model import Entry, Rank
from tests.cases import make_record, open_hearing
from tests.escalations import (
    ADVERT,
    LATER_MS,
    UP,
    Said,
    as_brought,
    brought,
    make_document,
    make_escalation,
    make_written_policy,
    make_written_route,
)

ORIGINAL = make_record(offset=42, headers=(("a", b"1"), ("a", None), (HEADER, b"forged")))


def sent(record: Record = ORIGINAL) -> Record:
    """The escalation record of an advert, as it lies in the topic."""
    hearing = open_hearing(record, make_written_route(escalation=make_escalation()))
    said = Said(hearing)
    said.say(hearing.cases[0], ADVERT, provisional=True)
    (output,) = said.of("up")
    return as_brought(output)


def lying(**changes: Any) -> Record:
    """The same, whose header says something else; a field of value `...` is left out."""
    record = sent()
    said = {**msgspec.json.decode(record.headers[0][1] or b""), **changes}
    header = msgspec.json.encode({name: value for name, value in said.items() if value is not ...})
    return replace(record, headers=((HEADER, header), *record.headers[1:]))


def around(headers: Headers) -> Record:
    """The same with other headers of ours."""
    record = sent()
    return replace(record, headers=(*headers, *record.headers[3:]))


def test_what_comes_back_is_the_original() -> None:
    """Byte for byte, an imitation of our header included; only lease and offset are those of the escalation topic."""
    found = restored(sent())
    assert (found.lease, found.offset) == (UP, 5)
    assert replace(found, lease=ORIGINAL.lease, offset=42, origin=None) == ORIGINAL
    assert (found.topic, found.partition, found.origin_offset) == ("chat", 0, 42)
    assert found.awaited_since_ms == LATER_MS


def test_it_brings_what_was_said_and_under_what() -> None:
    """The policy document byte for byte, the provisional verdict, and the highest sequence."""
    origin = restored(sent()).origin
    assert origin is not None
    escalated = origin.escalated
    assert escalated is not None
    assert escalated.document.decode() == make_document()
    assert (escalated.policy_id, escalated.revision) == ("adverts", 1)
    assert escalated.policy_version == make_written_policy().version
    assert (escalated.view, escalated.sequence, escalated.context) == (View.MESSAGE, 0, "")
    assert (origin.replays, origin.policy_id) == (0, None)


def test_what_is_kept_of_it_is_what_lay_in_the_topic() -> None:
    """And it counts for what it weighs, its document included."""
    lay = sent()
    found = restored(lay)
    assert kept(found) == lay
    assert found.weight == lay.weight == lay.size
    assert found.size == ORIGINAL.size
    assert kept(ORIGINAL) is ORIGINAL


def test_the_header_is_written_as_it_ever_was() -> None:
    """Byte for byte: deployments of another version read it."""
    (name, value), *_ = sent().headers
    said = msgspec.json.decode(value or b"")
    entry, subject = msgspec.json.encode(said["entries"][0]).decode(), said["subject"]
    assert name == "sg-escalation"
    assert (value or b"").decode() == (
        '{"contract":1,"cluster":"cluster","topic":"chat","topic_id":"topic-id","partition":0,"offset":42,'
        '"timestamp_ms":1789999999000,"timestamp_type":"create","leader_epoch":null,'
        f'"subject":"{subject}","entries":[{entry}],"headers":3,"namespace":"default","lane":"live",'
        f'"verdict_id":"{said["verdict_id"]}","view":"message",'
        '"coverage":{"text_parts":1,"unsupported_parts":[],"context_turns":0,"complete":true},"context_partial":false}'
    )
    assert list(said["entries"][0]) == list(Entry.__struct_fields__)


def test_a_field_that_was_added_later_is_ignored() -> None:
    """Deployments are not brought up to date together."""
    assert restored(lying(mood="fine")).origin is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"contract": 2}, {"contract": ...}, {"offset": "seven"}, {"headers": 4}, {"headers": -1}, {"entries": {}},
        {"entries": []}, {"verdict_id": "another"}, {"view": "telegram"}, {"view": ...}, {"subject": None}, {"subject": "another"}, {"lane": "shadow"},
        {"namespace": ...}, {"coverage": "all"},
    ],
)  # fmt: skip
def test_what_is_not_of_the_contract_is_not_believed(changes: dict[str, Any]) -> None:
    """A flaw that says so, and quotes nothing."""
    found = restored(lying(**changes))
    assert (found.flaw_kind, found.origin) == (Flaw.UNRESTORABLE, None)
    assert HEADER in found.flaw
    assert "seven" not in found.flaw
    assert "telegram" not in found.flaw


def test_what_was_said_so_far_keeps_its_severity() -> None:
    """The ruling of the other deployment repeats it; entries of a release that stated none are read as they are."""
    (entry,) = msgspec.json.decode(sent().headers[0][1] or b"")["entries"]
    older = {field: value for field, value in entry.items() if field != "severity"}
    for said, severity in ((entry, 2), (older, UNSET)):
        origin = restored(lying(entries=[said])).origin
        assert origin is not None
        (carried,) = decode_entries(origin.entries)
        assert carried.severity == severity
        assert msgspec.json.decode(msgspec.json.encode(carried)) == said


@pytest.mark.parametrize("rank", [Rank.ABSTENTION, Rank.FINAL, Rank.HUMAN])
def test_only_what_is_provisional_goes_on(rank: Rank) -> None:
    """A verdict that stands, or none, is not to be followed up."""
    (entry,) = msgspec.json.decode(sent().headers[0][1] or b"")["entries"]
    assert restored(lying(entries=[entry | {"rank": rank}])).flaw_kind is Flaw.UNRESTORABLE


@pytest.mark.parametrize(
    "headers",
    [
        (), ((HEADER, b"{}"),), ((HEADER, None),), ((HEADER, b"[" * 5_000),), ((HEADER, b"\xff"),),
    ],
)  # fmt: skip
def test_what_says_nothing_stays_what_it_is(headers: Headers) -> None:
    """It is dead-lettered as it came. The original's own header of that name, now the first, forges nothing."""
    foreign = around(headers)
    found = restored(foreign)
    assert (found.flaw_kind, found.origin) == (Flaw.UNRESTORABLE, None)
    assert (found.key, found.value, found.headers) == (foreign.key, foreign.value, foreign.headers)


@pytest.mark.parametrize(
    "ours",
    [(), ((POLICY_HEADER, b"x"),), ((CONTEXT_HEADER, b""), (POLICY_HEADER, b"x")), ((POLICY_HEADER, b""), ("", b""))],
)
def test_policy_and_context_stand_behind_it(ours: Headers) -> None:
    """In their order: nothing else is taken for them."""
    found = restored(around((sent().headers[0], *ours)))
    assert found.flaw_kind is Flaw.UNRESTORABLE
    assert found.origin is None


def test_a_context_that_is_no_text_is_none() -> None:
    """It would be shown to a model."""
    header, policy, _ = sent().headers[:3]
    assert "is not UTF-8" in restored(around((header, policy, (CONTEXT_HEADER, b"\xff")))).flaw


def test_what_the_client_could_not_read_stays_as_it_is() -> None:
    """And poison keeps its flaw, and its origin: nobody looks into it, but everybody hears of it."""
    flawed = replace(sent(), flaw="why", flaw_kind=Flaw.UNREADABLE, headers=())
    assert restored(flawed) == flawed
    poison = restored(replace(sent(), flaw="it kills", flaw_kind=Flaw.POISON))
    assert (poison.flaw, poison.topic) == ("it kills", "chat")


def test_no_repr_shows_content() -> None:
    """Nor a document."""
    assert "adverts" not in repr(sent())
    hearing = open_hearing(ORIGINAL, make_written_route(escalation=make_escalation()))
    said = Said(hearing)
    said.say(hearing.cases[0], ADVERT, provisional=True)
    assert "hello" not in repr(said.of("up")) + repr(brought(said.of("up")[0]))
