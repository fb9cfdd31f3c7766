"""Whatever is written: undoing obfuscation never fails, adds nothing, and finds what was hidden in a plain text."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_guard.events.model import Chat, Message, View
from stream_guard.events.normalising import normalised
from stream_guard.events.obfuscation.kinds import Kind
from stream_guard.events.obfuscation.undo import _STEPS, is_suspect, undo
from stream_guard.events.render import judged
from tests.prompts import EXAMPLES
from tests.property.test_event_rendering import parsed, turn_lists

many = settings(max_examples=EXAMPLES, deadline=None)
STRANGE = (
    "\u200b", "\u200d", "\u00ad", "\u202e", "\u202c", "\u2066", "\U000e0061", "\U000e007f", "\U0001f3f4", "\ufe0f", "\ufe01",
    "\U000e0123", "\u0430", "\u03bf", "\u0436", "\U0001d41a", "\uff41", "a", "t", "3", "0", "$", "aGVs", "bG8g", "=", " ", "\n", ".",
    "\u6f22", "\u0301", "\ud800",
)  # fmt: skip
strange = st.one_of(st.text(), st.lists(st.sampled_from(STRANGE) | st.text(max_size=3), max_size=40).map("".join))
words = st.lists(st.sampled_from(["tea", "harbour", "train", "maps", "rain", "walk"]), min_size=4, max_size=12)


@many
@given(strange)
def test_any_text_is_undone_and_never_grows(text: str) -> None:
    """The bound on which its room rests; and what is no suspect has nothing to undo."""
    undone = undo(text)
    if undone is not None:
        assert is_suspect(text)
        assert undone.text != text
        assert len(undone.text) <= len(text)
        assert sorted(undone.kinds, key=list(Kind).index) == list(undone.kinds)


@many
@given(strange)
def test_no_suspect_is_passed_over(text: str) -> None:
    """The cheap look misses nothing that would be undone."""
    if not is_suspect(text):
        assert all(step(text) == text for _, step in _STEPS)


@many
@given(words, st.data())
def test_what_was_put_into_a_text_is_taken_out(plain: list[str], data: st.DataObject) -> None:
    """Of each kind that hides a text whole."""
    text = " ".join(plain)
    hide = data.draw(st.sampled_from(["gaps", "tags", "selectors", "override", "base64", "hex"]))
    hidden = {
        "gaps": "\u200b".join(text),
        "tags": "".join(chr(0xE0000 + ord(c)) for c in text),
        "selectors": "".join(chr(0xE0100 + ord(c) - 16) for c in text),
        "override": f"\u202e{text[::-1]}\u202c",
        "base64": base64.b64encode(text.encode()).decode(),
        "hex": text.encode().hex() + (b" tea" * 9).hex(),
    }[hide]
    undone = undo(hidden)
    assert undone is not None
    found = undone.text.replace("\u200b", "").removesuffix(" tea" * 9)
    assert found == text


@many
@given(turn_lists, strange, st.integers(0, 200))
def test_a_view_keeps_within_its_room_and_touches_nothing_else(
    written: tuple[object, ...], text: str, most: int
) -> None:
    """Context, text and coverage stay as they are; the lines of the view are turns of the content, in order."""
    text = text.encode("utf-8", "replace").decode()
    for whole in (judged(Message(content=text), View.MESSAGE), judged(Chat(turns=written), View.CHAT)):  # type: ignore[arg-type]
        seen = normalised(whole, most)
        assert (seen.context, seen.text, seen.coverage) == (whole.context, whole.text, whole.coverage)
        assert len(seen.normalised) <= most
        unbounded = normalised(whole)
        assert seen.normalised in {"", unbounded.normalised}
        assert seen.signals == unbounded.signals
        lines = unbounded.normalised.splitlines()
        speakers = [(turn.role, turn.name) for turn in map(parsed, lines)]
        originals = (
            [("user", None)]
            if whole.view is View.MESSAGE
            else [(t.role, t.name) for t in map(parsed, whole.text.splitlines())]
        )
        remaining = iter(originals)
        assert all(speaker in remaining for speaker in speakers)
