"""decode -> route -> screen: what a record comes to before anyone is asked."""

from __future__ import annotations

import re

import pytest

from stream_guard import identity
from stream_guard.events.model import View
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.records import Record
from stream_guard.routing import FieldCondition, HeaderCondition, Limits
from tests.cases import (
    LEASE,
    NOW_MS,
    RENDERER,
    make_docket,
    make_policy,
    make_record,
    make_route,
    make_tombstone,
    open_hearing,
)

PICTURE = {"kind": "message", "content": [{"type": "text", "text": "look"}, {"type": "image", "url": "x"}]}
CHAT = {"kind": "chat", "turns": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}


def screened_reason(record: Record, **settings: object) -> AbstentionReason | None:
    """Why a record went to no engine, None where it did."""
    hearing = open_hearing(record, make_route(**settings))  # type: ignore[arg-type]  # settings of the test's choice
    if not hearing.screened:
        return None
    assert not hearing.cases
    (outcome,) = hearing.screened
    assert isinstance(outcome.result, Abstention)
    return outcome.result.reason


def test_an_event_is_a_case_under_each_policy_of_its_route() -> None:
    """Each pins its policy and prompt version."""
    hearing = open_hearing(make_record(), make_route(policies=("spam", "harassment")))
    assert [case.template.policy.id for case in hearing.cases] == ["spam", "harassment"]
    assert hearing.outcome is None
    assert hearing.kind == "message"


def test_the_subject_is_where_the_record_stands() -> None:
    """By cluster id and topic id, so that a renamed or recreated topic does not collide."""
    record = make_record()
    assert open_hearing(record).subject == identity.record_subject("cluster", "topic-id", record, "message")


def test_a_completion_is_named_by_its_own_id() -> None:
    """So that its steps fold with it."""
    value = {"kind": "completion", "id": "c-1", "prompt": [], "completion": "once upon a time"}
    assert open_hearing(make_record(value)).subject == identity.completion_subject("c-1")


def test_a_route_may_declare_event_ids_unique() -> None:
    """Then the same id in two records is the same event; otherwise an id is only information."""
    value = {"kind": "message", "id": "m-1", "content": "hello"}
    unique = open_hearing(make_record(value), make_route(unique_event_id=True))
    assert unique.subject == identity.event_subject("chat", "m-1")
    assert open_hearing(make_record(value)).subject != unique.subject


def test_a_tombstone_is_ignored() -> None:
    """And counted under the route that it would have belonged to."""
    hearing = open_hearing(make_tombstone())
    assert hearing.outcome == Ignored(IgnoredReason.TOMBSTONE)
    assert hearing.route is not None


def test_what_no_route_selects_is_ignored() -> None:
    """By topic, by header, by field, or by kind."""
    not_selected = Ignored(IgnoredReason.NOT_SELECTED)
    message = make_record(headers=(("tenant", b"acme"),))
    by_header = make_route(headers=(HeaderCondition("tenant", any_of=("other",)),))
    by_field = make_route(fields=(FieldCondition("language", any_of=("de",)),))
    by_kind = make_route(templates={View.CHAT: (RENDERER.template(make_policy(), View.CHAT),)})
    for route in (make_route(topic="other"), by_header, by_field, by_kind):
        assert open_hearing(message, route).outcome == not_selected


def test_a_record_belongs_to_the_first_route_that_matches() -> None:
    """In the order of the file."""
    special = make_route("special", headers=(HeaderCondition("tenant", matches=re.compile("ac.*")),))
    acme = open_hearing(make_record(headers=(("tenant", b"acme"),)), special, make_route("rest"))
    other = open_hearing(make_record(headers=(("tenant", b"\xff"),)), special, make_route("rest"))
    assert [hearing.route.name for hearing in (acme, other) if hearing.route] == ["special", "rest"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", RejectionReason.EMPTY),
        (b"\xff\xfe", RejectionReason.NOT_UTF8),
        (b'{"kind":"message","content":"\\ud800"}', RejectionReason.LONE_SURROGATE),
        (b"hello", RejectionReason.NOT_JSON),
        (b'{"kind":"message","content":[{"type":"x","a":' + b"[" * 99 + b"]" * 99 + b"}]}", RejectionReason.TOO_DEEP),
        (b'{"kind":"message","content":"' + b"a" * 2_000_000 + b'"}', RejectionReason.TOO_LARGE),
        (b'{"kind":"message","text":"hello"}', RejectionReason.INVALID_EVENT),
        (b'{"kind":"completion_step","completion_id":"c","step":1,"final":true}', RejectionReason.UNSUPPORTED_KIND),
    ],
)
def test_what_can_not_become_an_event_is_rejected(value: bytes, reason: RejectionReason) -> None:
    """With a subject and a route, so that its dead letter and its ruling have a place."""
    hearing = open_hearing(make_record(value))
    assert isinstance(hearing.outcome, Rejection)
    assert hearing.outcome.reason is reason
    assert hearing.subject is not None
    assert hearing.route is not None
    assert not hearing.cases


def test_a_chat_of_too_many_turns_is_rejected() -> None:
    """A hard limit of the route; its subject is that of the chat it is."""
    hearing = open_hearing(make_record(CHAT), make_route(limits=Limits(turns=1)))
    assert hearing.outcome == Rejection(RejectionReason.TOO_LARGE, "2 turns, 1 allowed")
    assert hearing.kind == "chat"


def test_what_was_decoded_keeps_its_subject_though_it_is_rejected() -> None:
    """Its ruling names the slots that a replay under wider limits fills."""
    turns = [{"role": "user", "content": "hi"}] * 2
    record = make_record({"kind": "completion", "id": "c-1", "prompt": turns, "completion": "once"})
    hearing = open_hearing(record, make_route(limits=Limits(turns=1)))
    assert isinstance(hearing.outcome, Rejection)
    assert (hearing.subject, hearing.event_id) == (identity.completion_subject("c-1"), "c-1")


def test_the_limits_are_those_of_the_route_that_a_record_belongs_to() -> None:
    """Not those of a stricter or more generous route before it, which passes the record over."""
    small, large = Limits(record_bytes=60, depth=3), Limits()
    completions = {View.COMPLETION: (RENDERER.template(make_policy(), View.COMPLETION),)}
    long = make_record({"kind": "message", "content": "a" * 100})
    deep = make_record({"kind": "message", "content": [{"type": "image", "url": [[]]}, {"type": "text", "text": "x"}]})
    for record, reason in ((long, RejectionReason.TOO_LARGE), (deep, RejectionReason.TOO_DEEP)):
        fits = open_hearing(
            record, make_route("first", limits=small, templates=completions), make_route("own", limits=large)
        )
        assert (fits.outcome, fits.route and fits.route.name) == (None, "own")
        own = make_route("own", limits=Limits(depth=3) if record is deep else small)
        beyond = open_hearing(record, make_route("first", limits=large, templates=completions), own)
        assert isinstance(beyond.outcome, Rejection)
        assert (beyond.outcome.reason, beyond.route, beyond.kind) == (reason, own, "message")
        assert not beyond.cases


def test_key_and_headers_count_as_bytes_of_the_record() -> None:
    """The window holds them too."""
    record = make_record(key=b"k" * 1_000, headers=(("h", b"v" * 1_000),))
    assert open_hearing(record, make_route(limits=Limits(record_bytes=record.size))).outcome is None
    outcome = open_hearing(record, make_route(limits=Limits(record_bytes=record.size - 1))).outcome
    assert isinstance(outcome, Rejection)
    assert outcome.reason is RejectionReason.TOO_LARGE


def test_content_that_is_not_text_abstains_unless_the_route_says_otherwise() -> None:
    """And even then only where there is some text to judge."""
    picture_alone = {"kind": "message", "content": [{"type": "image"}]}
    assert screened_reason(make_record(PICTURE)) is AbstentionReason.UNSUPPORTED_CONTENT
    assert screened_reason(make_record(PICTURE), allow_unsupported=True) is None
    assert screened_reason(make_record(picture_alone), allow_unsupported=True) is AbstentionReason.UNSUPPORTED_CONTENT


def test_too_long_content_abstains_rather_than_being_cut() -> None:
    """Context counts."""
    assert screened_reason(make_record(), limits=Limits(content_chars=11)) is None
    assert screened_reason(make_record(), limits=Limits(content_chars=10)) is AbstentionReason.TOO_LONG
    assert screened_reason(make_record(CHAT), limits=Limits(content_chars=60)) is AbstentionReason.TOO_LONG


def test_an_expired_event_abstains_without_the_engine() -> None:
    """Measured from the record's timestamp; a record without one never expires."""
    assert screened_reason(make_record(), expire_after_s=2.0) is None
    assert screened_reason(make_record(), expire_after_s=0.5) is AbstentionReason.EXPIRED
    untimed = Record(LEASE, 7, make_record().value)
    assert screened_reason(untimed, expire_after_s=0.5) is None


def test_a_bad_record_does_not_touch_its_neighbours() -> None:
    """A list comes back whole and in order."""
    records = [make_record(offset=1), make_record(b"?", offset=2), make_tombstone(3), make_record(offset=4)]
    hearings = make_docket().open(records, [None] * 4, 0.0, NOW_MS)
    assert [hearing.record.offset for hearing in hearings] == [1, 2, 3, 4]
    assert [len(hearing.cases) for hearing in hearings] == [1, 0, 0, 1]


def test_a_record_that_could_not_be_read_whole_is_rejected() -> None:
    """Whatever its value says: a route might have passed it over for a header that nobody could read."""
    record = Record(LEASE, 7, make_record().value, flaw="a header name is not UTF-8")
    by_header = make_route(headers=(HeaderCondition("tenant", any_of=("acme",)),))
    hearing = open_hearing(record, by_header)
    assert hearing.outcome == Rejection(RejectionReason.UNREADABLE, "a header name is not UTF-8")
    assert hearing.route is by_header
