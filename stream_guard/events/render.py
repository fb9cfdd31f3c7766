"""An event -> what of it is judged, as the model will read it: pure and injective.

A turn is one line of JSON. Inside of its strings no line separator or control character of Unicode stands unescaped, so
a line of the rendered text is a turn, whatever was written: no text can forge a turn, a role, or the border between
context and what is judged. Other letters stay as they are, for the model to read.

A text part is shown as a string, and a part of another type as the object `{"type": ...}` in its place. Two events that
show the same differ only in what nobody wrote as text: the other fields of such parts, and, in a bare message, in how
its text is cut into parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec.json import Encoder

from stream_guard.errors import InvariantViolated
from stream_guard.events.content import Coverage, Judged
from stream_guard.events.model import Chat, Completion, Content, Event, Message, Part, Turn, View

_ENCODE_LINES = Encoder().encode_lines
_ONE_TEXT = Coverage(1, (), 0, complete=True)
_UNSAFE_IN_LINE = re.compile("[\x7f-\x9f\u2028\u2029]")
"""What JSON leaves unescaped and some reader takes for the end of a line or for a control; JSON escapes U+0000-001F."""


def judged(event: Event, view: View, earlier: Sequence[Turn] = ()) -> Judged:
    """What is judged of this event under this view. `earlier` are the messages before a message, oldest first, as turns.

    - `message`: `text` is the raw text, text parts joined by a newline; there is no context.
    - `message_in_context`: `text` is the line of the message as a turn, `context` the lines of the earlier ones.
    - `last_turn`: `text` is the line of the last turn, `context` the lines of the earlier ones.
    - `chat`: `text` is the lines of all turns; there is no context.
    - `completion`: `text` is the line of the completion (role `assistant`), `context` the lines of the prompt.

    The coverage counts text parts (a plain text is one) and names unsupported parts, both of what is judged and of its
    context. Raises InvariantViolated for a view of another kind of event.
    """
    if isinstance(event, Message) and view is View.MESSAGE:
        return _message(event)
    if isinstance(event, Message) and view is View.MESSAGE_IN_CONTEXT:
        return _in_context(view, earlier, (turn_of(event),))
    if isinstance(event, Chat) and view is View.LAST_TURN:
        return _in_context(view, event.turns[:-1], event.turns[-1:])
    if isinstance(event, Chat) and view is View.CHAT:
        return _in_context(view, (), event.turns)
    if isinstance(event, Completion) and view is View.COMPLETION:
        return _in_context(view, event.prompt, (Turn("assistant", event.completion),))
    msg = f"view {view} of a {type(event).__name__}"
    raise InvariantViolated(msg)


def has_text(event: Event, view: View) -> bool:
    """Whether anything of what is judged is text that says something; its context does not count."""
    if isinstance(event, Message):
        contents: Iterable[Content] = (event.content,)
    elif isinstance(event, Completion):
        contents = (event.completion,)
    else:
        contents = (turn.content for turn in (event.turns[-1:] if view is View.LAST_TURN else event.turns))
    return any(map(_says, contents))


def _says(content: Content) -> bool:
    if isinstance(content, str):
        return bool(content.strip())
    return any(part.type == "text" and (part.text or "").strip() for part in content)


def turn_of(message: Message) -> Turn:
    """A message as a turn among others, under its author's name."""
    return Turn("user", message.content, message.author)


def _message(event: Message) -> Judged:
    content = event.content
    if isinstance(content, str):
        return Judged(View.MESSAGE, "", content, _ONE_TEXT)
    text = "\n".join(part.text or "" for part in content if part.type == "text")
    return Judged(View.MESSAGE, "", text, _coverage([content], 0))


def _in_context(view: View, context: Sequence[Turn], turns: Sequence[Turn]) -> Judged:
    coverage = _coverage([turn.content for turn in (*context, *turns)], len(context))
    return Judged(view, lines_of(context), lines_of(turns), coverage)


def lines_of(turns: Iterable[Turn]) -> str:
    """The lines of turns, one a turn, without a line break at the end."""
    lines = _ENCODE_LINES([_shown(turn) for turn in turns]).decode().removesuffix("\n")
    return _UNSAFE_IN_LINE.sub(_escape, lines)


def _escape(character: re.Match[str]) -> str:
    return f"\\u{ord(character[0]):04x}"


def _shown(turn: Turn) -> dict[str, object]:
    content = turn.content
    shown = content if isinstance(content, str) else [_shown_part(part) for part in content]
    if turn.name is None:
        return {"role": turn.role, "content": shown}
    return {"role": turn.role, "name": turn.name, "content": shown}


def _shown_part(part: Part) -> str | dict[str, str]:
    return part.text or "" if part.type == "text" else {"type": part.type}


def _coverage(contents: Iterable[Content], context_turns: int) -> Coverage:
    text_parts = 0
    unsupported: list[str] = []
    for content in contents:
        if isinstance(content, str):
            text_parts += 1
        else:
            others = [part.type for part in content if part.type != "text"]
            text_parts += len(content) - len(others)
            unsupported += others
    return Coverage(text_parts, tuple(unsupported), context_turns, complete=not unsupported)
