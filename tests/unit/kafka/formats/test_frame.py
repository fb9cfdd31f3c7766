from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.kafka.formats.frame import Frame, unframed
from stream_guard.records import Undecodable


def test_the_id_stands_in_four_bytes_after_a_zero() -> None:
    """The rest is the value, as it is."""
    assert unframed(b"\0\0\0\1\2{}", message=False) == Frame(258, b"{}")


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (b"", "0 bytes are too few for the id of a schema"),
        (b"\0\0\0\1", "4 bytes are too few for the id of a schema"),
        (b'{"text": "hello"}', "does not begin with the zero byte before the id of a schema"),
        (b"\1" + bytes(16), "does not begin with the zero byte before the id of a schema"),
    ],
)
def test_what_is_no_frame_is_said_without_quoting_it(value: bytes, detail: str) -> None:
    """Plain JSON, half a frame, and the newer frame with a 16-byte id, which is not read."""
    assert unframed(value, message=False) == Undecodable(detail)


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [(b"\0", (0,)), (b"\2\0", (0,)), (b"\2\4", (2,)), (b"\4\2\6", (1, 3)), (b"\2\xd8\4", (300,))],
)
def test_indexes_name_a_message(indexes: bytes, expected: tuple[int, ...]) -> None:
    """A count, then an index a level, all zigzag; a lone zero stands for the first message."""
    assert unframed(b"\0\0\0\0\1" + indexes + b"rest", message=True) == Frame(1, b"rest", expected)


@pytest.mark.parametrize("indexes", [b"", b"\2", b"\1", b"\xff\xff\xff\xff\xff\1", b"\x42" + bytes(33), b"\x80"])
def test_indexes_that_say_nothing_are_refused(indexes: bytes) -> None:
    """Cut, negative, endless or too many."""
    assert unframed(b"\0\0\0\0\1" + indexes, message=True) == Undecodable(
        "does not say which message of the schema it is"
    )


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_a_frame_or_not(value: bytes, message: bool) -> None:
    """Nothing is raised, and what is a frame loses nothing of its value."""
    found = unframed(value, message=message)
    assert isinstance(found, Undecodable) or value.endswith(found.body)
