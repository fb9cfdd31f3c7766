"""Context follows from the log alone, or says that it may lack something; and memory is bounded whatever is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.contexts import Contexts
from stream_guard.events.model import Turn
from stream_guard.records import Lease, Record
from stream_guard.routing import Context

LEASES = (Lease("rooms", 0, 1), Lease("rooms", 1, 1))
ROOM = 10**6


class Said(NamedTuple):
    """One message of a log. `chars` are those of its line."""

    partition: int
    key: bytes
    at_ms: int
    chars: int


class Shown(NamedTuple):
    """What must be shown with a message, by their places in the log, and whether anything is left out of it."""

    places: list[int]
    whole: bool


messages = st.builds(
    Said,
    st.sampled_from((0, 0, 0, 1)),
    st.sampled_from((b"a", b"a", b"b", b"c")),
    st.integers(0, 40),
    st.integers(1, 30),
)
logs = st.lists(messages, min_size=12, max_size=40)
rising = logs.map(
    lambda log: [said._replace(at_ms=at) for said, at in zip(log, sorted(s.at_ms for s in log), strict=True)]
)
contexts = st.builds(
    Context,
    last=st.integers(1, 5),
    within_s=st.sampled_from((0.0, 0.003, 0.01, 0.04)),
    chars=st.integers(1, 60),
)
tight = st.sampled_from((0, 1_200, 2_500, 4_000, 8_000))


def expected(log: Sequence[Said], place: int, context: Context) -> Shown:
    """The definition, worked out the slow way: over the whole log, for one message of it."""
    said = log[place]
    before = [n for n, other in enumerate(log[:place]) if other[:2] == said[:2]][-context.last :]
    fitting: list[int] = []
    for number in reversed(before):
        if log[number].chars > context.chars:
            continue
        if sum(log[n].chars + 1 for n in fitting) + log[number].chars > context.chars:
            break
        fitting.append(number)
    young = [n for n in before if log[n].at_ms >= said.at_ms - context.within_s * 1000]
    shown = [n for n in young if n in fitting]
    return Shown(shown, whole=shown == young)


class Reader:
    """Reads a log from some place on, as a docket does."""

    def __init__(self, context: Context) -> None:
        self.contexts = Contexts({"room": context})
        self.shown: dict[int, Shown] = {}
        self.bytes = 0

    def read(self, log: Sequence[Said], first: int) -> None:
        """Everything from `first` on, the offset being the place in the log."""
        for place, said in list(enumerate(log))[first:]:
            record = Record(LEASES[said.partition], place, b"", timestamp_ms=said.at_ms)
            self.contexts.witness(record)
            turns, whole = self.contexts.recall("room", record, said.key, ROOM)
            self.shown[place] = Shown([int(turn.name or "") for turn in turns], whole)
            self.contexts.remember("room", record, said.key, Turn("user", "x" * said.chars, str(place)), said.chars)
            self.bytes = max(self.bytes, self.contexts.bytes)


@given(log=logs, context=contexts)
def test_who_read_all_and_forgot_nothing_shows_what_the_log_says(log: list[Said], context: Context) -> None:
    """In whatever order the timestamps come; only what did not fit is told as missing."""
    reader = Reader(context)
    # A memory that begins at offset 0 knows that nothing was before; each partition begins there in its turn.
    for lease in LEASES:
        reader.contexts.witness(Record(lease, 0, b""))
    reader.read(log, 0)
    assert reader.shown == {place: expected(log, place, context) for place in range(len(log))}


@given(log=rising, context=contexts, first=st.integers(0, 8), bytes=tight)
def test_who_forgets_or_begins_late_never_passes_a_part_for_the_whole(
    log: list[Said], context: Context, first: int, bytes: int
) -> None:
    """What is shown are the newest of what the log says; it is all of it, or it is said that it may not be."""
    reader = Reader(Context(context.last, within_s=context.within_s, chars=context.chars, bytes=bytes))
    reader.read(log, first)
    for place, shown in reader.shown.items():
        due = expected(log, place, context)
        assert shown == due or not shown.whole
        assert shown.places == due.places[len(due.places) - len(shown.places) :]


@given(log=logs, context=contexts, bytes=tight)
def test_the_bound_on_memory_holds(log: list[Said], context: Context, bytes: int) -> None:
    """After every message, and nothing is left once the leases have ended."""
    reader = Reader(Context(context.last, within_s=context.within_s, chars=context.chars, bytes=bytes))
    reader.read(log, 0)
    assert reader.bytes <= bytes
    reader.contexts.forget(LEASES)
    assert reader.contexts.bytes == 0


@given(log=rising, context=contexts, crash=st.integers(0, 8))
def test_a_redelivered_record_has_the_same_context(log: list[Said], context: Context, crash: int) -> None:
    """Whoever reads again from far enough back shows the same, whatever was committed between."""
    reader = Reader(context)
    reader.read(log, 0)
    again = Reader(context)
    again.read(log, crash)
    for place, shown in again.shown.items():
        assert shown == reader.shown[place] or not shown.whole
