"""What an OpenAI-compatible server is sent and what it answers: pure, no I/O. Nothing of an answer goes into an error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from stream_guard.engines.port import Ask, Failure, FailureKind, LabelRead, Labels, Text, TextRead, Usage

_TOP = 20
"""Top log-probabilities asked for, where a server doesn't know `logprob_token_ids`: vLLM's default limit."""
_ID_KEY = "token_id:"
_LENGTH_WORDS = ("context length", "context_length", "context window", "max_model_len", "maximum model length")
_UNREACHABLE = {
    HTTPStatus.UNAUTHORIZED: "the server refuses the API key",
    HTTPStatus.FORBIDDEN: "the server refuses the API key",
    HTTPStatus.NOT_FOUND: "the server does not know the model or the path",
}
_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class _Logprobs(Struct):
    top_logprobs: list[dict[str, float | None] | None] | None = None


class _Message(Struct):
    content: str | None = None


class _Choice(Struct):
    finish_reason: str | None = None
    text: str | None = None
    token_ids: list[int] | None = None
    logprobs: _Logprobs | None = None
    message: _Message | None = None


class _TokenDetails(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int | None = None
    prompt_tokens_details: _TokenDetails | None = None


class _Answer(Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class ServedModel(Struct):
    """One model that a server lists. Only vLLM says how long its context is."""

    id: str
    max_model_len: int | None = None


class _Models(Struct):
    data: list[ServedModel] = field(default_factory=list)


_ANSWER = msgspec.json.Decoder(_Answer)
_MODELS = msgspec.json.Decoder(_Models)


def unfit(ask: Ask, api: Literal["completions", "chat"], max_model_len: int) -> Failure | None:
    """Why an ask isn't worth sending, None where it is."""
    if api == "chat":
        return _unfit_for_chat(ask)
    if not ask.prompt:
        return Failure(FailureKind.REJECTED, "there is no prompt")
    needed = 1 if isinstance(ask.read, LabelRead) else ask.read.max_tokens
    if len(ask.prompt) + needed > max_model_len:
        return Failure(FailureKind.TOO_LONG, f"{len(ask.prompt)} + {needed} tokens exceed {max_model_len}")
    return None


def _unfit_for_chat(ask: Ask) -> Failure | None:
    if isinstance(ask.read, LabelRead):  # a chat's log-probabilities are by token text, which names no one token
        return Failure(FailureKind.REJECTED, "the chat API can't read labels by token id: use api: completions")
    if not ask.turns:
        return Failure(FailureKind.REJECTED, "the renderer made no turns for the chat API")
    return None


def completions_body(ask: Ask, model: str) -> dict[str, Any]:
    """The body for /v1/completions: the prompt goes as token ids, so that no content can become a control token."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": ask.prompt,
        "temperature": ask.temperature,
        "return_token_ids": True,
    }
    if isinstance(ask.read, LabelRead):
        return body | {
            "max_tokens": 1,
            "logprobs": _TOP,
            "logprob_token_ids": ask.read.label_ids,
            "return_tokens_as_token_ids": True,
        }
    body |= {"max_tokens": ask.read.max_tokens, "stop_token_ids": ask.read.stop_ids, "skip_special_tokens": False}
    return body | _constraint(ask.read)


def chat_body(ask: Ask, model: str, read: TextRead) -> dict[str, Any]:
    """The body for /v1/chat/completions."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": turn.role, "content": turn.content} for turn in ask.turns],
        "temperature": ask.temperature,
        "max_completion_tokens": read.max_tokens,
    }
    if ask.effort is not None:
        body["reasoning_effort"] = ask.effort
    return body | _schema_format(read)


def _constraint(read: TextRead) -> dict[str, Any]:
    if read.structural_tag is not None:
        return {"structured_outputs": {"structural_tag": read.structural_tag}}
    return _schema_format(read)


def _schema_format(read: TextRead) -> dict[str, Any]:
    if read.json_schema is None:
        return {}
    schema = {"name": "reply", "strict": True, "schema": msgspec.Raw(read.json_schema.encode())}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def answered(ask: Ask, body: bytes, engine_s: float) -> tuple[Labels | Text | Failure, Usage]:
    """The reply in the body of a 200."""
    try:
        answer = _ANSWER.decode(body)
        choice = answer.choices[0]
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError, RecursionError):
        return Failure(FailureKind.TRANSIENT, "the server's answer is malformed"), Usage(engine_s=engine_s)
    reply = _labels(ask.read, choice) if isinstance(ask.read, LabelRead) else _text(choice)
    return reply, _usage(answer.usage or _Usage(), engine_s)


def _labels(read: LabelRead, choice: _Choice) -> Labels | Failure:
    tops = choice.logprobs.top_logprobs if choice.logprobs is not None else None
    top = (tops[0] if tops else None) or {}
    if not any(key.startswith(_ID_KEY) for key in top):
        return Failure(FailureKind.REJECTED, "the server does not report log-probabilities by token id")
    keyed = {label: top.get(f"{_ID_KEY}{label}") for label in read.label_ids}
    return Labels({label: logprob for label, logprob in keyed.items() if logprob is not None})


def _text(choice: _Choice) -> Text | Failure:
    finished = choice.finish_reason == "stop"
    if choice.finish_reason in ("abort", "error"):
        return Failure(FailureKind.TRANSIENT, "the server gave this ask up")
    if choice.token_ids is not None:
        return Text(tuple(choice.token_ids), text=None, finished=finished)
    text = choice.message.content if choice.message is not None else choice.text
    return Text((), text=text or "", finished=finished)


def _usage(usage: _Usage, engine_s: float) -> Usage:
    details = usage.prompt_tokens_details or _TokenDetails()
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=details.cached_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        engine_s=engine_s,
    )


def refused(status: int, body: bytes) -> Failure:
    """What a status other than 200 means for its ask. The body is looked at, never quoted.

    A wrong key or path, and a redirect (to a login, say), are no fault of the ask: the engine is unavailable. What a server
    says that fails (500), or a gateway whose server does (502, 503, 504), may be the ask's fault: if it is the engine's, it will
    be that of others too, and the breaker finds out (`doubt.py`).
    """
    if status in _UNREACHABLE:
        return Failure(FailureKind.UNAVAILABLE, f"{_UNREACHABLE[HTTPStatus(status)]} (status {status})")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Failure(FailureKind.UNAVAILABLE, f"the server sends elsewhere, which is not followed (status {status})")
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failure(FailureKind.TRANSIENT, f"the server failed this ask (status {status})")
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or _says_too_long(body):
        return Failure(FailureKind.TOO_LONG, f"the prompt exceeds the server's limit (status {status})")
    return Failure(FailureKind.REJECTED, f"the server does not take this ask (status {status})")


def _says_too_long(body: bytes) -> bool:
    text = body.decode("utf-8", "replace").lower()
    return any(words in text for words in _LENGTH_WORDS)


def models(body: bytes) -> list[ServedModel]:
    """The models that /v1/models lists. Raises msgspec.DecodeError where it is no such list."""
    return _MODELS.decode(body).data
