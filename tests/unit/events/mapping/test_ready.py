from __future__ import annotations

from typing import Any

import orjson
import pytest

from stream_guard.events.mapping.ready import READY, SHAPES
from stream_guard.events.model import Chat, Completion, Event, Part, Turn
from stream_guard.events.outcome import Ignored, Rejection, RejectionReason
from stream_guard.events.reader import CANONICAL
from tests.cases import make_record

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"secret": 1}'}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {}}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "a quokka"},
    {"role": "user", "content": "thanks"},
]  # fmt: skip
TURNS = (
    Turn("system", "Be kind."),
    Turn("user", (Part("text", "what is this?"), Part("image_url")), "ann"),
    Turn("assistant", (Part("tool_call"), Part("tool_call"))),
    Turn("tool", "a quokka"),
    Turn("user", "thanks"),
)
REQUEST = {"model": "m", "messages": MESSAGES, "user": "u-1", "temperature": 0.5, "tools": [{"type": "function"}]}
RESPONSE = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "A marsupial.", "refusal": None}, "finish_reason": "stop"}],
    "usage": {"total_tokens": 7},
}  # fmt: skip
FACTS: dict[str, Any] = {"id": "chatcmpl-1", "created_at": "2026-09-21T14:13:20Z", "model": "m-2026"}


def read(value: object) -> Event | Ignored | Rejection:
    """What the ready mapping makes of a value."""
    raw = orjson.dumps(value)
    return READY["openai_chat"].read(raw, make_record(raw), max_bytes=100_000, max_depth=32)


def response(*messages: dict[str, object]) -> dict[str, object]:
    """A response with these choices."""
    return RESPONSE | {"choices": [{"message": {"role": "assistant", **message}} for message in messages]}


def test_canonical_is_our_own_reader() -> None:
    """The default has a name like the others, and is the very reader that routes have by default."""
    assert READY["canonical"] is CANONICAL
    assert set(READY) == {"canonical", *SHAPES}


def test_a_request_is_a_chat() -> None:
    """Turns keep their roles and names; pictures and tool calls are parts that coverage will name."""
    assert read(REQUEST) == Chat(turns=TURNS, author="u-1")


def test_a_response_is_a_completion_without_a_prompt() -> None:
    """Its id, model and time are taken from where the API puts them."""
    assert read(RESPONSE) == Completion(prompt=(), completion="A marsupial.", **FACTS)


@pytest.mark.parametrize(
    "value",
    [
        {"request": REQUEST, "response": RESPONSE},
        {"input": REQUEST, "output": RESPONSE, "latency_ms": 12},
        REQUEST | {"response": RESPONSE},
        REQUEST | RESPONSE,
    ],
    ids=["request and response", "input and output", "request with its response", "in one"],
)
def test_a_record_of_both_is_a_completion_with_its_prompt(value: object) -> None:
    """However the two are put together, neither hides the other."""
    assert read(value) == Completion(prompt=TURNS, completion="A marsupial.", **FACTS)


def test_several_choices_are_several_texts() -> None:
    """Every choice is judged: any may have been shown."""
    assert read(response({"content": "a"}, {"content": "b"})) == Completion(
        prompt=(), completion=(Part("text", "a"), Part("text", "b")), **FACTS
    )


@pytest.mark.parametrize(
    ("message", "completion"),
    [
        ({"content": None, "tool_calls": [CALL]}, (Part("tool_call"),)),
        ({"content": None, "function_call": {"name": "look", "arguments": "{}"}}, (Part("tool_call"),)),
        ({"content": "a", "tool_calls": [CALL]}, (Part("text", "a"), Part("tool_call"))),
        ({"content": "a", "tool_calls": []}, "a"),
        ({"content": None, "refusal": "no"}, "no"),
        ({"content": None, "audio": {"id": "x"}}, (Part("audio"),)),
        ({"content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]}, (Part("text", "a"), Part("text", "b"))),
    ],
)  # fmt: skip
def test_no_part_of_an_answer_is_silent(message: dict[str, object], completion: object) -> None:
    """A tool call is a part that is not text, with or without a text; a refusal is a text."""
    event = read(response(message))
    assert isinstance(event, Completion)
    assert event.completion == completion


def test_the_older_role_of_functions_is_a_tool() -> None:
    """The API's first name of that role means the same."""
    assert read({"messages": [{"role": "function", "name": "look", "content": "x"}]}) == Chat(
        turns=(Turn("tool", "x", "look"),)
    )


def test_the_older_completions_api_is_read() -> None:
    """Its prompt is what a user said, alone or as several."""
    answer = {"id": "cmpl-1", "object": "text_completion", "choices": [{"text": "a"}, {"text": "b"}], "model": "m"}
    texts = (Part("text", "a"), Part("text", "b"))
    assert read(answer) == Completion(prompt=(), completion=texts, id="cmpl-1", model="m")
    assert read({"request": {"prompt": "q"}, "response": answer}) == Completion(
        prompt=(Turn("user", "q"),), completion=texts, id="cmpl-1", model="m"
    )
    assert read({"model": "m", "prompt": ["q", "r"]}) == Chat(turns=(Turn("user", "q"), Turn("user", "r")))


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ({"object": "chat.completion.chunk", "choices": [{"delta": {"content": "x"}}]}, "a streamed chunk is only a piece"),
        ({"request": REQUEST, "response": {"object": "chat.completion.chunk"}}, "a streamed chunk is only a piece"),
        ({"object": "list", "data": []}, "neither a request nor a response of the chat completions API"),
        ({"error": {"message": "secret"}}, "neither a request nor a response of the chat completions API"),
        ([REQUEST], "neither a request nor a response of the chat completions API"),
        (response({"content": None}), "completion.completion: $.choices[*].message['content', 'refusal'] finds nothing"),
        ({"messages": []}, "chat.turns: $.messages finds an array without turns"),
        ({"messages": [{"role": "user"}]}, "chat.turns[0].text: $['content', 'refusal'] finds nothing"),
        ({"messages": [{"role": "critic", "content": "x"}]}, "chat.turns[0].role: $.role finds a role that is none of"),
        ({"prompt": [1, 2]}, "chat.turns[0].text: $ finds a number, not a text"),
    ],
)  # fmt: skip
def test_what_the_mapping_is_not_for_is_said(value: object, detail: str) -> None:
    """Chunks, lists, errors and broken bodies are dead letters that say which."""
    outcome = read(value)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is RejectionReason.UNMAPPED
    assert outcome.detail.startswith(detail)


TEXT_RESPONSE = {"id": "cmpl-1", "choices": [{"text": "a"}]}


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        (REQUEST | {"response": TEXT_RESPONSE}, TURNS),
        (REQUEST | TEXT_RESPONSE, TURNS),
        ({"prompt": "q", "response": RESPONSE}, (Turn("user", "q"),)),
        ({"request": {"prompt": "q"}, "response": RESPONSE}, (Turn("user", "q"),)),
    ],
)
def test_a_request_of_either_api_goes_with_an_answer_of_either(value: object, prompt: object) -> None:
    """Neither the prompt nor the answer vanishes where a gateway speaks one API to its callers and the other to its model."""
    event = read(value)
    assert isinstance(event, Completion)
    assert event.prompt == prompt
    assert event.completion in {"a", "A marsupial."}


@pytest.mark.parametrize(
    "answer",
    [
        {"response": "a"},
        {"output": "a\nb"},
        {"response": {"choices": [{"message": "a"}]}},
        {"choices": [{"delta": {"content": "a"}}]},
    ],
)
@pytest.mark.parametrize("asked", [{"messages": MESSAGES}, {"prompt": "q"}])
def test_an_answer_that_can_not_be_read_is_not_passed_over(asked: dict[str, Any], answer: dict[str, Any]) -> None:
    """Its request alone would be judged as a chat, and the answer taken for judged."""
    assert isinstance(read(asked | answer), Rejection)


@pytest.mark.parametrize("answer", [{"response": None}, {"response": {"error": {"code": 500}}}, {"choices": []}])
def test_a_request_without_an_answer_is_a_chat(answer: dict[str, Any]) -> None:
    """One that failed is judged as what was asked."""
    assert read(REQUEST | answer) == Chat(turns=TURNS, author="u-1")


@pytest.mark.parametrize(
    "answer",
    [
        {"response": {"content": [{"type": "text", "text": "unread"}]}},
        {"output": ["unread"]},
        {"completion": "unread"},
        {"response": "unread"},
    ],
)
def test_an_answer_of_any_other_form_is_never_left_out(answer: dict[str, object]) -> None:
    """Read as the request alone, it would pass unseen."""
    value = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **answer})
    found = READY["openai_chat"].read(value, make_record(value), max_bytes=10_000, max_depth=32)
    assert isinstance(found, Rejection)
    assert "whose answer is none of" in found.detail
