"""What passes through the engine port tells no content."""

from __future__ import annotations

from stream_guard.engines.port import Ask, AskId, Completion, LabelRead, Text, Turn
from stream_guard.prompting.port import Rendered

WRITTEN = "what somebody wrote"


def test_no_repr_shows_a_prompt_or_a_reply() -> None:
    """A repr may end in a log or a traceback; a reply may quote the content."""
    turns = (Turn("user", WRITTEN),)
    shown = [
        repr(Ask(AskId(1), [11, 12], LabelRead((3, 4)), turns)),
        repr(Rendered([11, 12], turns)),
        repr(Completion(AskId(1), Text((11, 12), WRITTEN, finished=False))),
        repr(turns),
    ]
    assert all(WRITTEN not in text and "11, 12" not in text for text in shown)
    assert shown[0] == "Ask(1, LabelRead, 2 tokens, 1 turns)"
    assert "Text(2 tokens, 19 characters, cut)" in shown[2]
