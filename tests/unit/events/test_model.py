"""What an event tells of itself."""

from __future__ import annotations

import pytest

from stream_guard.events.model import Chat, Completion, Event, Message, Part, Turn

WRITTEN = "what somebody wrote"
PARTS = (Part("text", WRITTEN), Part("image"))


@pytest.mark.parametrize(
    "event",
    [
        Message(content=WRITTEN, id=WRITTEN, author=WRITTEN, attributes={WRITTEN: WRITTEN}),
        Chat(turns=(Turn("user", WRITTEN, name=WRITTEN), Turn("assistant", PARTS))),
        Completion(prompt=(Turn("user", PARTS),), completion=WRITTEN),
    ],
)
def test_no_repr_shows_what_was_written(event: Event) -> None:
    """A repr may end in a log or a traceback."""
    turns = event.turns if isinstance(event, Chat) else event.prompt if isinstance(event, Completion) else ()
    assert WRITTEN not in repr(event) + repr(turns) + repr(PARTS)


def test_a_repr_tells_what_helps() -> None:
    """Kind, role, type and size."""
    assert repr(Message(content=WRITTEN)) == "Message(...)"
    assert repr((Turn("user", WRITTEN), *PARTS[:1])) == "(Turn(user, 19 characters), Part(text, 19 characters))"
