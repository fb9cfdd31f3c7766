"""How a content stands in a prompt: between fixed lines that no content can forge.

Context and the normalised view are JSON lines: each begins with `{` and holds no raw line break. The first line after them
that does not begin with `{` is therefore ours, and everything after the last line of ours is what is judged, whatever it says.
A message that has no view stands alone, unless it begins as if it had one, or a context (what it puts there would seem to be
none of what is judged): then it too comes after a line of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Completion, Event, Message, Role, Turn, View
from stream_guard.events.normalising import normalised
from stream_guard.events.render import judged
from stream_guard.policy.document import Example, ExampleTurn

CONTEXT_LINE = "Conversation so far, for context only (one JSON object per line):\n"

NORMALISED_LINE = (
    "What is judged below, with what it hides or disguises made plain, only to read it by (one JSON object per line):\n"
)
LONE_MESSAGE_LINE = "Judge this message:\n"

JUDGE_LINE: Mapping[View, str] = {
    View.MESSAGE: "",
    View.MESSAGE_IN_CONTEXT: "Judge this message, as it continues those above:\n",
    View.LAST_TURN: "Judge only this turn:\n",
    View.CHAT: "Judge the whole conversation (one JSON object per line):\n",
    View.COMPLETION: "Judge only this completion, which a model wrote:\n",
}
"""The line before what is judged. A message stands alone."""

_BEFORE_A_MESSAGE = (CONTEXT_LINE, NORMALISED_LINE, LONE_MESSAGE_LINE)


def frame(shown: Judged) -> str:
    """The text that the model reads of an event: context and normalised view, where there are any, and last what is judged."""
    judge_line = JUDGE_LINE[shown.view]
    if not judge_line and (shown.normalised or shown.text.startswith(_BEFORE_A_MESSAGE)):
        judge_line = LONE_MESSAGE_LINE
    border = f"{judge_line}{shown.text}"
    if shown.normalised:
        border = f"{NORMALISED_LINE}{shown.normalised}\n\n{border}"
    return f"{CONTEXT_LINE}{shown.context}\n\n{border}" if shown.context else border


def frame_example(example: Example, view: View) -> str:
    """The same for an example of a policy."""
    return frame(judged_example(example, view))


def judged_example(example: Example, view: View) -> Judged:
    """An example of a policy, as what is judged of an event of the view's kind, with its normalised view where it has one.

    A single text stands as a turn without context; a chat under the message view as the lines of its turns.
    """
    return normalised(_judged_example(example, view))


def _judged_example(example: Example, view: View) -> Judged:
    content = example.content
    if isinstance(content, str):
        return _judged(view, (ExampleTurn(_ROLES[view], content),))
    if view is View.MESSAGE:
        lines = judged(_event(View.CHAT, content), View.CHAT)
        return Judged(view, "", lines.text, lines.coverage)
    return _judged(view, content)


def _judged(view: View, turns: Sequence[ExampleTurn]) -> Judged:
    """In a chat as in a room, what stands before the last turn is its context."""
    if view is View.MESSAGE_IN_CONTEXT:
        *earlier, last = (Turn(cast("Role", turn.role), turn.content) for turn in turns)
        return judged(Message(content=last.content), view, earlier)
    return judged(_event(view, turns), view)


_ROLES: Mapping[View, Role] = {
    View.MESSAGE: "user",
    View.MESSAGE_IN_CONTEXT: "user",
    View.LAST_TURN: "user",
    View.CHAT: "user",
    View.COMPLETION: "assistant",
}


def _event(view: View, turns: Sequence[ExampleTurn]) -> Event:
    *earlier, last = (Turn(cast("Role", turn.role), turn.content) for turn in turns)
    if view is View.MESSAGE:
        return Message(content=last.content)
    if view is View.COMPLETION:
        return Completion(prompt=tuple(earlier), completion=last.content)
    return Chat(turns=(*earlier, last))


def well_formed(text: str) -> str:
    """The text with U+FFFD for every lone surrogate, so that any string can be encoded."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
