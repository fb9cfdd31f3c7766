"""What becomes of the bytes of a record."""

from __future__ import annotations

import pytest

from stream_guard.events.decode import decode
from stream_guard.events.model import Chat, Completion, Event, Message, Part, Turn
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason

R = RejectionReason
MARK = "zebra"
"""Stands in every broken content below: it must not show in a detail."""


def decoded(value: bytes | None, max_bytes: int = 4_096, max_depth: int = 16) -> Event | Ignored | Rejection:
    """`decode` with small limits."""
    return decode(value, max_bytes, max_depth)


def message(content: bytes) -> bytes:
    """A message of that JSON content."""
    return b'{"kind":"message","content":%b}' % content


def picture(field: bytes) -> bytes:
    """A message of a part that is no text, with that JSON in an unknown field."""
    return message(b'[{"type":"image","zebra":%b}]' % field)


def nested(depth: int) -> bytes:
    """Arrays, one in the other."""
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("value", "event"),
    [
        (message(b'"good evening"'), Message(content="good evening")),
        (message('"Grüße, 世界 🌍"'.encode()), Message(content="Grüße, 世界 🌍")),
        (message(b'"\\ud83c\\udf0d \\\\ud800"'), Message(content="🌍 \\ud800")),
        (message(b'" \\u200b"'), Message(content=" \u200b")),
        (b' {"content":"x","kind":"message"}\n', Message(content="x")),
        (
            (
                b'{"kind":"message","content":"x","id":"1","author":"a","language":"de","created_at":"2026-01-01T00:00:00Z",'
                b'"attributes":{"a":1,"b":1.5,"c":true,"d":null,"e":"f"}}'
            ),
            Message(
                content="x", id="1", author="a", language="de", created_at="2026-01-01T00:00:00Z",
                attributes={"a": 1, "b": 1.5, "c": True, "d": None, "e": "f"},
            ),
        ),
        (picture(b'{"url":["{{{[[["]}'), Message(content=(Part("image"),))),
        (message(b'[{"type":"text","text":"a"},{"type":"text","text":""}]'), Message(content=(Part("text", "a"), Part("text", "")))),
        (
            b'{"kind":"chat","turns":[{"role":"user","name":"Ann","content":"hi"},{"role":"assistant","content":""}]}',
            Chat(turns=(Turn("user", "hi", "Ann"), Turn("assistant", ""))),
        ),
        (
            b'{"kind":"completion","prompt":[{"role":"user","content":"hi"}],"completion":"hello","model":"m"}',
            Completion(prompt=(Turn("user", "hi"),), completion="hello", model="m"),
        ),
        (b'{"kind":"completion","prompt":[],"completion":"hello"}', Completion(prompt=(), completion="hello")),
    ],
)  # fmt: skip
def test_a_valid_event_is_decoded(value: bytes, event: Event) -> None:
    """Every kind decodes, with all that it may say."""
    assert decoded(value) == event


def test_a_null_value_is_ignored() -> None:
    """A tombstone is not judged, and no dead letter."""
    assert decoded(None) == Ignored(IgnoredReason.TOMBSTONE)


@pytest.mark.parametrize(
    "value",
    [
        b"", b" \r\n\t",
        message(b'""'), message(b'" \\n\\u3000"'), message(b"[]"), message(b'[{"type":"text","text":" "}]'),
        b'{"kind":"chat","turns":[{"role":"user","content":" "},{"role":"user","content":[]}]}',
        b'{"kind":"completion","prompt":[{"role":"user","content":"hi"}],"completion":""}',
    ],
)  # fmt: skip
def test_what_says_nothing_is_empty(value: bytes) -> None:
    """Neither bytes nor judged content: EMPTY, whatever the kind."""
    rejected = decoded(value)
    assert isinstance(rejected, Rejection)
    assert rejected.reason is R.EMPTY


def test_a_part_of_another_type_is_not_empty() -> None:
    """A picture without a word is something that could not be looked at, not nothing."""
    assert decoded(message(b'[{"type":"image"},{"type":"text","text":""}]')) == Message(
        content=(Part("image"), Part("text", ""))
    )


@pytest.mark.parametrize(
    ("value", "rejection"),
    [
        (message(b'"zebra \xff"'), Rejection(R.NOT_UTF8, "at byte 35")),
        (message(b'"\xed\xa0\x80"'), Rejection(R.NOT_UTF8, "at byte 29")),
        (picture(b'"\xff"'), Rejection(R.NOT_UTF8, "at byte 54")),
        (b'{"kind":"message","content":"a","\xff":1}', Rejection(R.NOT_UTF8, "at byte 33")),
        (message(b'"a"').decode().encode("utf-16"), Rejection(R.NOT_UTF8, "at byte 0")),
        (message(b'"zebra"')[:-1], Rejection(R.NOT_JSON, "ends too early")),
        (message(b'"zebra"') + b"zebra", Rejection(R.NOT_JSON, "at byte 37")),
        (b"\xef\xbb\xbf" + message(b'"a"'), Rejection(R.NOT_JSON, "at byte 0")),
        (b"zebra", Rejection(R.NOT_JSON, "at byte 0")),
        (b"[zebra", Rejection(R.NOT_JSON, "at byte 1")),
        (message(b'"ze\nbra"'), Rejection(R.NOT_JSON, "at byte 31")),
        (message(b'zebra "\\ud800"'), Rejection(R.NOT_JSON, "at byte 28")),
        (message(b"\\ud800"), Rejection(R.NOT_JSON, "at byte 28")),
        (message(b'"\\\\ud800" zebra'), Rejection(R.NOT_JSON, "at byte 38")),
        (picture(b"NaN"), Rejection(R.NOT_JSON, "at byte 53")),
        (b'{"kind":"completion_step","zebra":1}', Rejection(R.UNSUPPORTED_KIND, "kind completion_step is reserved")),
        (b'{"kind":"zebra","content":"a"}', Rejection(R.UNSUPPORTED_KIND, "unknown kind")),
        (b'{"kind":"message","kind":"chat","content":"a"}', Rejection(R.INVALID_EVENT, "kind is given twice at $.kind")),
        (b'{"kind":1}', Rejection(R.INVALID_EVENT, "expected str at $.kind")),
        (b"12", Rejection(R.INVALID_EVENT, "expected object, got int")),
        (b'{"content":"zebra"}', Rejection(R.INVALID_EVENT, "required field kind is missing")),
        (b'{"kind":"chat"}', Rejection(R.INVALID_EVENT, "required field turns is missing")),
        (b'{"kind":"chat","turns":[]}', Rejection(R.INVALID_EVENT, "array is empty at $.turns")),
        (
            b'{"kind":"chat","turns":[{"role":"zebra","content":"a"}]}',
            Rejection(R.INVALID_EVENT, "value is none of those allowed at $.turns[0].role"),
        ),
        (
            b'{"kind":"chat","turns":[{"role":"user","content":"a","zebra":1}]}',
            Rejection(R.INVALID_EVENT, "unknown field at $.turns[0]"),
        ),
        (b'{"kind":"message","content":"a","zebra":1}', Rejection(R.INVALID_EVENT, "unknown field")),
        (
            b'{"kind":"message","content":"a","attributes":{"zebra":[1]}}',
            Rejection(R.INVALID_EVENT, "expected bool | int | float | str | null, got array at $.attributes[...]"),
        ),
        (
            b'{"kind":"message","content":"a","attributes":{"zebra":1e999}}',
            Rejection(R.INVALID_EVENT, "number is out of range"),
        ),
        (message(b"null"), Rejection(R.INVALID_EVENT, "expected str | array, got null at $.content")),
        (message(b'[{"type":"text"}]'), Rejection(R.INVALID_EVENT, "text part without text at $.content[0]")),
        (message(b'[{"type":"text","text":null}]'), Rejection(R.INVALID_EVENT, "text part without text at $.content[0]")),
        (message(b'[{"t\\u0079pe":"text"}]'), Rejection(R.INVALID_EVENT, "text part without text at $.content[0]")),
        (message(b'[{"type":""}]'), Rejection(R.INVALID_EVENT, "part type is no name at $.content[0].type")),
        (
            b'{"kind":"chat","turns":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"a zebra"}]}]}',
            Rejection(R.INVALID_EVENT, "part type is no name at $.turns[1].content[0].type"),
        ),
        (
            b'{"kind":"completion","prompt":[],"completion":[{"type":"text"}]}',
            Rejection(R.INVALID_EVENT, "text part without text at $.completion[0]"),
        ),
    ],
)  # fmt: skip
def test_a_broken_value_is_rejected_for_its_reason(value: bytes, rejection: Rejection) -> None:
    """Each kind of defect has its own reason, and a detail that says where without quoting anything."""
    assert decoded(value) == rejection


@pytest.mark.parametrize(
    "value",
    [
        message(b'"\\ud800"'), message(b'"\\ud800zebra zebra"'), message(b'"\\udc00 zebra zebra"'),
        message(b'"\\ud800\\ud800"'), message(b'"\\uDC00\\uD800"'), message(b'"\\\\\\ud800"'), message(b'"\\ud800" zebra'),
        picture(b'"\\ud800"'), message(b'[{"type":"image","\\ud800":1}]'),
        b'{"kind":"message","content":"a","\\ud800":1}', b'{"kind":"message","content":"a","attributes":{"\\udfff":1}}',
    ],
)  # fmt: skip
def test_half_a_surrogate_pair_is_rejected(value: bytes) -> None:
    """In contents, in fields nobody reads, and in keys."""
    assert decoded(value) == Rejection(R.LONE_SURROGATE, "an escape is half of a surrogate pair")


def test_a_value_over_the_limit_is_too_large() -> None:
    """The limit itself is still taken."""
    value = message(b'"zebra"')
    assert isinstance(decoded(value, max_bytes=len(value)), Message)
    assert decoded(value, max_bytes=len(value) - 1) == Rejection(
        R.TOO_LARGE, f"{len(value)} bytes exceed {len(value) - 1}"
    )


def test_an_id_is_no_place_for_content() -> None:
    """It stands in verdicts and rulings, which must fit into their topics however large the record was."""
    value = b'{"kind":"message","id":"%b","content":"x"}'
    assert decoded(value % (b"a" * 512)) == Message(content="x", id="a" * 512)
    assert decoded(value % (b"a" * 513)) == Rejection(R.INVALID_EVENT, "longer than 512 characters at $.id")


@pytest.mark.parametrize("levels", [13, 14, 500, 100_000])
def test_depth_is_bounded_where_nobody_reads(levels: int) -> None:
    """An unknown field of a part may nest up to the limit (three levels stand above it), and not one more."""
    value = picture(nested(levels))
    if levels == 13:
        assert isinstance(decoded(value, max_bytes=1_000_000), Message)
    else:
        assert decoded(value, max_bytes=1_000_000) == Rejection(R.TOO_DEEP, "nests deeper than 16")


def test_depth_is_bounded_in_what_is_no_event() -> None:
    """Deep is said before wrong: the value is JSON, and not an event either."""
    assert decoded(nested(17)) == Rejection(R.TOO_DEEP, "nests deeper than 16")
    assert decoded(nested(2_000)) == Rejection(R.TOO_DEEP, "nests deeper than 16")


@pytest.mark.parametrize("depth", [1, 2])
def test_a_depth_below_that_of_an_event_is_honoured(depth: int) -> None:
    """A limit below what an event without parts needs is still a limit."""
    value = b'{"kind":"chat","turns":[{"role":"user","content":"a"}]}'
    assert decoded(value, max_depth=depth) == Rejection(R.TOO_DEEP, f"nests deeper than {depth}")
    assert isinstance(decoded(value, max_depth=3), Chat)


def test_brackets_in_texts_do_not_nest() -> None:
    """A text may hold any number of brackets, quotes and backslashes."""
    text = b'"%b"' % (b'[{\\"\\\\' * 100)
    assert isinstance(decoded(message(b'[{"type":"text","text":%b}]' % text)), Message)


def test_the_last_of_repeated_keys_counts() -> None:
    """A decision, pinned: see the module's docstring."""
    assert decoded(b'{"kind":"message","content":"first","content":"last"}') == Message(content="last")


def test_what_a_repeated_key_hides_is_still_bounded() -> None:
    """Depth and encoding are checked in bytes that the last key replaced."""
    hidden = b'{"kind":"message","content":[{"type":"a","b":%b}],"content":"last"}'
    assert decoded(hidden % nested(20)) == Rejection(R.TOO_DEEP, "nests deeper than 16")
    assert decoded(hidden % b'"\xff"') == Rejection(R.NOT_UTF8, "at byte 46")


@pytest.mark.parametrize("key", ["zebra - at `$.turns[5551234]", "zebra` - at `$.zebra", "` - at `$.content[5551234]"])
def test_a_key_can_not_forge_a_path(key: str) -> None:
    """A path is reported only where it leads to something, so nothing in it can be content."""
    value = b'{"kind":"message","content":"a","%b":1}' % key.encode()
    assert decoded(value) == Rejection(R.INVALID_EVENT, "unknown field")
