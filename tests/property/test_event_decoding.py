"""Whatever the bytes, decoding gives a value, and quotes nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.events.decode import decode
from stream_guard.events.model import Chat, Completion, Message
from stream_guard.events.outcome import Ignored, Rejection, RejectionReason

WRITTEN = "quokka"
texts = st.text(max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(WRITTEN)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts | st.just(WRITTEN), inner), max_leaves=12
)
parts = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "image"])}, optional={"text": texts, "x": values})
)
contents = texts | parts
turns = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": contents}, optional={"name": texts}
    )
)
events = st.one_of(
    st.fixed_dictionaries({"kind": st.just("message"), "content": contents}),
    st.fixed_dictionaries({"kind": st.just("chat"), "turns": turns}),
    st.fixed_dictionaries({"kind": st.just("completion"), "prompt": turns, "completion": contents}),
)
DETAIL = re.compile(
    r"at byte \d+|ends too early|no bytes but whitespace|the event holds no text and no parts|nests deeper than 8"
    r"|\d+ bytes exceed 2000|an escape is half of a surrogate pair|unknown kind|kind completion_step is reserved"
    r"|(array is empty|text part without text|part type is no name|required field [a-z_]+ is missing|unknown field"
    r"|value is none of those allowed|kind is given twice|number is out of range|not an event"
    r"|expected [a-z |]+(, got [a-z]+)?)( at \$[a-z_.\[\]0-9]*)?"
)


def well_behaved(value: bytes | None) -> None:
    """Checks that decoding gives an outcome whose detail is one of the fixed list."""
    outcome = decode(value, 2_000, 8)
    assert isinstance(outcome, Message | Chat | Completion | Ignored | Rejection)
    if isinstance(outcome, Rejection):
        assert DETAIL.fullmatch(outcome.detail), outcome.detail
        assert WRITTEN not in outcome.detail


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An encoded event with some bytes replaced, or a slice of it repeated."""
    raw = bytearray(json.dumps(draw(events), ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass"))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        stop = draw(st.integers(start, min(len(raw), start + 8)))
        raw[start:stop] = draw(
            st.binary(max_size=4) | st.sampled_from([b"[", b'{"', b'"', b"\\ud800", b"\\", raw[start:] * 2])
        )
    return bytes(raw)


@given(st.none() | st.binary(max_size=200))
def test_any_bytes_have_an_outcome(value: bytes | None) -> None:
    """Decoding never raises on noise."""
    well_behaved(value)


@given(values)
def test_any_json_has_an_outcome(value: object) -> None:
    """Decoding never raises on JSON that is no event, and quotes none of it."""
    well_behaved(json.dumps(value).encode())


@given(mutated())
def test_a_damaged_event_has_an_outcome(value: bytes) -> None:
    """Decoding never raises on what was once an event."""
    well_behaved(value)


@given(events, texts | st.just(WRITTEN), values)
def test_an_event_with_something_foreign_has_an_outcome(event: dict[str, Any], key: str, value: object) -> None:
    """Whatever stands where it should not is not quoted."""
    well_behaved(json.dumps(event | {key: value}).encode())


@given(st.integers(0, 60), st.integers(3, 40), st.lists(st.sampled_from("[{"), min_size=60, max_size=60), texts)
def test_depth_is_exact(levels: int, limit: int, kinds: list[str], text: str) -> None:
    """A nest of arrays and objects passes up to the limit, whatever text stands inside."""
    nest: object = text + '[{"'
    for kind in kinds[:levels]:
        nest = [nest, []] if kind == "[" else {"a": nest, text: {}}
    value = json.dumps({"kind": "message", "content": [{"type": "image", "x": nest}]}).encode()
    depth = _depth(json.loads(value))
    outcome = decode(value, 100_000, limit)
    if depth > limit:
        assert outcome == Rejection(RejectionReason.TOO_DEEP, f"nests deeper than {limit}")
    else:
        assert isinstance(outcome, Message)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(inner) for inner in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(inner) for inner in value), default=0)
    return 0


plain_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: not text.isspace())


@given(plain_texts, st.booleans())
def test_a_text_survives(text: str, ascii_only: bool) -> None:
    """Whatever was written arrives unchanged, escaped or not."""
    value = json.dumps({"kind": "message", "content": text}, ensure_ascii=ascii_only).encode()
    assert decode(value, 1_000_000, 8) == Message(content=text)


@given(events)
def test_what_decodes_can_be_encoded_and_decoded_again(event: dict[str, Any]) -> None:
    """An event is its own canonical form."""
    decoded = decode(json.dumps(event).encode(), 100_000, 100)
    if isinstance(decoded, Message | Chat | Completion):
        assert decode(msgspec.json.encode(decoded), 100_000, 100) == decoded
