"""Conversations out of single messages: what is shown, what is not, and when it says that something may be missing."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from stream_guard.contexts import Contexts, Key, Recalled
from stream_guard.events.model import Part, Turn
from stream_guard.records import Lease, Record
from stream_guard.routing import Context

LEASE = Lease("rooms", 0, 1)
OTHER = Lease("rooms", 1, 2)
NOW = 1_790_000_000_000
PLENTY = 1_000_000
CONTEXT = Context(last=3, within_s=60.0, chars=100)


def make_record(offset: int, age_s: float | None = 0.0, lease: Lease = LEASE) -> Record:
    """A record, by where it stands and how old it is; None is a record without a timestamp."""
    return Record(lease, offset, b"", timestamp_ms=None if age_s is None else NOW - round(age_s * 1000))


class Room:
    """One route's memory, told of messages under one key."""

    def __init__(self, context: Context = CONTEXT, *, begins: int = 0, began_s: float | None = 0.0) -> None:
        """The first record that is read stands at `begins`, and is `began_s` old."""
        self.contexts = Contexts({"room": context})
        self._offset = begins
        self.contexts.witness(make_record(begins, began_s))

    def say(self, text: str, age_s: float | None = 0.0, key: Key = b"k") -> None:
        """A message; its line is as long as its text."""
        self._offset += 1
        self.contexts.remember("room", make_record(self._offset, age_s), key, Turn("user", text), len(text))

    def ask(self, age_s: float | None = 0.0, key: Key = b"k", room: int = PLENTY) -> Recalled:
        """What is shown with a message of this age."""
        return self.contexts.recall("room", make_record(self._offset + 1, age_s), key, room)

    def texts(self, **asked: object) -> tuple[list[str], bool]:
        """The same, as texts."""
        turns, whole = self.ask(**asked)  # type: ignore[arg-type]  # what `ask` takes
        return [str(turn.content) for turn in turns], whole


def test_the_last_messages_are_shown_oldest_first() -> None:
    """No more than `last`, and then there is no more to know."""
    room = Room(begins=50)
    for text in ("one", "two", "three", "four"):
        room.say(text)
    assert room.texts() == (["two", "three", "four"], True)


def test_the_first_message_of_a_log_has_all_the_context_there_is() -> None:
    """Nothing stands before offset 0."""
    assert Room().ask() == Recalled((), whole=True)


def test_another_key_says_nothing_here() -> None:
    """Nor does a text key that reads like a binary one."""
    room = Room()
    room.say("mine")
    room.say("other", key=b"other")
    room.say("text", key="k")
    assert room.texts() == (["mine"], True)


def test_another_lease_says_nothing_here() -> None:
    """The same key in another partition is not known to come before or after."""
    room = Room()
    room.say("mine")
    assert room.contexts.recall("room", make_record(1, lease=OTHER), b"k", PLENTY).turns == ()


def test_each_route_remembers_by_itself() -> None:
    """The same key on another route is another conversation."""
    contexts = Contexts({"one": CONTEXT, "two": CONTEXT})
    contexts.remember("one", make_record(1), b"k", Turn("user", "hello"), 5)
    assert contexts.recall("two", make_record(2), b"k", PLENTY).turns == ()


def test_a_message_that_is_too_old_is_left_out() -> None:
    """Counted back from the message that is judged; to the millisecond it is still shown."""
    room = Room()
    room.say("old", age_s=60.001)
    room.say("just in time", age_s=60.0)
    assert room.texts() == (["just in time"], True)
    assert room.texts(age_s=0.002) == (["old", "just in time"], True)


def test_without_a_timestamp_nothing_is_too_old() -> None:
    """Neither for a message that has none, nor of one that has none."""
    room = Room()
    room.say("ancient", age_s=1e6)
    room.say("undated", age_s=None)
    assert room.texts() == (["undated"], True)
    assert room.texts(age_s=None) == (["ancient", "undated"], True)


def test_the_oldest_go_first_where_all_do_not_fit() -> None:
    """Line ends count; and what was cut is told."""
    room = Room(Context(last=3, chars=11))
    for text in ("aaaaa", "bbbbb", "ccccc"):
        room.say(text)
    assert room.texts() == (["bbbbb", "ccccc"], False)
    assert room.texts(room=10) == (["ccccc"], False)
    assert room.texts(room=-5) == ([], False)


def test_what_was_cut_does_not_count_once_it_is_too_old_or_too_far_back() -> None:
    """It would not be shown anyway."""
    room = Room(Context(last=2, within_s=60, chars=5))
    room.say("aaaaa", age_s=100)
    room.say("bbbbb", age_s=50)
    assert room.texts(age_s=50) == (["bbbbb"], False)
    assert room.texts() == (["bbbbb"], True)


def test_a_message_that_never_fits_is_left_out_and_hides_none_before_it() -> None:
    """A long text is no way to blank what was said before."""
    room = Room()
    room.say("before")
    room.say("x" * 101)
    room.say("after")
    assert room.texts() == (["before", "after"], False)


def test_a_memory_that_began_late_says_so_until_it_reaches_back_far_enough() -> None:
    """Either it has `last` messages, or it was there for all of `within_s`."""
    room = Room(begins=7, began_s=10.0)
    assert room.ask() == Recalled((), whole=False)
    room.say("one", age_s=5)
    room.say("two", age_s=4)
    assert room.texts() == (["one", "two"], False)
    assert room.texts(age_s=-50.0) == (["one", "two"], False)
    assert room.texts(age_s=-50.001) == (["one", "two"], True)
    room.say("three", age_s=4)
    assert room.texts() == (["one", "two", "three"], True)


def test_a_memory_that_began_with_an_undated_record_never_knows() -> None:
    """What came before it may be of any age."""
    assert not Room(begins=7, began_s=None).ask(age_s=-1e6).whole


def test_the_key_that_was_silent_for_longest_is_forgotten_first() -> None:
    """And from then on nobody can know what a key without a thread had said, as long as it would be shown."""
    room = Room(Context(last=3, within_s=60, chars=1000, bytes=4_500))
    for key in (b"a", b"b", b"c"):
        room.say("x" * 100, key=key, age_s=30)
    room.say("again", key=b"a", age_s=20)
    room.say("y" * 100, key=b"d", age_s=10)
    assert room.contexts.bytes <= 4_500
    assert room.texts(key=b"a")[0] == ["x" * 100, "again"]
    assert room.texts(key=b"b") == ([], False)
    assert room.texts(key=b"never heard of") == ([], False)
    assert room.texts(key=b"never heard of", age_s=-30.001) == ([], True)
    assert room.texts(key=b"a")[1]


def test_a_thread_that_is_made_again_knows_that_it_was_forgotten() -> None:
    """Its horizon is that of the day on which it began again."""
    room = Room(Context(last=3, within_s=60, chars=1000, bytes=2_800))
    room.say("first", key=b"a")
    room.say("second", key=b"b")
    room.say("third", key=b"c")
    room.say("back", key=b"a")
    assert room.texts(key=b"a") == (["back"], False)


def test_a_message_that_is_larger_than_all_memory_is_forgotten_at_once() -> None:
    """The bound holds whatever the input; it is told."""
    room = Room(Context(last=3, chars=100_000, bytes=5_000))
    room.say("x" * 50_000)
    assert room.contexts.bytes == 0
    assert room.texts() == ([], False)


def test_a_key_that_talks_on_takes_no_more_memory() -> None:
    """Of each key only the last messages are held, and of those only what fits."""
    room = Room(Context(last=3, chars=100))
    for _ in range(5):
        room.say("x" * 60)
    held = room.contexts.bytes
    for _ in range(50):
        room.say("x" * 60)
    assert room.contexts.bytes == held < 700 + 3 * 320 + 300


def test_a_lease_that_ends_takes_its_memory_along() -> None:
    """The next lease of the same partition begins with nothing, and knows that."""
    room = Room()
    room.say("mine")
    room.contexts.forget([LEASE, OTHER])
    again = LEASE._replace(epoch=9)
    room.contexts.witness(make_record(5, lease=again))
    assert room.contexts.recall("room", make_record(6, lease=again), b"k", PLENTY) == Recalled((), whole=False)
    assert room.contexts.bytes == 0


@pytest.mark.parametrize("key", [b"k" * 100_000, "k" * 100_000, "\ud800" * 65])
def test_a_long_key_is_kept_short(key: Key) -> None:
    """And stays apart from others."""
    room = Room()
    room.say("mine", key=key)
    assert room.contexts.bytes < 2_000
    assert room.texts(key=key) == (["mine"], True)
    assert room.texts(key=key[:-1]) == ([], True)


@pytest.mark.parametrize("text", ["short", "naïve " * 20, "日本語" * 50, "🙂" * 100, "plain " * 500])
def test_what_is_counted_is_what_is_held(text: str) -> None:
    """Of every kind of text: all that the memory takes of this process is within what it counts."""
    contexts = Contexts({"room": Context(last=5, chars=1_000_000, bytes=10**9)})
    gc.collect()
    tracemalloc.start()
    for number in range(6_000):
        content = f"{number} {text}" if number % 3 else (Part("text", f"{number} {text}"), Part(f"image-{number}"))
        turn, key = Turn("user", content, f"author {number}"), b"room %d" % (number % 1_500)
        contexts.remember("room", make_record(number), key, turn, len(text))
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * contexts.bytes < held <= contexts.bytes
