"""Arrays of turns: objects that say who speaks and what was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stream_guard.proposal.fields import Sureness, TextField, texts
from stream_guard.proposal.looks import Look
from stream_guard.proposal.names import ROLES, SPEAKER_NAMES, author_likeness, joined, rank
from stream_guard.proposal.paths import EVERY, Path, expressible, values_at
from stream_guard.proposal.profile import Field, Profile, profile

_MEANINGS: Mapping[str, str] = {
    "system": "system",
    "developer": "developer",
    "tool": "tool", "function": "tool", "toolresult": "tool",
    **dict.fromkeys(
        ("user", "human", "customer", "client", "visitor", "guest", "member", "caller", "buyer", "patient", "student",
         "requester", "enduser", "incoming", "inbound", "prompter", "shopper", "contact", "consumer", "player"), "user"),
    **dict.fromkeys(
        ("assistant", "ai", "bot", "agent", "model", "gpt", "chatgpt", "chatbot", "operator", "support", "staff", "rep",
         "representative", "advisor", "seller", "outgoing", "outbound", "helpdesk", "employee", "admin", "llm", "tutor"),
        "assistant"),
}  # fmt: skip
"""What platforms call who speaks, and the role that it is here."""
ROLE_NAMES = frozenset({"system", "developer", "user", "assistant", "tool"})
_ASIDE = frozenset({"history", "context", "replies", "comments", "quotes", "previous", "parents", "examples", "tools"})
"""Names of turns that stand beside the text that was just written."""
_OBJECTS, _KNOWN, _PRESENT = 0.9, 0.95, 0.9
_MAX_ROLES = 12


class Turns(NamedTuple):
    """An array of turns. The paths of role, text and name begin at a turn."""

    array: Path
    documents: int
    """In how many documents it holds something."""
    role: Path | None
    """None where nothing says a role: then every turn is a user's."""
    text: TextField
    name: Path | None
    roles: Mapping[str, str]
    """The values that are not roles as we call them, and what they mean."""
    aside: bool
    """Whether its name says that it is only what came before."""
    elements: Profile
    sure: Sureness


def find_turns(found: Profile, documents: Sequence[Any]) -> Turns | None:
    """The array of turns in most of the documents, None where there is none."""
    every = [turns for array in _arrays(found) if (turns := _turns_at(array, documents)) is not None]
    return max(every, key=lambda turns: (turns.documents, -len(turns.array)), default=None)


def role_of(value: object) -> str | None:
    """The role that a value names, None where it names none that is known."""
    return _MEANINGS.get(joined(value)) if isinstance(value, str) else None


def _arrays(found: Profile) -> Iterator[Field]:
    for field in found.fields.values():
        element = found.fields.get((*field.path, EVERY))
        if element is None or field.below_array or not expressible(field.path):
            continue
        if element.portion(Look.OBJECT) >= _OBJECTS:
            yield field


def _turns_at(array: Field, documents: Sequence[Any]) -> Turns | None:
    elements = [e for document in documents for e in values_at(document, (*array.path, EVERY)) if isinstance(e, dict)]
    found = profile(elements)
    role = _role(found)
    text = next((t for t in texts(found) if role is None or t.path != role.path), None)
    if text is None:
        return None
    name = _name(found, text.path if role is None else role.path, text.path)
    if role is None and name is None:
        return None
    plain = role is not None and role.name == "role"
    return Turns(
        array=array.path,
        documents=array.documents,
        role=None if role is None else role.path,
        text=text,
        name=name,
        roles={} if role is None else _renamed(role),
        aside=joined(array.name) in _ASIDE,
        elements=found,
        sure=Sureness.SURE if plain and text.sure is Sureness.SURE else Sureness.LIKELY,
    )


def _renamed(role: Field) -> dict[str, str]:
    return {
        value: meaning
        for value in role.values
        if value not in ROLE_NAMES and (meaning := role_of(value)) is not None and value.isprintable()
    }


def _role(found: Profile) -> Field | None:
    """The field whose values are roles, by its values first: nearly all must be known."""
    fields = [field for field in found.fields.values() if _names_roles(field, found)]
    return min(fields, key=lambda field: (len(field.path), rank(field.name, ROLES) or 0), default=None)


def _names_roles(field: Field, found: Profile) -> bool:
    if not field.scalar or field.below_array or not expressible(field.path) or rank(field.name, ROLES) is None:
        return False
    known = sum(count for value, count in field.values.items() if role_of(value) is not None)
    return len(field.values) <= _MAX_ROLES and known >= _KNOWN * field.values.total() and found.share(field) >= _PRESENT


def _name(found: Profile, *taken: Path) -> Path | None:
    """Who speaks, by name."""
    for field in found.fields.values():
        named = joined(field.name) in SPEAKER_NAMES or author_likeness(field.name, "") > 0
        if named and field.path not in taken and field.scalar and len(field.path) == 1 and expressible(field.path):
            return field.path
    return None
