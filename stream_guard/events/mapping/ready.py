"""Ready mappings: what is common enough to have a name. Each is written in the mapping language, as anybody could."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stream_guard.events.mapping.conditions import Condition
from stream_guard.events.mapping.contents import Parts
from stream_guard.events.mapping.mapping import MappingReader
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.shapes import ChatShape, CompletionShape, Facts, Reject, Shape, Turns
from stream_guard.events.mapping.sources import Constant, FromPath
from stream_guard.events.model import Role
from stream_guard.events.reader import CANONICAL, Reader

_ROLES: tuple[tuple[str, Role], ...] = (("function", "tool"),)
_TEXT = "['content', 'refusal']"
_CALLS = "['tool_calls', 'function_call']"
_PIECE = "a streamed chunk is only a piece of a completion: publish whole completions"


def _at(path: str) -> FromPath:
    return FromPath(Path(path))


def _parts(message: str) -> Parts:
    """What a message of the chat API holds beside its content."""
    return (("tool_call", Path(f"{message}{_CALLS}")), ("audio", Path(f"{message}.audio")))


def _turns(path: str) -> Turns:
    return Turns(
        turns=Path(path),
        role=_at("$.role"),
        text=_at(f"${_TEXT}"),
        name=_at("$.name"),
        roles=_ROLES,
        parts=_parts("$"),
    )


def _prompt(path: str) -> Turns:
    """The prompt of the older completions API: a text, or several."""
    return Turns(turns=Path(path), role=Constant("user"), text=_at("$"))


def _has(*paths: str) -> tuple[Condition, ...]:
    return tuple(Condition(_at(path), present=True) for path in paths)


def _is(path: str, *values: str) -> tuple[Condition, ...]:
    return (Condition(_at(path), any_of=values),)


def _response(body: str, prompt: Turns | None = None) -> CompletionShape:
    """The body of a response of the chat API; what other choices say is judged with the first."""
    message = f"{body}.choices[*].message"
    return CompletionShape(
        prompt=prompt,
        completion=_at(f"{message}{_TEXT}"),
        parts=_parts(message),
        model=_at(f"{body}.model"),
        facts=Facts(id=_at(f"{body}.id"), created_at=_at(f"{body}.created")),
    )


def _legacy_response(body: str, prompt: Turns | None = None) -> CompletionShape:
    return CompletionShape(
        prompt=prompt,
        completion=_at(f"{body}.choices[*].text"),
        model=_at(f"{body}.model"),
        facts=Facts(id=_at(f"{body}.id"), created_at=_at(f"{body}.created")),
    )


def _exchange(request: str, response: str) -> tuple[Shape, ...]:
    """A line of a log that holds a request and its response."""
    return (
        Shape(Reject(_PIECE), _is(f"{response}.object", "chat.completion.chunk")),
        *(
            Shape(made(response, prompt), _has(asked, f"{response}.choices[*].{answer}"))
            for asked, prompt in (
                (f"{request}.messages", _turns(f"{request}.messages")),
                (f"{request}.prompt", _prompt(f"{request}.prompt")),
            )
            for answer, made in (("message", _response), ("text", _legacy_response))
        ),
    )


def _unread_answer() -> Iterator[Shape]:
    """A request with an answer that is none of the API's: read as a request alone, the answer would pass unseen."""
    why = Reject("a request whose answer is none of the chat completions API")
    says = "['content', 'text', 'message', 'output', 'choices', 'completion']"
    failed = _has("$['response', 'output'].error")
    silent = tuple(Condition(_at(path), present=False) for path in (f"$['response', 'output']{says}", "$.completion"))
    yield Shape(why, _has("$.choices[*]"))
    # One that failed is judged as what was asked, if it says nothing beside its error.
    for asked, turns in (("$.messages", _turns("$.messages")), ("$.prompt", _prompt("$.prompt"))):
        yield Shape(ChatShape(turns=turns, facts=Facts(author=_at("$.user"))), (*_has(asked), *failed, *silent))
    yield Shape(why, _has("$['response', 'output', 'completion']"))


OPENAI_CHAT: tuple[Shape, ...] = (
    *_exchange("$.request", "$.response"),
    *_exchange("$.input", "$.output"),
    *_exchange("$", "$.response"),
    *_exchange("$", "$"),
    Shape(_response("$"), _has("$.choices[*].message")),
    Shape(_legacy_response("$"), _has("$.choices[*].text")),
    *_unread_answer(),
    Shape(ChatShape(turns=_turns("$.messages"), facts=Facts(author=_at("$.user"))), _has("$.messages")),
    Shape(ChatShape(turns=_prompt("$.prompt"), facts=Facts(author=_at("$.user"))), _has("$.prompt")),
    Shape(Reject("neither a request nor a response of the chat completions API, nor both as request and response")),
)
"""Bodies of OpenAI's chat completions API, which most servers speak: requests (chats), responses (completions without a
prompt), and records that hold both: as `request` and `response`, as `input` and `output`, as a request with its
`response`, or in one. So for the older completions API. The `reasoning_content` that some servers send is not read."""

SHAPES: Mapping[str, tuple[Shape, ...]] = {"openai_chat": OPENAI_CHAT}
"""The ready mappings, as what they are made of."""

READY: Mapping[str, Reader] = {"canonical": CANONICAL} | {name: MappingReader(made) for name, made in SHAPES.items()}
"""The ready mappings by name, as readers."""
