from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from stream_guard.proposal.propose import BLANK, Proposal, Sort, propose
from stream_guard.proposal.sight import Envelope, Form
from tests.unit.proposal.samples import (
    RECORDS,
    TEXTS,
    debezium_change,
    discord_message,
    forum_post,
    identifier,
    make_record,
    make_records,
    mixed_events,
    text,
)


@pytest.fixture(scope="module")
def proposals() -> dict[str, Proposal]:
    """What is proposed for each topic."""
    return {name: propose(make()) for name, make in RECORDS.items()}


@pytest.mark.parametrize(
    ("topic", "mapping"),
    [
        (
            "forum_post",
            {
                "text": "$['title', 'body']",
                "id": "$.post_id",
                "author": "$.author.id",
                "language": "$.lang",
                "created_at": "$.created_at",
                "attributes": {"room": "$.board"},
            },
        ),
        (
            "discord_message",
            {
                "text": "$.content",
                "id": "$.id",
                "author": "$.author.id",
                "created_at": "$.timestamp",
                "attributes": {"room": "$.channel_id"},
            },
        ),
        (
            "game_chat",
            {"text": "$.msg", "author": "$.uid", "created_at": "$.ts", "attributes": {"room": "$.room"}},
        ),
        ("content_parts", {"text": "$.content", "id": "$.id"}),
        ("block_message", {"text": "$.blocks[*].text", "id": "$.key"}),
        ("cloud_event", {"text": "$.comment", "author": "$.user_id"}),
        ("binary_cloud_events", {"text": "$.comment", "author": "$.user_id"}),
        ("json_schema_value", {"text": "$.comment", "author": "$.user_id"}),
        ("json_strings", {"text": "$"}),
        ("sparse_event", {"text": "$.note", "id": "$.note_id", "parts": {"image": "$.sticker"}}),
        ("undated_time", {"text": "$.text", "id": "$.id"}),
        ("strange_names", {"text": "$['the \\'user\\\\\\'s ${HOME} text']", "id": "$['größe message id']"}),
    ],
)
def test_messages_are_found(proposals: Mapping[str, Proposal], topic: str, mapping: Mapping[str, Any]) -> None:
    """The text, and what is said beside it, by names and by what the values look like."""
    proposal = proposals[topic]
    assert [shape.mapping for shape in proposal.shapes] == [{"message": mapping}]
    assert (proposal.sort, proposal.judge) == (Sort.MAPPED, ("message",))
    assert (proposal.tally.read, proposal.tally.lost) == (40, 0)


@pytest.mark.parametrize(
    ("topic", "mapping"),
    [
        (
            "support_chat",
            {
                "turns": "$.thread[*]",
                "role": "$.from",
                "text": "$.text",
                "name": "$.name",
                "roles": {"agent": "assistant", "customer": "user"},
                "id": "$.ticket.id",
                "language": "$.locale",
            },
        ),
        ("array_of_messages", {"turns": "$[*]", "role": "$.role", "text": "$.content"}),
        (
            "group_chat",
            {
                "turns": "$.messages[*]",
                "role": {"value": "user"},
                "text": "$.message",
                "name": "$.nick",
                "attributes": {"room": "$.lobby"},
            },
        ),
    ],
)
def test_arrays_of_turns_are_chats(proposals: Mapping[str, Proposal], topic: str, mapping: Mapping[str, Any]) -> None:
    """Objects with who speaks and what was said; where no field says a role, all are users. All of a chat is judged."""
    proposal = proposals[topic]
    assert [shape.mapping for shape in proposal.shapes] == [{"chat": mapping}]
    assert (proposal.judge, proposal.tally.events) == (("chat",), {"chat": 40})


@pytest.mark.parametrize(
    ("topic", "mapping"),
    [
        (
            "own_gateway_log",
            {
                "prompt": {
                    "turns": "$.conversation[*]",
                    "role": "$.speaker",
                    "text": "$.utterance",
                    "roles": {"human": "user"},
                },
                "completion": "$.generated_text",
                "model": "$.model_name",
            },
        ),
        (
            "instruction_log",
            {
                "prompt": {"turns": "$.prompt", "role": {"value": "user"}, "text": "$"},
                "completion": "$.response",
                "model": "$.model",
            },
        ),
    ],
)
def test_what_a_model_answered_is_a_completion(
    proposals: Mapping[str, Proposal], topic: str, mapping: Mapping[str, Any]
) -> None:
    """Turns or a prompt beside a text that is named like an answer."""
    proposal = proposals[topic]
    assert [shape.mapping for shape in proposal.shapes] == [{"completion": mapping}]
    assert (proposal.judge, proposal.tally.events) == (("completion",), {"completion": 40})


@pytest.mark.parametrize(
    ("topic", "sort", "read", "judge"),
    [
        ("openai_request", Sort.OPENAI, {"mapping": "openai_chat"}, ("last_turn", "completion")),
        ("openai_response", Sort.OPENAI, {"mapping": "openai_chat"}, ("last_turn", "completion")),
        ("gateway_log", Sort.OPENAI, {"mapping": "openai_chat"}, ("last_turn", "completion")),
        ("canonical_event", Sort.CANONICAL, {}, ("message", "last_turn", "completion")),
        ("plain_text", Sort.TEXT, {"format": "text"}, ("message",)),
    ],
)
def test_known_forms_need_no_mapping(
    proposals: Mapping[str, Proposal], topic: str, sort: Sort, read: Mapping[str, Any], judge: tuple[str, ...]
) -> None:
    """They are recognised by reading them; all kinds that may come are judged, not only those that were seen."""
    proposal = proposals[topic]
    assert (proposal.sort, proposal.read, proposal.judge) == (sort, read, judge)
    assert (proposal.tally.read, proposal.tally.lost) == (40, 0)


@pytest.mark.parametrize(
    ("topic", "sort", "read"),
    [
        ("avro_like", Sort.FRAMED, {"format": "avro"}),
        ("metrics", Sort.UNMAPPED, {}),
        ("encoded", Sort.UNMAPPED, {}),
        ("binary", Sort.BINARY, {}),
        ("nothing", Sort.EMPTY, {}),
        ("tombstones", Sort.EMPTY, {}),
        ("blanks", Sort.EMPTY, {}),
    ],
)
def test_what_cannot_be_read_is_said(
    proposals: Mapping[str, Proposal], topic: str, sort: Sort, read: Mapping[str, Any]
) -> None:
    """No mapping is made up where nothing speaks for one."""
    proposal = proposals[topic]
    assert (proposal.sort, proposal.read, proposal.shapes, proposal.tally.read) == (sort, read, (), 0)


def test_the_form_of_the_bytes_and_the_envelope_are_part_of_the_proposal(proposals: Mapping[str, Proposal]) -> None:
    """A schema's frame around JSON, and CloudEvents in either mode."""
    assert proposals["json_schema_value"].read["format"] == "json_schema"
    assert (proposals["cloud_event"].envelope, proposals["cloud_event"].read["envelope"]) == (
        Envelope.STRUCTURED,
        "cloudevents",
    )
    assert proposals["binary_cloud_events"].envelope is Envelope.BINARY
    assert "a schema registry" in proposals["avro_like"].notes[0]


def test_shapes_are_told_apart_by_the_field_that_goes_with_them(proposals: Mapping[str, Proposal]) -> None:
    """Values whose records are read alike share a shape; those without any text are passed over, last."""
    shapes = proposals["mixed_events"].shapes
    assert [shape.when for shape in shapes] == [
        {"path": "$.type", "any_of": ["comment", "post"]},
        {"path": "$.type", "any_of": ["dm"]},
        {"path": "$.type", "any_of": ["heartbeat"]},
    ]
    assert [shape.body.kind if shape.body else "ignore" for shape in shapes] == ["message", "chat", "ignore"]
    assert (proposals["mixed_events"].tally.read, proposals["mixed_events"].tally.ignored) == (30, 10)
    assert proposals["mixed_events"].judge == ("message", "chat")


def test_a_nested_field_can_tell_shapes_apart(proposals: Mapping[str, Proposal]) -> None:
    """Not the outer type, which is the same everywhere."""
    assert [shape.when for shape in proposals["slack_event"].shapes] == [
        {"path": "$.event.type", "any_of": ["message"]},
        {"path": "$.event.type", "any_of": ["reaction_added"]},
    ]


def test_shapes_without_such_a_field_are_told_apart_by_what_they_have(proposals: Mapping[str, Proposal]) -> None:
    """Each has its text elsewhere."""
    assert [shape.mapping["when"] for shape in proposals["untyped_events"].shapes] == [
        {"path": "$.body", "present": True},
        {"path": "$.review.comment", "present": True},
    ]
    assert proposals["untyped_events"].tally.read == 40


def test_of_a_changed_row_only_what_is_new_is_judged(proposals: Mapping[str, Proposal]) -> None:
    """Never the row before; a delete is passed over, also one that the sample does not hold."""
    create, delete = proposals["debezium_change"].shapes
    assert create.mapping["message"]["text"] == "$.after.comment"
    assert delete.mapping == {"when": {"path": "$.op", "any_of": ["d"]}, "ignore": True}
    wrapped = propose(make_records(lambda n: {"schema": {}, "payload": debezium_change(4 * n)}))
    assert [shape.mapping.get("when") for shape in wrapped.shapes] == [{"path": "$.payload.op", "any_of": ["d"]}, None]
    assert wrapped.shapes[1].mapping["message"]["text"] == "$.payload.after.comment"


def test_what_holds_no_text_in_too_few_records_is_not_passed_over() -> None:
    """Two records prove nothing: they would be dead letters that say so."""
    records = [r for r in make_records(mixed_events, 24) if b"heartbeat" not in (r.value or b"")]
    records += [make_record({"type": "heartbeat", "event_id": identifier(n), "ts": n}, 90 + n) for n in range(2)]
    proposal = propose(records)
    assert proposal.shapes[-1].mapping == {
        "when": {"path": "$.type", "any_of": ["heartbeat"]},
        "reject": "no text was found in the records of this kind that were sampled",
    }
    assert proposal.tally.lost == 2


@pytest.mark.parametrize(
    "more",
    [
        {"picture": "https://i.example/1.png"},
        {"status": "all is well here {n}"},
        {"status": "the same words, whoever sends them"},
        {"payload": '{{"text": "{n}"}}'},
    ],
)
def test_what_may_say_something_is_never_passed_over(more: Mapping[str, str]) -> None:
    """Neither pictures nor sentences under a name that means something else."""

    def event(n: int) -> dict[str, Any]:
        if n % 2:
            return {"type": "other", **{name: value.format(n=n) for name, value in more.items()}}
        return {"type": "message", "text": text(n)}

    proposal = propose(make_records(event))
    assert not any("ignore" in shape.mapping for shape in proposal.shapes)
    assert (proposal.tally.ignored, proposal.tally.read + proposal.tally.lost) == (0, 40)


def test_what_is_sent_beside_a_text_is_named() -> None:
    """Else a picture that nobody looked at would be taken for judged."""
    with_files = propose(
        make_records(lambda n: {**discord_message(n), "attachments": [{"url": f"https://f.example/{n}"}]})
    )
    (shape,) = with_files.shapes
    assert shape.mapping["message"]["parts"] == {"file": "$.attachments"}
    assert with_files.tally.read == 40


def test_an_optional_field_that_costs_records_is_left_out(proposals: Mapping[str, Proposal]) -> None:
    """And it is said which one, and where it was."""
    proposal = proposals["undated_time"]
    assert proposal.notes == (
        "created_at ($.created_at) is left out: in 40 of the sampled records it holds what can't be taken for it",
    )
    assert "created_at" not in [found.what for found in proposal.found]


def test_records_of_another_form_are_counted_and_said() -> None:
    """The form of most is proposed."""
    records = [*make_records(forum_post, 20), *(make_record(b"not JSON at all", 100 + n) for n in range(3))]
    proposal = propose([*records, make_record(None, 200), make_record(b"", 201)])
    assert proposal.sampled == {Form.JSON: 20, Form.TEXT: 3, Form.TOMBSTONE: 1, Form.EMPTY: 1}
    assert "3 of 23 records are not JSON: this can't read them" in proposal.notes
    assert (proposal.records, proposal.valued, proposal.tally.read, proposal.tally.lost) == (25, 24, 20, 4)


def test_texts_beside_the_one_that_is_judged_are_named() -> None:
    """So that nobody believes them judged."""
    proposal = propose(make_records(lambda n: {"body": text(n), "moderator": {"remark": f"Seen by me on day {n}"}}))
    assert unjudged(proposal) == ["$.moderator.remark"]


def unjudged(proposal: Proposal) -> list[str]:
    """The texts that a proposal says are not judged."""
    return [found.path for found in proposal.found if found.what == "not judged"]


def test_texts_beside_a_chat_and_in_its_turns_are_named() -> None:
    """The same for what a turn holds beside its text, and for what stands beside the turns."""
    turns = propose(
        make_records(
            lambda n: {
                "turns": [
                    {"role": "user", "text": text(n), "note": text(n + 3)},
                    {"role": "assistant", "text": text(n + 1)},
                ],
                "description": text(n + 7),
            }
        )
    )
    assert [shape.body.kind for shape in turns.shapes if shape.body] == ["chat"]
    assert unjudged(turns) == ["$.turns[*].note", "$.description"]


def test_nothing_that_a_model_answered_passes_unseen() -> None:
    """All of several answers are judged; a tool call beside one is a part, another text is named."""
    (several,) = propose(
        make_records(lambda n: {"question": text(n), "answer": [{"text": text(n + 1)}, {"text": text(n + 2)}]})
    ).shapes
    assert several.mapping["completion"]["completion"] == "$.answer[*].text"
    called = propose(
        make_records(
            lambda n: {"prompt": text(n), "response": text(n + 1), "tool_calls": [{"id": n}], "comment": text(n + 5)}
        )
    )
    assert called.shapes[0].mapping["completion"]["parts"] == {"tool_call": "$.tool_calls"}
    assert unjudged(called) == ["$.comment"]


def test_a_second_field_of_the_same_type_is_named_too() -> None:
    """Each is a part of its own: a photo must not pass because there was an image."""
    (shape,) = propose(
        make_records(
            lambda n: {"body": text(n), "image": f"https://i.example/{n}", "photos": [f"https://p.example/{n}"]}
        )
    ).shapes
    assert shape.mapping["message"]["parts"] == {"image": "$.image", "image.2": "$.photos"}


def test_an_id_that_only_counts_is_no_completions() -> None:
    """A completion's id is its subject whatever its topic: number 7 of two topics would be one completion."""
    (counted,) = propose(make_records(lambda n: {"id": n, "prompt": text(n), "response": text(n + 1)})).shapes
    (named,) = propose(make_records(lambda n: {"id": identifier(n), "prompt": text(n), "response": text(n + 1)})).shapes
    assert "id" not in counted.mapping["completion"]
    assert named.mapping["completion"]["id"] == "$.id"


@pytest.mark.parametrize("name", ["x\nkafka:\n  group: other # \x1b[31m", "user-4711"])
def test_no_note_names_a_field_that_a_producer_may_have_forged(name: str) -> None:
    """Notes go into the file and onto the terminal: neither a line of their own nor somebody's id may come with them."""
    proposal = propose(make_records(lambda n: {"body": text(n), **({name: '{"a": 1}'} if n == 3 else {})}))
    assert proposal.notes == ()


def test_a_role_that_can_not_be_written_as_it_is_is_not_translated() -> None:
    """Separators and controls of Unicode stay out of the file."""
    (shape,) = propose(
        make_records(
            lambda n: {
                "turns": [{"role": "\u2028user", "text": text(n)}, {"role": "agent", "text": text(n + 1)}],
            }
        )
    ).shapes
    assert shape.mapping["chat"]["roles"] == {"agent": "assistant"}


def test_turns_that_only_came_before_do_not_hide_the_new_text() -> None:
    """The text is judged, not the history."""
    history = [{"role": "user", "text": "Hello there, who is here?"}, {"role": "user", "text": "It is me again."}]
    proposal = propose(make_records(lambda n: {"text": text(n), "history": history}))
    assert proposal.shapes[0].mapping == {"message": {"text": "$.text"}}


@pytest.mark.parametrize(
    "noise",
    [
        {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) Some Browser"},
        {"url": "https://shop.example/a/very/long/path/to/something"},
        {"signature": "bGV0J3MgcHJldGVuZCB0aGlzIGlzIGEgc2lnbmF0dXJlIDEyMw=="},
        {"trace": identifier(3)},
        {"motd": "Welcome to our server, have fun"},
        {"seen": "2026-01-01T00:00:00Z"},
    ],
)
def test_what_is_no_text_is_not_taken_for_one(noise: Mapping[str, str]) -> None:
    """User agents, URLs, base64, UUIDs, times, and one sentence that is always the same."""
    assert propose(make_records(lambda n: {**noise, "count": n})).sort is Sort.UNMAPPED
    found = propose(make_records(lambda n: {**noise, "said": text(n)})).shapes[0]
    assert found.mapping["message"]["text"] == "$.said"


def test_names_that_may_be_anything_are_not_taken_over() -> None:
    """Where ids are names, no record is like another: nothing is proposed rather than what names only one."""
    proposal = propose(make_records(lambda n: {"messages": {f"m{n}": {"text": text(n)}}}))
    assert (proposal.sort, proposal.found) == (Sort.UNMAPPED, ())


def test_a_sample_of_one_record_is_enough_for_a_guess() -> None:
    """A quiet topic is no reason to give up."""
    assert propose([make_record(forum_post(3))]).shapes[0].mapping["message"]["text"] == "$['title', 'body']"


def test_nothing_that_stood_in_a_record_is_told(proposals: Mapping[str, Proposal]) -> None:
    """Not in what was found, not in notes, and in no repr."""
    for name, proposal in proposals.items():
        told = repr(proposal)
        assert not any(each in told for each in TEXTS if len(each) > 3), name


def test_the_blank_proposal_is_of_our_own_events() -> None:
    """All that stream-guard knows is judged."""
    assert (BLANK.read, BLANK.judge, BLANK.records) == ({}, ("message", "last_turn", "completion"), 0)


def test_a_single_change_among_others_has_no_deletes_passed_over() -> None:
    """One hostile record of the sample must not open a way past the mapping for all that follow."""
    plain = [{"text": f"The pears were sweet this year, said number {n}", "user": f"u{n}"} for n in range(199)]
    hostile = {"op": "c", "after": {"text": "hi"}, "text": "hello all of you", "user": "u"}
    documents = [*plain, hostile]
    proposal = propose(make_records(lambda number: documents[number], len(documents)))
    assert "'d'" not in str(proposal.read)
