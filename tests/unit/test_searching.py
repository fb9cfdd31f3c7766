"""The search for what must not be there finds what is: a planted leak, in every form and anywhere."""

from __future__ import annotations

import base64
import json
import os
import pickle
import struct
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import msgspec
import pytest
from tokenizers import Tokenizer

from stream_guard.engines.small_model import small_model_folder
from tests import searching
from tests.searching import SHARED_MEMORY, Needle, Search, Watch, inner_tokens

TEXT = 'Frau "Zwölf" sah sieben Marmeladen\\Zebras auf Sansibar'


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """The small model's."""
    return Tokenizer.from_file(str(small_model_folder() / "tokenizer.json"))


@pytest.fixture(scope="module")
def needle(tokenizer: Tokenizer) -> Needle:
    """The text to look for."""
    return Needle(TEXT, {"small": tokenizer})


@pytest.mark.parametrize("around", [("", ""), ("See: ", "!"), ("ab", "yz"), ("ü\n", "\t"), ("Is it true that ", "?")])
def test_a_text_is_found_however_it_is_written(needle: Needle, around: tuple[str, str]) -> None:
    """Plain, escaped once and twice, in Base64 at each of the three alignments, in hexadecimal."""
    leak = TEXT.join(around)
    for ascii_only in (True, False):
        once = json.dumps({"event": leak}, ensure_ascii=ascii_only)
        assert needle.found(once.encode())
        assert needle.found(json.dumps([once], ensure_ascii=ascii_only).encode())
    for shift in range(4):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            assert needle.found(b"data:" + encode(b"x" * shift + leak.encode()))
    for form in (leak, repr(leak), repr(leak.encode()), repr([leak]), leak.encode().hex(), f"{leak!a}"):
        assert needle.found(form.encode())


@pytest.mark.parametrize("around", [("", ""), ("See: ", "!"), ("ab", "yz"), ("ü\n", "\t"), ("Is it true that ", "?")])
def test_its_tokens_are_found(needle: Needle, tokenizer: Tokenizer, around: tuple[str, str]) -> None:
    """Whatever stands beside it: as a list of JSON, with commas or blanks, and as the bytes of numbers."""
    for ids in (tokenizer.encode(TEXT.join(around)).ids, list(TEXT.join(around).encode())):
        for form in (
            json.dumps(ids),
            json.dumps(ids, separators=(",", ":")),
            " ".join(map(str, ids)),
            repr(tuple(ids)),
        ):
            assert needle.found(form.encode())
        for kind in "HIq":
            assert needle.found(b"\0\1" + struct.pack(f"<{len(ids)}{kind}", *ids))
        assert needle.found(msgspec.msgpack.encode([1, ids]))
        assert needle.found(pickle.dumps({"ids": ids}))


def test_a_needle_is_long_enough_in_every_form(needle: Needle, tokenizer: Tokenizer) -> None:
    """What is looked for could not stand there by chance."""
    assert len(inner_tokens(TEXT, tokenizer)) >= 10
    assert min(map(len, needle.forms.values())) >= 20


def test_what_is_not_it_is_not_found(needle: Needle, tokenizer: Tokenizer) -> None:
    """A text that shares its words, and its tokens in another order."""
    other = " ".join(reversed(TEXT.split()))
    ids = tokenizer.encode(TEXT).ids
    for data in (other, json.dumps(other), json.dumps(ids[::-1]), base64.b64encode(other.encode()).decode()):
        assert needle.found(data.encode()) == []


def test_a_leak_is_told_with_its_place_and_form(needle: Needle) -> None:
    """And what was looked at is told, too: a search of nothing finds nothing."""
    search = Search([needle])
    search.look("stderr", "nothing")
    search.look("stderr", f"something: {TEXT}")
    assert ("stderr", TEXT, "plain") in search.finds
    assert search.searched["stderr"] > len(TEXT)


def test_files_that_live_for_a_moment_are_looked_at(needle: Needle, tmp_path: Path) -> None:
    """At every look all that changed; a pipe is no file."""
    search = Search([needle])
    os.mkfifo(tmp_path / "pipe")
    watch = Watch(search, [tmp_path], tuple)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "core").write_bytes(b"\0" * 1000 + TEXT.encode())
    watch.look()
    (tmp_path / "deep" / "core").unlink()
    assert search.finds == {(f"file {tmp_path}/deep/core", TEXT, "plain")}


@pytest.mark.parametrize("cut", [1, 10, len(TEXT.encode()) - 1])
def test_what_is_written_in_two_goes_is_found(needle: Needle, tmp_path: Path, cut: int) -> None:
    """A file that only grew is looked through from before its old end on, and no further before it."""
    search, file, leak = Search([needle]), tmp_path / "log", TEXT.encode()
    watch = Watch(search, [tmp_path], tuple)
    file.write_bytes(b"\n" * 100_000 + leak[:cut])
    watch.look()
    with file.open("ab") as log:
        log.write(leak[cut:])
    watch.look()
    assert search.finds == {(f"file {file}", TEXT, "plain")}
    assert search.searched[f"file {file}"] < 110_000
    assert watch.end(file) == 100_000 + len(leak)


def test_what_is_written_over_is_looked_through_whole(needle: Needle, tmp_path: Path) -> None:
    """At its beginning, whether the file stays as long as it was or grows."""
    file, filler = tmp_path / "ledger", b"\n" * 100_000
    for more in (b"", b"more"):
        search = Search([needle])
        watch = Watch(search, [tmp_path], tuple)
        file.write_bytes(filler)
        watch.look()
        with file.open("r+b") as ledger:
            ledger.write(TEXT.encode())
            ledger.seek(0, os.SEEK_END)
            ledger.write(more)
        watch.look()
        assert search.finds == {(f"file {file}", TEXT, "plain")}


def test_a_file_that_is_not_looked_through_to_its_end_is_told(
    needle: Needle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would know what is in the rest."""
    monkeypatch.setattr(searching, "MOST", 10)
    (tmp_path / "small").write_bytes(b"123456789")
    (tmp_path / "large").write_bytes(b"12345678901")
    watch = Watch(Search([needle]), [tmp_path], tuple)
    watch.look()
    assert watch.too_large == {tmp_path / "large"}
    assert watch.end(tmp_path / "small") == 9


def test_shared_memory_is_known_when_its_processes_are_gone(needle: Needle, tmp_path: Path) -> None:
    """By name: what is left of it can be found then."""
    memory = SharedMemory(create=True, size=100)
    watch = Watch(Search([needle]), [tmp_path], lambda: [os.getpid()])
    watch.look()
    memory.close()
    memory.unlink()
    watch.look()
    assert SHARED_MEMORY / memory.name in watch.shared


def test_a_file_that_is_written_elsewhere_is_told(needle: Needle, tmp_path: Path) -> None:
    """Where a process writes and nobody looks."""
    watched, other = tmp_path / "watched", tmp_path / "other"
    watched.mkdir()
    with other.open("w"), (watched / "fine").open("w"), Path(__file__).open():
        watch = Watch(Search([needle]), [watched], lambda: [os.getpid()])
        watch.look()
    assert str(other) in watch.elsewhere
    assert not any(name.startswith(str(watched)) or name == __file__ for name in watch.elsewhere)
