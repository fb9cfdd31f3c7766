"""decode -> route -> screen: what a record comes to before anyone is asked."""

from __future__ import annotations

import re
from math import inf
from typing import Any

import pytest

from stream_guard import identity
from stream_guard.docket import Docket
from stream_guard.events.content import CONTEXT_PARTIAL, Judged
from stream_guard.events.model import View
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.judging.terms import Quota, Terms
from stream_guard.records import Record
from stream_guard.routing import Context, FieldCondition, HeaderCondition, Limits, Publish, Route, Routes
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


def test_an_answer_is_of_use_until_respond_by_after_the_timestamp() -> None:
    """In the loop's time; where route or record has no time to say, for ever. Cases of one lease share their turns."""
    route = make_route(terms=Terms(respond_by_s=2.5))
    (case,) = open_hearing(make_record(), route).cases  # its timestamp is a second ago, and the loop's time is 10
    assert (case.deadline, case.flow) == (11.5, LEASE)
    assert [case.deadline for case in open_hearing(make_record()).cases] == [inf]
    assert [case.deadline for case in open_hearing(Record(LEASE, 7, make_record().value), route).cases] == [inf]


def test_an_event_that_is_read_when_nobody_waits_any_more_abstains_without_the_engine() -> None:
    """The detail says by which setting."""
    (outcome,) = open_hearing(make_record(), make_route(terms=Terms(respond_by_s=1.0))).screened
    assert outcome.result == Abstention(
        AbstentionReason.EXPIRED, "respond_by: read 1.0 s after its timestamp, 1 s allowed"
    )
    assert screened_reason(make_record(), terms=Terms(respond_by_s=1.1)) is None


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


# -- in context ---------------------------------------------------------------------------------------------------------

PARTIAL = (CONTEXT_PARTIAL,)
IN_CONTEXT = {View.MESSAGE_IN_CONTEXT: (RENDERER.template(make_policy(), View.MESSAGE_IN_CONTEXT),)}


def make_room(last: int = 3, **settings: object) -> Route:
    """A route that shows earlier messages with a message."""
    fields: dict[str, object] = {"templates": IN_CONTEXT, "context": Context(last), **settings}
    return make_route("room", **fields)  # type: ignore[arg-type]  # settings of the test's choice


def says(text: object, offset: int, *, key: bytes | None = b"room", **event: object) -> Record:
    """A message."""
    return make_record({"kind": "message", "content": text, **event}, offset=offset, key=key)


def heard(*records: Record, docket: Docket | None = None, route: Route | None = None) -> list[Judged]:
    """What is judged of records that are read in this order."""
    docket = docket or make_docket(route or make_room())
    hearings = docket.open(records, [None] * len(records), 10.0, NOW_MS)
    return [hearing.judged for hearing in hearings if hearing.judged is not None]


def test_a_message_is_shown_with_those_before_it() -> None:
    """The last ones of its key, as turns under their authors' names; it is then one of them itself."""
    *_, fourth, other = heard(
        says("one", 0),
        says("two", 1, author="ann"),
        says("elsewhere", 2, key=b"other"),
        says("three", 3),
        says("four", 4),
        says("alone", 5, key=b"third"),
    )
    assert fourth.view is View.MESSAGE_IN_CONTEXT
    assert fourth.text == '{"role":"user","content":"four"}'
    assert fourth.context.split("\n") == [
        '{"role":"user","content":"one"}',
        '{"role":"user","name":"ann","content":"two"}',
        '{"role":"user","content":"three"}',
    ]
    assert (fourth.coverage.context_turns, fourth.signals) == (3, ())
    assert (other.context, other.signals) == ("", ())


def test_what_is_no_message_of_the_route_is_no_context() -> None:
    """Neither what is ignored nor what is dead-lettered, nor a tombstone, nor what stands in another partition."""
    route = make_room(fields=(FieldCondition("language", present=False),), limits=Limits(record_bytes=100))
    judged = heard(
        says("not selected", 0, language="de"),
        says("too large " * 20, 1),
        make_record(b"?", offset=2),
        make_tombstone(3),
        make_record({"kind": "message", "content": "elsewhere"}, lease=LEASE._replace(partition=9), offset=0),
        says("judged", 4),
        route=route,
    )
    assert [(content.context, content.signals) for content in judged] == [("", ())] * 2


def test_what_was_never_asked_about_is_context_all_the_same() -> None:
    """It was said, though it came too late to be judged itself."""
    (first, second) = heard(says("one", 0), says("two", 1), route=make_room(expire_after_s=0.1))
    assert second.context == first.text


@pytest.mark.parametrize("key", [None, b""])
def test_a_message_without_a_key_stands_alone(key: bytes | None) -> None:
    """An empty key is one; where there is none, nothing is unknown either."""
    _, second = heard(says("one", 5, key=key), says("two", 6, key=key))
    assert (second.context, second.signals) == (
        ("", ()) if key is None else ('{"role":"user","content":"one"}', PARTIAL)
    )


@pytest.mark.parametrize("by", ["author", "attributes.thread"])
def test_a_conversation_may_be_told_by_a_field(by: str) -> None:
    """Of the event, whatever the record's key; a message that lacks it stands alone."""
    one: dict[str, Any] = {"author": "ann", "attributes": {"thread": 7}}
    *_, third, fourth = heard(
        says("one", 0, key=None, **one),
        says("two", 1, author="bob", attributes={"thread": 8}),
        says("three", 2, **one),
        says("four", 3),
        route=make_room(context=Context(3, by=by)),
    )
    assert third.coverage.context_turns == 1
    assert '"one"' in third.context
    assert (fourth.context, fourth.signals) == ("", ())


def test_a_picture_before_it_does_not_keep_a_message_from_being_judged() -> None:
    """The verdict says that it was there and that no model saw it; the picture's own message abstains."""
    picture = says([{"type": "text", "text": "look"}, {"type": "image"}], 0)
    docket = make_docket(make_room())
    first, second = docket.open([picture, says("nice", 1)], [None, None], 10.0, NOW_MS)
    assert [outcome.result.reason for outcome in first.screened if isinstance(outcome.result, Abstention)] == [
        AbstentionReason.UNSUPPORTED_CONTENT
    ]
    (case,) = second.cases
    assert case.judged.coverage.unsupported_parts == ("image",)
    assert case.judged.coverage.context_turns == 1
    assert not case.judged.coverage.complete


def test_the_context_gives_way_to_the_message() -> None:
    """Where both are longer than the route's limit, the oldest go first; the message alone decides whether it is too long."""
    room = make_room(limits=Limits(content_chars=100))
    docket = make_docket(room)
    one, two = heard(says("x" * 30, 0), says("y" * 30, 1), docket=docket)
    assert len(one.text) + len(two.text) > 100
    assert two.context == ""
    assert two.signals == PARTIAL
    (three,) = heard(says("z", 2), docket=docket)
    assert three.context == two.text
    (hearing,) = docket.open([says("long " * 30, 3)], [None], 10.0, NOW_MS)
    assert not hearing.cases
    assert one.signals == ()


def test_what_is_past_is_context_and_nothing_else() -> None:
    """Read in the same way, route by route; it opens no hearing."""
    docket = make_docket(make_room(fields=(FieldCondition("language", present=False),)))
    past = [says("one", 0), says("not selected", 1, language="de"), make_record(b"?", offset=2), make_tombstone(3)]
    docket.remember(past)
    docket.remember([says("no key", 4, key=None), make_record(CHAT, offset=5)])
    (judged,) = heard(says("two", 6), docket=docket)
    assert judged.context == '{"role":"user","content":"one"}'
    assert judged.signals == ()


def test_a_memory_that_begins_late_is_told() -> None:
    """Until it knows all that would be shown."""
    judged = heard(*(says(f"message {offset}", offset) for offset in range(40, 45)))
    assert [content.signals for content in judged] == [PARTIAL, PARTIAL, PARTIAL, (), ()]
    docket = make_docket(make_room())
    docket.remember([make_tombstone(40)])
    (content,) = heard(says("hello", 41), docket=docket)
    assert content.signals == PARTIAL


def test_what_a_lease_said_is_forgotten_with_it() -> None:
    """Its next owner reads it again; so do we, under another lease."""
    docket = make_docket(make_room())
    heard(says("one", 0), docket=docket)
    docket.forget([LEASE])
    (judged,) = heard(says("two", 1), docket=docket)
    assert (judged.context, judged.signals) == ("", PARTIAL)


def test_a_route_without_context_remembers_nothing() -> None:
    """And says so, so that nobody asks it to."""
    assert not make_docket(make_route()).remembers
    assert make_docket(make_route(), make_room()).remembers


def test_two_routes_of_a_topic_keep_their_conversations_apart() -> None:
    """What one has selected is not context of the other."""
    german = make_room(fields=(FieldCondition("language", any_of=("de",)),))
    english = make_route("english", templates=IN_CONTEXT, context=Context(3))
    docket = make_docket(german, english)
    judged = heard(says("eins", 0, language="de"), says("one", 1), says("zwei", 2, language="de"), docket=docket)
    assert [content.context for content in judged] == ["", "", judged[0].text]


def quota_key(record: Record, by: str = "key") -> str:
    """Whose quota a record uses up."""
    hearing = open_hearing(
        record, make_route(policies=("spam", "harassment"), terms=Terms(quota=Quota(9, 1.0)), quota_by=by)
    )
    one, two = hearing.cases
    assert one.dues is not None
    assert one.dues is two.dues
    return one.dues.key


def test_the_cases_of_an_event_share_what_it_owes() -> None:
    """Of the quota of its key, or of a field; all that have none share one, and nobody can name themselves so."""
    assert quota_key(make_record(key=b"a")) != quota_key(make_record(key=b"b"))
    assert quota_key(make_record(key=None)) == quota_key(make_record(key=b""))
    named = {"kind": "message", "content": "hello", "author": "None"}
    nameless = {"kind": "message", "content": "hello"}
    assert quota_key(make_record(named), "author") != quota_key(make_record(nameless), "author")
    (case,) = open_hearing(make_record()).cases
    assert case.dues is None


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "message", "content": [{"type": "text", "text": " "}, {"type": "image"}]},
        {
            "kind": "chat",
            "turns": [{"role": "user", "content": "hi"}, {"role": "user", "content": [{"type": "image"}]}],
        },
    ],
)
def test_a_picture_without_words_is_not_judged_by_what_stands_around_it(event: dict[str, object]) -> None:
    """Also where a route lets the text beside a picture be judged: there is none."""
    assert screened_reason(make_record(event), allow_unsupported=True) is AbstentionReason.UNSUPPORTED_CONTENT
    assert screened_reason(make_record(PICTURE), allow_unsupported=True) is None


# -- other routes -------------------------------------------------------------------------------------------------------


def test_what_is_open_keeps_its_route_and_its_templates() -> None:
    """Only what is opened from then on is judged under the others."""
    docket = make_docket()
    (before,) = docket.open([make_record(offset=1)], [None], 10.0, NOW_MS)
    route = make_route(
        abstain="block", templates={View.MESSAGE: (RENDERER.template(make_policy(revision=2), View.MESSAGE),)}
    )
    docket.adopt(Routes((route,)))
    (after,) = docket.open([make_record(offset=2)], [None], 10.0, NOW_MS)
    assert [hearing.cases[0].template.policy.revision for hearing in (before, after)] == [1, 2]
    assert before.route is not after.route is route


def test_what_is_remembered_stays_while_the_same_is_selected() -> None:
    """Another version of a policy costs no context."""
    docket = make_docket(make_room())
    heard(says("one", 0), docket=docket)
    again = {View.MESSAGE_IN_CONTEXT: (RENDERER.template(make_policy(revision=2), View.MESSAGE_IN_CONTEXT),)}
    docket.adopt(Routes((make_room(templates=again, publish=Publish.NON_ALLOW),)))
    (second,) = heard(says("two", 1), docket=docket)
    assert (second.coverage.context_turns, second.signals) == (1, ())


def test_where_something_else_is_selected_memory_begins_anew_and_says_so() -> None:
    """What was remembered may lack what belongs there now: shown as if it were all, it would mislead."""
    docket = make_docket(make_room())
    heard(says("one", 5), docket=docket)
    docket.adopt(Routes((make_room(headers=(HeaderCondition("bot", present=False),)),)))
    second, third = heard(says("two", 6), says("three", 7), docket=docket)
    assert [(each.coverage.context_turns, each.signals) for each in (second, third)] == [(0, PARTIAL), (1, PARTIAL)]
    assert docket.remembers
