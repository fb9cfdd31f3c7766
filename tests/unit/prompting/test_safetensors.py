from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.prompting.safetensors import NotWhole, header_bytes, tensor_names


def make_header(**spans: Any) -> bytes:
    """The header of a file with tensors at these places."""
    entries = {name: {"dtype": "U8", "shape": [1], "data_offsets": span} for name, span in spans.items()}
    return json.dumps({"__metadata__": {"format": "pt"}, **entries}).encode()


def test_the_length_of_the_header_comes_first() -> None:
    """Eight bytes, little-endian."""
    assert header_bytes((300).to_bytes(8, "little") + b"{", 1000) == 300


@pytest.mark.parametrize(
    ("beginning", "size", "words"),
    [
        (b"", 0, "is cut short: it holds 0 bytes"),
        (b"\x01\x00", 2, "is cut short: it holds 2 bytes"),
        ((300).to_bytes(8, "little"), 307, "is cut short: its header alone has 300 bytes, the file 307"),
        (b"PK\x03\x04" + bytes(12), 5000, "no safetensors file"),
        (bytes(16), 16, "no safetensors file"),
        (b"\x80\x02}q\x00.garbage", 5000, "no safetensors file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", 130, "is a pointer of Git LFS"),
    ],
)
def test_what_is_no_beginning_of_a_whole_file(beginning: bytes, size: int, words: str) -> None:
    """Each in words of its own: an operator gets the file again, or gets another one."""
    with pytest.raises(NotWhole, match=words):
        header_bytes(beginning, size)


def test_tensors_are_named() -> None:
    """The metadata is none."""
    assert tensor_names(make_header(a=[0, 4], b=[4, 10]), 10) == {"a", "b"}


@pytest.mark.parametrize(
    ("header", "data_bytes", "words"),
    [
        (make_header(a=[0, 4], b=[4, 10]), 9, "is cut short: its header promises 10 bytes of tensors, it holds 9"),
        (make_header(a=[0, 4], b=[4, 10]), 12, "holds 2 bytes more"),
        (make_header(a=[0, 4], b=[5, 10]), 10, "overlap, or leave gaps"),
        (make_header(a=[0, 4], b=[3, 10]), 10, "overlap, or leave gaps"),
        (make_header(a=[0, -4]), 0, "overlap, or leave gaps"),
        (make_header(a=[0]), 0, "does not say where"),
        (make_header(a=None), 0, "does not say where"),
        (make_header(a=["x", "y"]), 0, "does not say where"),
        (b'{"a": 1}', 0, "does not say where"),
        (b"[]", 0, "does not say where"),
        (b'{"a"', 0, "does not say where"),
        (b"\xff{}", 0, "does not say where"),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 0, "does not say where"),
    ],
)
def test_a_header_that_does_not_fit_its_file(header: bytes, data_bytes: int, words: str) -> None:
    """What is cut short, too long, damaged, or no header at all."""
    with pytest.raises(NotWhole, match=words):
        tensor_names(header, data_bytes)


@given(st.binary(max_size=64), st.integers(0, 1000))
def test_any_bytes_are_a_header_or_not_whole(raw: bytes, size: int) -> None:
    """Nothing else is ever raised, whatever lies in a file."""
    for read in (lambda: header_bytes(raw, size), lambda: tensor_names(raw, size)):
        with suppress(NotWhole):
            read()
