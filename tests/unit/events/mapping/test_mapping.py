from __future__ import annotations

import re
import sys

import orjson
import pytest

from stream_guard.events.mapping.conditions import Condition
from stream_guard.events.mapping.mapping import MappingReader
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.shapes import (
    ChatShape,
    CompletionShape,
    Facts,
    Ignore,
    Makes,
    MessageShape,
    Reject,
    Shape,
    Turns,
)
from stream_guard.events.mapping.sources import Constant, FromHeader, FromKey, FromPath, Source
from stream_guard.events.model import Chat, Completion, Event, Message, Part, Turn
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.records import Headers
from tests.cases import make_record


def at(path: str) -> FromPath:
    """What a path finds."""
    return FromPath(Path(path))


def read(
    makes: Makes | tuple[Shape, ...],
    value: object,
    *,
    headers: Headers = (),
    key: bytes | None = b"room",
    depth: int = 32,
) -> Event | Ignored | Rejection:
    """What a mapping (or one shape that always applies) makes of a value."""
    shapes = makes if isinstance(makes, tuple) else (Shape(makes),)
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    record = make_record(raw, headers=headers, key=key)
    return MappingReader(shapes).read(raw, record, max_bytes=2_000, max_depth=depth)


def unmapped(detail: str) -> Rejection:
    """The record does not fit the mapping."""
    return Rejection(RejectionReason.UNMAPPED, detail)


BODY = MessageShape(text=at("$.body"))
FULL = MessageShape(
    text=at("$.body"),
    facts=Facts(
        id=at("$.post_id"),
        author=at("$.user.name"),
        language=at("$.lang"),
        created_at=at("$.ts"),
        attributes=(("room", at("$.channel.id")), ("tenant", FromHeader("tenant")), ("source", Constant("forum"))),
    ),
)
TURNS = Turns(
    turns=Path("$.thread[*]"),
    role=at("$.from"),
    text=at("$.text"),
    name=at("$.name"),
    roles=(("agent", "assistant"), ("0", "user")),
)
CHAT = ChatShape(turns=TURNS)


def test_a_message_is_mapped_with_all_its_fields() -> None:
    """Every field is found where the mapping says: in the value, a header, or the mapping itself."""
    value: dict[str, object] = {
        "post_id": 12, "user": {"name": "ann"}, "lang": "en", "ts": "2026-11-24T12:00:00+02:00", "channel": {"id": 7},
        "body": "hello", "more": [1],
    }  # fmt: skip
    assert read(FULL, value, headers=(("tenant", b"old"), ("tenant", b"acme"))) == Message(
        content="hello",
        id="12",
        author="ann",
        language="en",
        created_at="2026-11-24T10:00:00Z",
        attributes={"room": 7, "tenant": "acme", "source": "forum"},
    )


def test_what_is_absent_or_null_is_left_out() -> None:
    """Only the text must be there."""
    value: dict[str, object] = {"post_id": None, "user": 5, "channel": {}, "body": "hello"}
    assert read(FULL, value, headers=(("tenant", None),)) == Message(content="hello", attributes={"source": "forum"})


def test_the_key_may_be_a_field() -> None:
    """A record's key is a source, as UTF-8; without one there is no value."""
    shape = MessageShape(text=at("$"), facts=Facts(author=FromKey()))
    assert read(shape, "hello", key=b"ann") == Message(content="hello", author="ann")
    assert read(shape, "hello", key=None) == Message(content="hello")
    assert read(shape, "hello", key=b"\xff") == unmapped("message.author: the key is not UTF-8")


def test_the_text_may_stand_in_a_header_or_the_key() -> None:
    """A required field may come from outside the value; it is missed there too."""
    assert read(MessageShape(text=FromHeader("note")), {}, headers=(("note", b"hi"),)) == Message(content="hi")
    assert read(MessageShape(text=FromHeader("note")), {}) == unmapped("message.text: header note finds nothing")
    assert read(MessageShape(text=FromHeader("note")), {}, headers=(("note", b"\xff"),)) == unmapped(
        "message.text: header note is not UTF-8"
    )


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ({}, "$.body finds nothing"),
        ({"body": None}, "$.body finds nothing"),
        ({"body": 7}, "$.body finds a number, not a text"),
        ({"body": True}, "$.body finds a boolean, not a text"),
        ({"body": [["secret"]]}, "$.body finds an array in an array, not a text"),
        ({"body": ["secret", None]}, "$.body finds null in an array, not a text"),
        ({"body": {"secret": 1}}, "$.body finds an object that is no part: it says no type"),
        ({"body": [{"type": 7}]}, "$.body finds an object that is no part: it says no type"),
        ({"body": [{"type": "text"}]}, "$.body finds a part of type text without its text"),
        ({"body": [{"type": "refusal", "text": "secret"}]}, "$.body finds a part of type refusal without its text"),
        ({"body": [{"type": "a secret"}]}, "$.body finds a part whose type is no name"),
        ([], "$.body finds nothing"),
        ("secret", "$.body finds nothing"),
    ],
)
def test_a_text_that_is_not_there_or_no_text_is_said(value: object, detail: str) -> None:
    """The detail names the field, the path, and the JSON type that was found instead; it quotes nothing."""
    assert read(BODY, value) == unmapped(f"message.text: {detail}")


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("id", {"a": []}, "finds an array, neither a string nor a number"),
        ("id", {"a": True}, "finds a boolean, neither a string nor a number"),
        ("id", {"a": "x" * 513}, "finds more than 512 characters"),
        ("author", {"a": {}}, "finds an object, neither a string nor a number"),
        ("language", {"a": 7}, "finds a number, not a string"),
        ("created_at", {"a": {}}, "finds an object, not a time"),
        ("created_at", {"a": True}, "finds a boolean, not a time"),
        ("created_at", {"a": 1e300}, "finds a number that is no time"),
        ("created_at", {"a": "secret"}, "finds a string that is no time by RFC 3339 (with its offset from UTC)"),
        ("created_at", {"a": "9" * 400}, "finds a number that is no time"),
    ],
)
def test_a_field_of_the_wrong_type_is_said(field: str, value: dict[str, object], detail: str) -> None:
    """What was found but can't be the field rejects the record, without quoting it."""
    shape = MessageShape(text=at("$.body"), facts=Facts(**{field: at("$.a")}))  # type: ignore[arg-type]  # a field of the test's choice
    assert read(shape, {"body": "x", **value}) == unmapped(f"message.{field}: $.a {detail}")


def test_an_attribute_must_be_a_scalar() -> None:
    """The detail names which attribute is not."""
    shape = MessageShape(text=at("$.body"), facts=Facts(attributes=(("ok", at("$.b")), ("room", at("$.a")))))
    assert read(shape, {"body": "x", "a": {}, "b": False}) == unmapped(
        "message.attributes.room: $.a finds an object, not a scalar"
    )
    assert read(shape, {"body": "x", "b": False}) == Message(content="x", attributes={"ok": False})


def test_a_field_takes_one_value() -> None:
    """A path that may find several is taken while it finds one."""
    shape = MessageShape(text=at("$.body"), facts=Facts(id=at("$.ids[*]")))
    assert read(shape, {"body": "x", "ids": ["a"]}) == Message(content="x", id="a")
    assert read(shape, {"body": "x", "ids": []}) == Message(content="x")
    assert read(shape, {"body": "x", "ids": ["a", "b"]}) == unmapped("message.id: $.ids[*] finds 2 values, not one")


@pytest.mark.parametrize("value", [b"", b"  ", b'{"body": "secret"', b"\xff", b'{"\xff": 1}', b'{"body": "\\ud800"}'])
def test_what_is_no_json_is_rejected_as_an_event_would_be(value: bytes) -> None:
    """Foreign bytes fail for the reasons of our own decoder."""
    outcome = read(BODY, value)
    assert isinstance(outcome, Rejection)
    assert (
        outcome.reason
        == {
            b"": RejectionReason.EMPTY,
            b"  ": RejectionReason.EMPTY,
            b'{"body": "secret"': RejectionReason.NOT_JSON,
            b"\xff": RejectionReason.NOT_UTF8,
            b'{"\xff": 1}': RejectionReason.NOT_UTF8,
            b'{"body": "\\ud800"}': RejectionReason.LONE_SURROGATE,
        }[value]
    )
    assert "secret" not in outcome.detail


@pytest.mark.parametrize(
    ("value", "rejection"),
    [
        (b'{"body": NaN}', Rejection(RejectionReason.NOT_JSON, "at byte 9")),
        (b'{"body": 1e999}', Rejection(RejectionReason.INVALID_EVENT, "number is out of range")),
        (b'{"body": "%s"}' % (b"x" * 2_000), Rejection(RejectionReason.TOO_LARGE, "2012 bytes exceed 2000")),
        (b"[" * 33 + b"]" * 33, Rejection(RejectionReason.TOO_DEEP, "nests deeper than 32")),
        (b"[" * 1_000 + b"]" * 1_000, Rejection(RejectionReason.TOO_DEEP, "nests deeper than 32")),
        (b'{"body": " "}', Rejection(RejectionReason.EMPTY, "the event holds no text and no parts")),
        (b'{"body": []}', Rejection(RejectionReason.EMPTY, "the event holds no text and no parts")),
        (b'{"body": ["", {"type": "text", "text": " "}]}', Rejection(RejectionReason.EMPTY, "the event holds no text and no parts")),
    ],
)  # fmt: skip
def test_limits_and_blanks_are_those_of_our_own_events(value: bytes, rejection: Rejection) -> None:
    """Too large, too deep, blank: the same reasons and the same words."""
    assert read(BODY, value) == rejection


def test_of_duplicate_keys_the_last_counts() -> None:
    """As in the canonical decoder, so that others read what was judged."""
    assert read(BODY, b'{"body": "first", "body": "last"}') == Message(content="last")


def test_several_texts_are_parts() -> None:
    """Nothing that a path finds is dropped, and nothing is glued together; one text stays a text."""
    shape = MessageShape(text=at("$['title', 'body']"))
    assert read(shape, {"title": "a", "body": "b"}) == Message(content=(Part("text", "a"), Part("text", "b")))
    assert read(shape, {"title": None, "body": "b"}) == Message(content="b")
    assert read(shape, {"other": "b"}) == unmapped("message.text: $['title', 'body'] finds nothing")


def test_parts_as_openai_writes_them() -> None:
    """Text types are text, whatever they are called; every other type stays, by name."""
    parts = [
        {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:"}}, "b",
        {"type": "input_text", "text": "c"}, {"type": "output_text", "text": "d", "annotations": []},
        {"type": "refusal", "refusal": "e"}, {"type": "tool_use", "input": {}},
    ]  # fmt: skip
    assert read(BODY, {"body": parts}) == Message(
        content=(
            Part("text", "a"), Part("image_url"), Part("text", "b"), Part("text", "c"), Part("text", "d"),
            Part("text", "e"), Part("tool_use"),
        )
    )  # fmt: skip
    assert read(BODY, {"body": parts[1]}) == Message(content=(Part("image_url"),))


def test_parts_beside_the_text_are_never_silent() -> None:
    """What a mapping names as parts stands in the content, one part a value; then a text may be missing."""
    shape = MessageShape(text=at("$.body"), parts=(("image", Path("$.images")), ("file", Path("$.file"))))
    image = Part("image")
    assert read(shape, {"body": "x", "images": [1, 2], "file": {"name": "a"}}) == Message(
        content=(Part("text", "x"), image, image, Part("file"))
    )
    assert read(shape, {"body": "x", "images": [], "file": None}) == Message(content="x")
    assert read(shape, {"images": ["secret"]}) == Message(content=(image,))
    assert read(shape, {"images": []}) == unmapped("message.text: $.body finds nothing")


def test_a_chat_is_mapped() -> None:
    """Turns are found, and within each its role, which is translated, its text and its name."""
    thread = [
        {"from": "user", "text": "hi", "name": "ann"},
        {"from": "agent", "text": ["a", {"type": "image"}]},
        {"from": 0, "text": "bye", "name": 7},
    ]
    assert read(ChatShape(turns=TURNS, facts=Facts(id=at("$.id"))), {"thread": thread, "id": "c"}) == Chat(
        id="c",
        turns=(
            Turn("user", "hi", "ann"),
            Turn("assistant", (Part("text", "a"), Part("image"))),
            Turn("user", "bye", "7"),
        ),
    )


@pytest.mark.parametrize(
    ("thread", "detail"),
    [
        (None, "chat.turns: $.thread[*] finds nothing"),
        ([], "chat.turns: $.thread[*] finds nothing"),
        ("secret", "chat.turns: $.thread[*] finds nothing"),
        ([{"from": "user", "text": "a"}, {"from": "user"}], "chat.turns[1].text: $.text finds nothing"),
        ([{"text": "a"}], "chat.turns[0].role: $.from finds nothing"),
        (["secret"], "chat.turns[0].role: $.from finds nothing"),
        ([{"from": {}, "text": "a"}], "chat.turns[0].role: $.from finds an object, neither a string nor a number"),
        ([{"from": "user", "text": "a", "name": []}], "chat.turns[0].name: $.name finds an array, neither a string nor a number"),
        (
            [{"from": "secret", "text": "a"}],
            "chat.turns[0].role: $.from finds a role that is none of system, developer, user, assistant, tool, and that `roles` does not name",
        ),
    ],
)  # fmt: skip
def test_a_turn_that_is_not_whole_is_said(thread: object, detail: str) -> None:
    """The detail says which turn, which field, which path."""
    assert read(CHAT, {"thread": thread}) == unmapped(detail)


def test_a_star_stands_for_all_other_roles() -> None:
    """A mapping may say what a role means that it does not name; a missing role stays missing."""
    turns = Turns(turns=Path("$[*]"), role=at("$.r"), text=at("$.t"), roles=(("bot", "assistant"), ("*", "user")))
    value = [{"r": "bot", "t": "a"}, {"r": "whoever", "t": "b"}, {"r": "system", "t": "c"}]
    assert read(ChatShape(turns=turns), value) == Chat(
        turns=(Turn("assistant", "a"), Turn("user", "b"), Turn("system", "c"))
    )
    assert read(ChatShape(turns=turns), [{"t": "a"}]) == unmapped("chat.turns[0].role: $.r finds nothing")


def test_turns_may_be_one_array_or_plain_texts() -> None:
    """A path to the array of turns is as good as one to its elements; a turn may be its text, in a constant role."""
    turns = Turns(turns=Path("$.lines"), role=Constant("user"), text=at("$"))
    assert read(ChatShape(turns=turns), {"lines": ["a", "b"]}) == Chat(turns=(Turn("user", "a"), Turn("user", "b")))
    assert read(ChatShape(turns=turns), {"lines": "a"}) == Chat(turns=(Turn("user", "a"),))
    assert read(ChatShape(turns=turns), {"lines": []}) == unmapped("chat.turns: $.lines finds an array without turns")
    assert read(ChatShape(turns=turns), {}) == unmapped("chat.turns: $.lines finds nothing")


def test_a_chat_of_blanks_is_empty() -> None:
    """As for our own chats, one turn that says something is enough."""
    thread = [{"from": "user", "text": " "}, {"from": "agent", "text": ""}]
    outcome = read(CHAT, {"thread": thread})
    assert isinstance(outcome, Rejection)
    assert outcome.reason is RejectionReason.EMPTY
    assert isinstance(read(CHAT, {"thread": [*thread, {"from": "user", "text": "x"}]}), Chat)


COMPLETION = CompletionShape(
    prompt=Turns(turns=Path("$.prompt"), role=at("$.role"), text=at("$.content")),
    completion=at("$.choices[*].text"),
    model=at("$.model"),
    parts=(("tool_call", Path("$.choices[*].call")),),
    facts=Facts(id=at("$.id")),
)


def test_a_completion_is_mapped() -> None:
    """Its prompt, what the model wrote, which model; several choices are several parts."""
    value = {"id": "c", "model": "m", "prompt": [{"role": "user", "content": "q"}], "choices": [{"text": "a"}]}
    assert read(COMPLETION, value) == Completion(prompt=(Turn("user", "q"),), completion="a", model="m", id="c")
    choices = [{"text": "a"}, {"text": "b", "call": {}}]
    assert read(COMPLETION, {"prompt": [], "choices": choices}) == Completion(
        prompt=(), completion=(Part("text", "a"), Part("text", "b"), Part("tool_call"))
    )


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ({"choices": [{"text": "a"}]}, "completion.prompt.turns: $.prompt finds nothing"),
        ({"prompt": [], "choices": []}, "completion.completion: $.choices[*].text finds nothing"),
        ({"prompt": [{"role": "x"}]}, "completion.prompt.turns[0].role: $.role finds a role that is none of"),
        ({"prompt": [], "choices": [{"text": "a"}], "model": 7}, "completion.model: $.model finds a number, not a string"),
    ],
)  # fmt: skip
def test_a_completion_that_is_not_whole_is_said(value: object, detail: str) -> None:
    """A prompt that the mapping names but does not find would be context that goes missing silently."""
    outcome = read(COMPLETION, value)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is RejectionReason.UNMAPPED
    assert outcome.detail.startswith(detail)


def test_a_completion_may_have_no_prompt() -> None:
    """A mapping without one gives a completion without context; a blank one is empty."""
    shape = CompletionShape(completion=at("$.out"))
    assert read(shape, {"out": "a"}) == Completion(prompt=(), completion="a")
    outcome = read(shape, {"out": " "})
    assert isinstance(outcome, Rejection)
    assert outcome.reason is RejectionReason.EMPTY


def when(
    source: Source, *, present: bool | None = None, any_of: tuple[str, ...] | None = None, matches: str | None = None
) -> Condition:
    """One condition."""
    assert isinstance(source, FromPath | FromHeader)
    return Condition(source, present, any_of, re.compile(matches) if matches else None)


def test_the_first_shape_whose_conditions_hold_counts() -> None:
    """Shapes are tried in order; what none is for is said."""
    shapes = (
        Shape(BODY, (when(at("$.type"), any_of=("post", "1")),)),
        Shape(CHAT, (when(at("$.type"), matches="dm.*"), when(FromHeader("tenant"), present=True))),
        Shape(Ignore(), (when(at("$.type"), any_of=("heartbeat",)),)),
        Shape(Reject("a draft is nothing that anybody published"), (when(at("$.draft"), any_of=("true",)),)),
    )
    thread = [{"from": "user", "text": "a"}]
    assert read(shapes, {"type": "post", "body": "a"}) == Message(content="a")
    assert read(shapes, {"type": 1, "body": "a"}) == Message(content="a")
    assert read(shapes, {"type": "post"}) == unmapped("message.text: $.body finds nothing")
    chat = Chat(turns=(Turn("user", "a"),))
    assert read(shapes, {"type": "dm1", "thread": thread}, headers=(("tenant", None),)) == chat
    assert read(shapes, {"type": "dm1", "thread": thread}) == unmapped("no shape of the mapping applies")
    assert read(shapes, {"type": "heartbeat"}) == Ignored(IgnoredReason.NOT_SELECTED)
    assert read(shapes, {"draft": True}) == unmapped("a draft is nothing that anybody published")
    assert read(shapes, 7) == unmapped("no shape of the mapping applies")


@pytest.mark.parametrize(
    ("condition", "value", "headers", "holds"),
    [
        (when(at("$.a"), present=True), {"a": {}}, (), True),
        (when(at("$.a"), present=True), {"a": None}, (), False),
        (when(at("$.a"), present=False), {"a": None}, (), True),
        (when(at("$.a"), present=False), {"a": 0}, (), False),
        (when(at("$.a"), any_of=("1.5", "false")), {"a": 1.5}, (), True),
        (when(at("$.a"), any_of=("1.5", "false")), {"a": False}, (), True),
        (when(at("$.a"), any_of=("x",)), {"a": ["x"]}, (), False),
        (when(at("$.a[*]"), any_of=("x",)), {"a": ["y", "x"]}, (), True),
        (when(at("$.a[*]"), matches="x+"), {"a": [{}, "xx"]}, (), True),
        (when(at("$.a"), matches="x+"), {"a": "xxy"}, (), False),
        (when(FromHeader("h"), any_of=("x",)), {}, (("h", b"y"), ("h", b"x")), True),
        (when(FromHeader("h"), any_of=("x",)), {}, (("h", b"\xff"),), False),
        (when(FromHeader("h"), matches="."), {}, (("h", None),), False),
        (when(FromHeader("h"), present=True, any_of=("x",)), {}, (("h", b"y"),), False),
    ],
)
def test_a_condition(condition: Condition, value: object, headers: Headers, holds: bool) -> None:
    """Holds where one of the values is as it must be."""
    shapes = (Shape(Ignore(), (condition,)),)
    outcome = read(shapes, value, headers=headers)
    assert isinstance(outcome, Ignored) is holds


def test_values_too_deep_to_compare_are_a_rejection() -> None:
    """Where the depth limit lets in more than Python can compare, the record is rejected, nothing is raised."""
    reader = MappingReader((Shape(MessageShape(text=at("$[?@.a == $[1].a].text"))),))
    outcomes = set()
    for depth in range(500, sys.getrecursionlimit()):
        value = b'[{"a":%b,"text":"x"},{"a":%b}]' % (b"[" * depth + b"]" * depth, b"[" * depth + b"]" * depth)
        outcome = reader.read(value, make_record(value), max_bytes=10_000, max_depth=5_000)
        outcomes.add(outcome.detail if isinstance(outcome, Rejection) else "")
        assert isinstance(outcome, Message) or (
            isinstance(outcome, Rejection) and outcome.reason is RejectionReason.TOO_DEEP
        )
    assert "" in outcomes
