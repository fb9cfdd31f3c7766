"""The engine behind HTTP: what it sends, and what it makes of every kind of answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from stream_guard.engines.openai import OpenAiEngine, OpenAiSettings, openai_engine
from stream_guard.engines.port import (
    Ask,
    AskId,
    Completion,
    Failure,
    FailureKind,
    LabelRead,
    Labels,
    Read,
    Text,
    TextRead,
    Turn,
)
from stream_guard.errors import EngineUnavailable
from tests.openai_server import CONTEXT, MODEL, SLOW_TOKENS, OpenAiServer, openai_server

LABELS = LabelRead((450, 790))
SECRET = "a-secret-of-the-operator"  # noqa: S105
SCHEMA = '{"type":"object","properties":{"violation":{"enum":[0,1]}}}'
TURNS = (Turn("system", "A policy."), Turn("user", "Some text."))


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    """A server on 127.0.0.1."""
    async with openai_server() as listening:
        yield listening


def make_settings(server: OpenAiServer, **changes: Any) -> OpenAiSettings:
    """Settings for a server."""
    return OpenAiSettings(**({"base_url": server.base_url, "model": MODEL, "api_key": SECRET} | changes))


def make_ask(read: Read = LABELS, **changes: Any) -> Ask:
    """An ask."""
    fields: dict[str, Any] = {"id": AskId(1), "prompt": [1, 2, 3], "read": read}
    return Ask(**(fields | changes))


async def judged(settings: OpenAiSettings, ask: Ask) -> Completion:
    """How one ask ends."""
    async with openai_engine(settings) as engine:
        engine.submit([ask])
        (done,) = await engine.completions()
        return done


async def test_a_label_read_asks_for_log_probabilities_by_token_id(server: OpenAiServer) -> None:
    """The prompt is sent as token ids, with the trace context and the key."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    done = await judged(make_settings(server), make_ask(traceparent=trace))
    sent = server.requests[0]
    assert (sent["prompt"], sent["max_tokens"], sent["logprob_token_ids"]) == ([1, 2, 3], 1, [450, 790])
    assert sent["return_tokens_as_token_ids"] is True
    assert server.headers[0]["traceparent"] == trace
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert done.reply == Labels({450: -1.0, 790: -2.0})
    assert (done.usage.prompt_tokens, done.usage.cached_tokens) == (3, 3)
    assert done.usage.engine_s > 0.0


async def test_a_text_read_sends_its_limits_and_its_schema(server: OpenAiServer) -> None:
    """The reply's token ids are taken where the server gives them."""
    done = await judged(make_settings(server), make_ask(TextRead(5, (2, 9), json_schema=SCHEMA)))
    sent = server.requests[0]
    assert (sent["max_tokens"], sent["stop_token_ids"], sent["temperature"]) == (5, [2, 9], 0.0)
    assert sent["response_format"]["json_schema"]["schema"] == json.loads(SCHEMA)
    assert done.reply == Text((33, 2), None, finished=True)


@pytest.mark.parametrize("api", ["completions", "chat"])
async def test_an_ask_that_is_asked_again_is_sampled(server: OpenAiServer, api: str) -> None:
    """Its temperature is the ask's."""
    await judged(make_settings(server, api=api), make_ask(TextRead(5, ()), turns=TURNS, temperature=0.7))
    assert server.requests[0]["temperature"] == 0.7


async def test_a_structural_tag_goes_in_vllms_own_field(server: OpenAiServer) -> None:
    """OpenAI's API has no field for it."""
    await judged(make_settings(server), make_ask(TextRead(5, (), structural_tag="{}")))
    assert server.requests[0]["structured_outputs"] == {"structural_tag": "{}"}


async def test_chat_sends_turns_and_reads_a_string(server: OpenAiServer) -> None:
    """The server renders the prompt itself."""
    ask = make_ask(TextRead(5, (), json_schema=SCHEMA), turns=TURNS, effort="low", prompt=[])
    done = await judged(make_settings(server, api="chat", extra={"user": "guard"}), ask)
    sent = server.requests[0]
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user"]
    assert (sent["reasoning_effort"], sent["max_completion_tokens"], sent["user"]) == ("low", 5, "guard")
    assert done.reply == Text((), '{"violation": 1}', finished=True)


@pytest.mark.parametrize(
    ("api", "ask", "kind"),
    [
        ("chat", make_ask(LABELS, turns=TURNS), FailureKind.REJECTED),
        ("chat", make_ask(TextRead(5, ())), FailureKind.REJECTED),
        ("chat", make_ask(TextRead(5, ()), turns=(Turn("user", "\ud800"),)), FailureKind.REJECTED),
        ("completions", make_ask(prompt=[]), FailureKind.REJECTED),
        ("completions", make_ask(prompt=[1] * CONTEXT), FailureKind.TOO_LONG),
        ("completions", make_ask(TextRead(CONTEXT, ())), FailureKind.TOO_LONG),
    ],
)
async def test_what_can_not_be_asked_is_not_sent(server: OpenAiServer, api: str, ask: Ask, kind: FailureKind) -> None:
    """Such an ask fails by itself, and the server never sees it."""
    done = await judged(make_settings(server, api=api), ask)
    assert isinstance(done.reply, Failure)
    assert done.reply.kind is kind
    assert server.requests == []


BODY = json.dumps({"error": {"message": "some content and a-secret-of-the-operator"}}).encode()
LENGTH = json.dumps({"error": {"message": "This model's maximum context length is 9 tokens"}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, BODY, FailureKind.REJECTED),
        (400, LENGTH, FailureKind.TOO_LONG),
        (302, BODY, FailureKind.UNAVAILABLE),
        (307, BODY, FailureKind.UNAVAILABLE),
        (401, BODY, FailureKind.UNAVAILABLE),
        (403, BODY, FailureKind.UNAVAILABLE),
        (404, BODY, FailureKind.UNAVAILABLE),
        (408, BODY, FailureKind.TRANSIENT),
        (413, BODY, FailureKind.TOO_LONG),
        (422, BODY, FailureKind.REJECTED),
        (429, BODY, FailureKind.TRANSIENT),
        (500, BODY, FailureKind.TRANSIENT),
        (502, BODY, FailureKind.TRANSIENT),
        (503, BODY, FailureKind.TRANSIENT),
        (504, BODY, FailureKind.TRANSIENT),
        (200, b"not json", FailureKind.TRANSIENT),
        (200, b"\xff", FailureKind.TRANSIENT),
        (200, b'{"choices": []}', FailureKind.TRANSIENT),
        (200, b'{"choices": [{"logprobs": null}]}', FailureKind.REJECTED),
        (200, b'{"choices": [{"logprobs": {"top_logprobs": [{"Yes": -1.0}]}}]}', FailureKind.REJECTED),
    ],
)
async def test_every_bad_answer_is_a_failure_of_its_kind(
    server: OpenAiServer, status: int, body: bytes, kind: FailureKind
) -> None:
    """Nothing of the answer, and no key, goes into the failure."""
    async with openai_engine(make_settings(server)) as engine:
        server.status, server.body = status, body
        engine.submit([make_ask()])
        (done,) = await engine.completions()
    assert isinstance(done.reply, Failure)
    assert done.reply.kind is kind
    assert "content" not in done.reply.detail.replace("context", "")
    assert SECRET not in repr(done)


async def test_a_label_that_is_not_reported_has_no_log_probability(server: OpenAiServer) -> None:
    """A server that knows only the top tokens may leave a label out."""
    server.body = b'{"choices": [{"logprobs": {"top_logprobs": [{"token_id:450": -0.5, "token_id:3": null}]}}]}'
    assert (await judged(make_settings(server), make_ask())).reply == Labels({450: -0.5})


async def test_a_cut_text_is_not_finished(server: OpenAiServer) -> None:
    """The reply ran into its limit."""
    server.body = b'{"choices": [{"text": "1", "finish_reason": "length"}]}'
    assert (await judged(make_settings(server), make_ask(TextRead(5, ())))).reply == Text((), "1", finished=False)


async def test_an_answer_that_does_not_come_is_transient(server: OpenAiServer) -> None:
    """The ask may be at fault; it is tried again."""
    done = await judged(make_settings(server, request_timeout_s=0.2), make_ask(TextRead(SLOW_TOKENS, ())))
    assert isinstance(done.reply, Failure)
    assert done.reply.kind is FailureKind.TRANSIENT


async def test_a_cancelled_request_reaches_the_server(server: OpenAiServer) -> None:
    """Its connection is closed, so that the server can stop work on it."""
    async with openai_engine(make_settings(server)) as engine:
        engine.submit([make_ask(TextRead(SLOW_TOKENS, ()))])
        await _until(lambda: bool(server.requests))
        engine.cancel([AskId(1)])
        await _until(lambda: server.aborted == 1)


async def test_requests_in_flight_are_bounded(server: OpenAiServer) -> None:
    """No more than `max_connections` reach the server at once."""
    async with openai_engine(make_settings(server, max_connections=2)) as engine:
        engine.submit([make_ask(TextRead(SLOW_TOKENS, ()), id=AskId(n)) for n in range(5)])
        await _until(lambda: len(server.requests) == 2)
        await asyncio.sleep(0.1)
        assert len(server.requests) == 2


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not met():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)


async def test_the_context_length_is_the_servers_unless_set(server: OpenAiServer) -> None:
    """So is the version, where the server tells it."""
    async with openai_engine(make_settings(server)) as engine:
        assert (engine.identity.max_model_len, engine.identity.version) == (CONTEXT, "0.0.1")
    async with openai_engine(make_settings(server, max_model_len=99)) as engine:
        assert engine.identity.max_model_len == 99


@pytest.mark.parametrize("fault", ["refused", "model", "key"])
async def test_an_engine_that_is_not_there_does_not_open(server: OpenAiServer, fault: str) -> None:
    """A server that does not listen, lacks the model or refuses the key is unavailable."""
    if fault == "refused":
        await server.stop()
    elif fault == "model":
        server.models = [{"id": "another"}]
    else:
        server.status = 401
    with pytest.raises(EngineUnavailable) as raised:
        async with openai_engine(make_settings(server)):
            pass
    assert SECRET not in str(raised.value)


async def test_health_follows_the_server(server: OpenAiServer) -> None:
    """It raises while the server serves another model, and not any more when it is back."""
    async with openai_engine(make_settings(server)) as engine:
        served, server.models = server.models, []
        with pytest.raises(EngineUnavailable, match="does not serve"):
            await engine.health()
        server.models = served
        await engine.health()


async def test_the_key_is_in_no_repr(server: OpenAiServer) -> None:
    """Neither the settings' nor the engine's."""
    settings = make_settings(server)
    async with openai_engine(settings) as engine:
        assert isinstance(engine, OpenAiEngine)
        assert SECRET not in repr(settings) + repr(engine)
