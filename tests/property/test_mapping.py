"""Whatever the bytes, reading foreign records gives a value, quotes nothing, and finds what the path library finds."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

import jsonpath_rfc9535
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.events.decode import decode
from stream_guard.events.envelope import CloudEventsReader
from stream_guard.events.mapping.conditions import Condition
from stream_guard.events.mapping.mapping import MappingReader
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.ready import READY
from stream_guard.events.mapping.shapes import ChatShape, CompletionShape, Facts, MessageShape, Shape, Turns
from stream_guard.events.mapping.sources import FromHeader, FromKey, FromPath
from stream_guard.events.model import Chat, Completion, Message
from stream_guard.events.outcome import Ignored, Rejection
from stream_guard.events.reader import CANONICAL, Reader
from stream_guard.events.text import TEXT
from stream_guard.records import Record
from tests.cases import LEASE

WRITTEN = "quokka"


def at(path: str) -> FromPath:
    """What a path finds."""
    return FromPath(Path(path))


FACTS = Facts(
    id=at("$.id"),
    author=FromKey(),
    language=at("$['language', 'lang']"),
    created_at=at("$.created"),
    attributes=(("a", at("$.a")), ("h", FromHeader("ce_type"))),
)
TURNS = Turns(
    turns=Path("$.messages[?@.role]"),
    role=at("$.role"),
    text=at("$.content"),
    name=at("$.name"),
    roles=(("*", "user"),),
    parts=(("tool_call", Path("$.tool_calls")),),
)
OWN = MappingReader((
    Shape(
        ChatShape(turns=TURNS, facts=FACTS),
        (Condition(at("$.messages[*].role"), matches=re.compile(".*")), Condition(FromHeader("ce_id"), present=False)),
    ),
    Shape(CompletionShape(completion=at("$..text"), prompt=TURNS, facts=FACTS), (Condition(at("$.choices"), present=True),)),
    Shape(MessageShape(text=at("$.content"), facts=FACTS, parts=(("image", Path("$.data[*]")),))),
))  # fmt: skip
READERS: dict[str, Reader] = {
    "own": OWN,
    "openai_chat": READY["openai_chat"],
    "text": TEXT,
    "cloudevents": CloudEventsReader(CANONICAL),
    "mapped cloudevents": CloudEventsReader(OWN),
}
texts = st.text(max_size=12) | st.just(WRITTEN)
times = st.integers(-(10**20), 10**20) | st.floats() | st.just("2026-11-24T12:00:00Z") | st.just("9" * 30)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | times
keys = texts | st.sampled_from([
    "id", "lang", "created", "a", "messages", "role", "content", "refusal", "name", "tool_calls", "choices", "message",
    "text", "type", "request", "response", "prompt", "object", "specversion", "source", "time", "data", "data_base64",
    "datacontenttype", "kind", "turns",
])  # fmt: skip
values = st.recursive(
    scalars | st.sampled_from(["user", "1.0", "text/plain", "message", "text", "image", "chat.completion.chunk"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=25,
)
headers = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "other"]),
        st.none() | st.binary(max_size=8) | st.sampled_from([b"1.0", b"application/cloudevents+json", b"text/plain"]),
    ),
    max_size=6,
).map(tuple)
envelopes = st.builds(
    lambda data, changes: {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": data} | changes,
    values,
    st.dictionaries(keys, values, max_size=2),
)
readers = st.sampled_from(sorted(READERS))


def well_behaved(
    name: str, value: bytes, given_headers: tuple[tuple[str, bytes | None], ...], key: bytes | None
) -> None:
    """Checks that reading gives an outcome, and that an event is one that could be written down and read again."""
    record = Record(LEASE, 1, value, key=key, headers=given_headers)
    outcome = READERS[name].read(value, record, max_bytes=2_000, max_depth=12)
    assert isinstance(outcome, Message | Chat | Completion | Ignored | Rejection)
    if isinstance(outcome, Rejection):
        assert outcome.detail
        assert WRITTEN not in outcome.detail
    elif not isinstance(outcome, Ignored) and name != "cloudevents":
        assert outcome.created_at is None or datetime.fromisoformat(outcome.created_at).utcoffset() == timedelta()
        rewritten = decode(msgspec.json.encode(outcome), 1_000_000, 12)
        assert rewritten == outcome


@given(readers, st.binary(max_size=200), headers, st.none() | st.binary(max_size=4))
def test_any_bytes_have_an_outcome(
    name: str, value: bytes, given_headers: tuple[tuple[str, bytes | None], ...], key: bytes | None
) -> None:
    """Reading never raises on noise, in the value, the headers or the key."""
    well_behaved(name, value, given_headers, key)


@given(readers, values | envelopes, headers)
def test_any_json_has_an_outcome(name: str, value: object, given_headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """Reading never raises on JSON that looks nearly as it should, and quotes none of it."""
    well_behaved(name, json.dumps(value).encode(), given_headers, b"k")


@given(readers, values, st.integers(0, 200), st.binary(max_size=3))
def test_damaged_json_has_an_outcome(name: str, value: object, place: int, noise: bytes) -> None:
    """Reading never raises on what was once JSON."""
    raw = json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
    well_behaved(name, raw[:place] + noise + raw[place:], (), None)


PATHS = (
    "$", "$.a", "$.a.b", "$.a[0].b", "$.a[-1]", "$['a', 'b']", "$.*", "$.a[*].b", "$[*][*]", "$.a[1:]", "$.a[::-1]", "$[0, 0]",
    "$..a", "$..[0]", "$..*", "$[?@.a]", "$[?!@.a]", "$[?@.a == 1]", "$[?@.a != 'x']", "$[?@.a < 2]", "$.a[?@ >= 1 && @ <= 2]",
    "$[?@.a == null || @.b == true]", "$[?@.a == @.b]", "$[?@.a == $.a]", "$[?length(@) > 1]", "$[?length(@.a) == 1]",
    "$[?count(@[*]) == 2]", "$[?value(@[*]) == 1]", "$[?@[?@.a]]", "$[?(@.a || @.b) && !(@.a && @.b)].a", "$..[?@.a]",
)  # fmt: skip
documents = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", "y"]) | st.floats(0, 2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=15,
)


@pytest.mark.parametrize("text", PATHS)
@given(documents)
def test_a_path_finds_what_the_library_finds(text: str, document: object) -> None:
    """Our walk and the library's, which passes the compliance tests of RFC 9535, agree on values and their order."""
    path = Path(text)
    expected = [value for value in jsonpath_rfc9535.find(text, document).values() if value is not None]  # type: ignore[arg-type]
    assert [json.dumps(value) for value in path.values(document)] == [json.dumps(value) for value in expected]
    if path.find is not None:
        assert [path.find(document, document)] == (expected or [None])


IDENTITY = MappingReader((
    Shape(MessageShape(
        text=at("$.content"),
        facts=Facts(id=at("$.id"), author=at("$.author"), language=at("$.language"), attributes=(("a", at("$.attributes.a")),)),
    )),
))  # fmt: skip
plain_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
contents = plain_texts | st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": plain_texts}) | st.just({"type": "image"}), max_size=3
)
messages = st.fixed_dictionaries(
    {"kind": st.just("message"), "content": contents},
    optional={
        "id": plain_texts,
        "author": plain_texts,
        "language": plain_texts,
        "attributes": st.fixed_dictionaries({"a": plain_texts | st.integers() | st.booleans()}),
    },
)


@given(messages)
def test_our_own_messages_can_be_mapped(message: dict[str, object]) -> None:
    """A mapping that says where our own fields are reads what the canonical reader reads."""
    value = json.dumps(message).encode()
    assert IDENTITY.read(value, Record(LEASE, 1, value), max_bytes=10_000, max_depth=8) == decode(value, 10_000, 8)
