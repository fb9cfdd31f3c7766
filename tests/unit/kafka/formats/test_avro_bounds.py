from __future__ import annotations

import io
import time
from typing import Any

import orjson
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.kafka.formats.avro_bounds import MAX_DEPTH, MAX_VALUES, Bounds
from stream_guard.kafka.formats.frame import Refused

TREE = {
    "type": "record", "name": "Node", "fields": [
        {"name": "text", "type": "string"}, {"name": "next", "type": ["null", "Node"]},
        {"name": "all", "type": {"type": "array", "items": "Node"}},
        {"name": "by_name", "type": {"type": "map", "values": ["null", "long", "Node"]}},
    ],
}  # fmt: skip
EMPTY = {"type": "record", "name": "Empty", "fields": [{"name": "nothing", "type": "null"}]}


def make_bounds(schema: Any) -> Bounds:
    """The bounds of a schema."""
    named: dict[str, Any] = {}
    return Bounds(parse_schema(schema, named_schemas=named), named)


def varint(number: int) -> bytes:
    """A number as Avro writes it."""
    number, written = (number << 1) ^ (number >> 63), b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def written(schema: Any, value: Any) -> bytes:
    """A value as Avro writes it."""
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(schema), value)
    return out.getvalue()


@pytest.mark.parametrize("items", ["null", EMPTY, {"type": "fixed", "name": "F", "size": 0}])
@pytest.mark.parametrize("count", [MAX_VALUES + 1, 2**60, -(2**60), -(2**63)])
def test_a_few_bytes_can_not_declare_items_without_end(items: Any, count: int) -> None:
    """Items of no size cost their writer nothing: they are counted, not made."""
    bounds = make_bounds({"type": "array", "items": items})
    begun = time.monotonic()
    with pytest.raises(Refused, match="holds more than 300000 values"):
        bounds.check(varint(count) + (varint(1) if count < 0 else b"") + varint(0))
    assert time.monotonic() - begun < 1


def test_blocks_add_up() -> None:
    """Many blocks, each within the bound."""
    bounds = make_bounds({"type": "array", "items": "null"})
    bounds.check(varint(MAX_VALUES // 2) + varint(0))
    with pytest.raises(Refused):
        bounds.check(varint(MAX_VALUES // 2) * 3 + varint(0))


def test_a_byte_can_not_stand_for_many_values() -> None:
    """A record of many nullable fields: a byte each, and as many values; and a union of a null and a wide record."""
    wide = {"type": "record", "name": "W", "fields": [{"name": f"f{n}", "type": ["null", "long"]} for n in range(50)]}
    bounds = make_bounds({"type": "array", "items": wide})
    bounds.check(varint(100) + bytes(50 * 100) + varint(0))
    with pytest.raises(Refused, match="holds more than"):
        bounds.check(varint(10_000) + bytes(50 * 10_000) + varint(0))


@pytest.mark.parametrize("depth", [20_000, 900_000])
def test_depth_is_bounded(depth: int) -> None:
    """Read as it is, it would overflow the stack of C, and end the process."""
    bounds = make_bounds({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]})
    with pytest.raises(Refused, match=f"nests deeper than {MAX_DEPTH}"):
        bounds.check(b"\2" * depth + b"\0")


def test_a_record_that_holds_itself_is_refused() -> None:
    """It has no end, and takes no byte."""
    with pytest.raises(Refused):
        make_bounds({"type": "record", "name": "N", "fields": [{"name": "n", "type": "N"}]}).check(b"")


def test_a_schema_can_not_multiply() -> None:
    """Thirty small records, each twice the one before, come to 2^30 values out of no byte at all."""
    schema: dict[str, Any] = EMPTY
    for number in range(30):
        inner = schema["name"]
        schema = {
            "type": "record",
            "name": f"R{number}",
            "fields": [{"name": "a", "type": schema}, {"name": "b", "type": inner}],
        }
    with pytest.raises(Refused, match="nests too deep or holds too many fields"):
        make_bounds(schema)


def test_a_schema_can_not_nest_without_end() -> None:
    """Flat as a text, deep as a value."""
    schema: Any = "null"
    for _ in range(MAX_DEPTH):
        schema = {"type": "array", "items": schema}
    with pytest.raises(Refused, match="nests too deep"):
        make_bounds(schema)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "ends too early"),
        (varint(5) + b"abc", "ends too early"),
        (varint(-1) + bytes(9), "ends too early"),
        (varint(0) + varint(7), "names a type that its schema lacks"),
        (varint(0) + varint(-1), "names a type that its schema lacks"),
        (b"\xff" * 10 + b"\1", "more than 64 bits"),
    ],
)
def test_a_walk_says_what_is_wrong(body: bytes, why: str) -> None:
    """Cut, of a negative size, with a wrong branch, or with a number without end."""
    with pytest.raises(Refused, match=why):
        make_bounds(TREE).check(body)


_LEAVES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"text": st.text(max_size=5), "next": st.none(), "all": st.just([]), "by_name": st.just({})}
)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.fixed_dictionaries(
        {
            "text": st.text(max_size=5),
            "next": st.none() | inner,
            "all": st.lists(inner, max_size=3),
            "by_name": st.dictionaries(
                st.text(max_size=3), st.none() | st.integers(-(2**40), 2**40) | inner, max_size=3
            ),
        }
    ),
    max_leaves=20,
)


@given(_TREES)
def test_what_a_writer_wrote_passes(tree: dict[str, Any]) -> None:
    """The walk reads Avro as fastavro does: it refuses nothing that is well-formed, and everything that is cut."""
    body = written(TREE, tree)
    bounds = make_bounds(TREE)
    bounds.check(body)
    with pytest.raises(Refused):
        bounds.check(body[:-1])


def test_the_deepest_that_passes_is_read_by_fastavro_and_orjson() -> None:
    """The bound is far below what would hurt them."""
    schema = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}
    body = b"\2" * ((MAX_DEPTH - 3) // 2) + b"\0"
    make_bounds(schema).check(body)
    assert orjson.dumps(schemaless_reader(io.BytesIO(body), parse_schema(schema), None))


def test_an_item_that_holds_itself_is_refused() -> None:
    """A type without an end costs its writer nothing, and would end the process that reads it."""
    endless = {"type": "record", "name": "A", "fields": [{"name": "a", "type": "A"}]}
    with pytest.raises(Refused, match="nests deeper"):
        make_bounds({"type": "array", "items": endless}).check(varint(1) + varint(0))
