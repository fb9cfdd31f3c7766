"""The header of a safetensors file, as far as it tells whether the file is whole. Pure.

Source: the format's description in the safetensors repository. Eight bytes with the length of the header, little-endian; the
header, a JSON object that says where each tensor lies; the tensors, without gaps.
"""

from __future__ import annotations

from typing import Any

import msgspec

PREFIX_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
"""The limit of the reference library."""
_POINTER = b"version https://git-lfs"


class NotWhole(Exception):
    """A signal: this is no whole safetensors file. The message goes on after the file's name."""


def header_bytes(beginning: bytes, size: int) -> int:
    """How long the header is, from a file's first bytes and its size. Raises NotWhole."""
    check_no_pointer(beginning)
    if len(beginning) < PREFIX_BYTES:
        raise NotWhole(f"is cut short: it holds {size} bytes; get it again")
    length = int.from_bytes(beginning[:PREFIX_BYTES], "little")
    begins_otherwise = len(beginning) > PREFIX_BYTES and beginning[PREFIX_BYTES:][:1] != b"{"
    if begins_otherwise or not 0 < length <= MAX_HEADER_BYTES:
        raise NotWhole("is no safetensors file: it does not begin with a header")
    if PREFIX_BYTES + length > size:
        raise NotWhole(f"is cut short: its header alone has {length:,} bytes, the file {size:,}; get it again")
    return length


def check_no_pointer(beginning: bytes) -> None:
    """Raises NotWhole where a file is only what Git LFS puts in its place."""
    if beginning.startswith(_POINTER):
        raise NotWhole(
            "is a pointer of Git LFS and not the file itself: run `git lfs pull`, or get it with `hf download`"
        )


def tensor_names(header: bytes, data_bytes: int) -> frozenset[str]:
    """The names of the tensors, which must fill `data_bytes` exactly. Raises NotWhole."""
    try:
        entries = msgspec.json.decode(header, type=dict[str, Any])
        entries.pop("__metadata__", None)
        spans = sorted(_span(entry) for entry in entries.values())
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
        raise NotWhole("is no safetensors file: its header does not say where its tensors lie") from error
    end = 0
    for start, stop in spans:
        if start != end or stop < start:
            raise NotWhole("is damaged: its tensors overlap, or leave gaps")
        end = stop
    if end > data_bytes:
        raise NotWhole(
            f"is cut short: its header promises {end:,} bytes of tensors, it holds {data_bytes:,}; get it again"
        )
    if end < data_bytes:
        raise NotWhole(f"holds {data_bytes - end:,} bytes more than its header says: it is damaged; get it again")
    return frozenset(entries)


def _span(entry: Any) -> tuple[int, int]:
    start, stop = entry["data_offsets"]
    return int(start), int(stop)
