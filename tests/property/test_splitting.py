"""Whatever is split: nothing that is judged gets lost, and no segment shows a turn that nobody wrote."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Completion, Content, Message, Turn, View
from stream_guard.events.render import judged
from stream_guard.events.splitting import split, turns_in, with_latest
from tests.property.test_event_rendering import lines, parsed, parts, seen, seen_content, texts, turn_lists

pieces = st.integers(2, 9)
overlaps = st.integers(0, 60)
distinct = st.integers(2, 600).map(lambda count: "".join(chr(0x4E00 + n) for n in range(count)))
"""Texts in which each character says where it stands."""


def written_in(turns: Sequence[Turn]) -> str:
    """All that turns say, end to end."""
    return "".join(said(turn.content) for turn in turns)


def said(content: Content) -> str:
    """The text of a content, with a mark where a part is none."""
    return content if isinstance(content, str) else "".join(part.text or f"({part.type})" for part in content)


def covered(whole: str, segments: Sequence[str]) -> bool:
    """Whether the segments, each laid over the end of what is covered so far, have all of a text."""
    reached = 0
    for segment in segments:
        starts = (start for start in range(reached, -1, -1) if whole.startswith(segment, start))
        start = next(starts, None)
        if start is None:
            return False
        reached = max(reached, start + len(segment))
    return reached == len(whole)


@given(texts, pieces, overlaps)
def test_every_character_of_a_message_stands_in_a_segment(text: str, count: int, overlap: int) -> None:
    """They are parts of it, in order, without a gap."""
    assume(text)
    segments = split(judged(Message(content=text), View.MESSAGE), count, overlap)
    assert covered(text, [segment.text for segment in segments])
    assert len(segments) == min(count, len(text))


@given(distinct, pieces, overlaps)
def test_neighbours_share_what_was_asked_for_and_all_get_shorter(text: str, count: int, overlap: int) -> None:
    """An overlap of more than half of a segment is cut down, so that splitting always ends."""
    segments = [s.text for s in split(judged(Message(content=text), View.MESSAGE), count, overlap)]
    for one, next_one in pairwise(segments):
        shared = one[one.index(next_one[0]) :] if next_one[0] in one else ""
        assert next_one.startswith(shared)
        assert len(shared) >= min(overlap, len(text) // (min(count, len(text)) + 1))
    assert max(map(len, segments)) < len(text)


@given(turn_lists, pieces, overlaps)
def test_every_segment_of_a_chat_shows_turns_that_somebody_wrote(
    written: tuple[Turn, ...], count: int, overlap: int
) -> None:
    """Its lines are whole, their roles and names are the turns' own, and together they say all that the chat says."""
    whole = judged(Chat(turns=written), View.CHAT)
    segments = split(whole, count, overlap)
    shown = [[parsed(line) for line in lines(segment.text)] for segment in segments]
    originals = [seen(turn) for turn in written]
    assert covered(written_in(originals), [written_in(turns) for turns in shown])
    for turns in shown:
        assert any(_are_part(turns, originals[at : at + len(turns)]) for at in range(len(originals)))
    speakers = [(turn.role, turn.name) for turns in shown for turn in turns]
    assert [s for s in speakers if s not in [(turn.role, turn.name) for turn in originals]] == []
    assert {(turn.role, turn.name) for turn in originals} == set(speakers)


def _are_part(turns: Sequence[Turn], originals: Sequence[Turn]) -> bool:
    return len(turns) == len(originals) and all(
        (turn.role, turn.name) == (original.role, original.name) and said(turn.content) in said(original.content)
        for turn, original in zip(turns, originals, strict=True)
    )


@given(turn_lists, texts | parts, pieces, overlaps)
def test_a_segment_of_a_completion_keeps_its_context(
    prompt: tuple[Turn, ...], completion: Content, count: int, overlap: int
) -> None:
    """It is one line of the model's, beside the whole prompt, with the coverage of the whole."""
    whole = judged(Completion(prompt=prompt, completion=completion), View.COMPLETION)
    for segment in split(whole, count, overlap):
        (turn,) = map(parsed, lines(segment.text))
        assert (turn.role, turn.name) == ("assistant", None)
        assert said(turn.content) in said(seen_content(completion))
        assert Judged(segment.view, segment.context, whole.text, segment.coverage, segment.signals) == whole


@given(turn_lists)
def test_turns_are_read_back_from_their_lines(written: tuple[Turn, ...]) -> None:
    """As far as lines show them."""
    assert turns_in(judged(Chat(turns=written), View.CHAT).text) == [seen(turn) for turn in written]


@given(turn_lists, st.integers(0, 5))
def test_the_latest_turns_of_a_context_are_those_of_a_shorter_chat(written: tuple[Turn, ...], kept: int) -> None:
    """As if the event had never had the earlier ones, but for the signal; what is judged stays as it is."""
    whole = judged(Chat(turns=written), View.LAST_TURN)
    less = with_latest(whole, kept)
    shorter = judged(Chat(turns=written[-1 - kept :]), View.LAST_TURN)
    assert (less.context, less.text) == (shorter.context, shorter.text)
    assert less.coverage.context_turns == shorter.coverage.context_turns
    assert (less.coverage.text_parts, less.coverage.unsupported_parts) == (
        shorter.coverage.text_parts,
        shorter.coverage.unsupported_parts,
    )
    assert less.coverage.complete == whole.coverage.complete
    assert less.signals == (("context_cut",) if kept < len(written) - 1 else ())
