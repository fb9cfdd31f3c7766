"""From the documents of one shape to how an event is made of them: a message, a chat or a completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from stream_guard.proposal.fields import (
    Found,
    Sureness,
    TextField,
    companions,
    described,
    looks_of,
    media,
    sureness_of,
    texts,
)
from stream_guard.proposal.looks import Look
from stream_guard.proposal.names import PROMPTS, TITLES, WRITTEN_BY_MODELS, joined, words
from stream_guard.proposal.paths import EVERY, Path, expressible, parent, union, written
from stream_guard.proposal.profile import Field, Profile, profile
from stream_guard.proposal.turns import Turns, find_turns

_MODELS = frozenset({"model", "modelname", "modelid", "modelversion", "deployment", "engine"})
USER: Mapping[str, str] = {"value": "user"}
"""The role of what has none."""
_OTHERS = 3
"""Texts that are named beside the one that is judged, at most."""


class Body(Struct, frozen=True):
    """How an event is made of a document: what the mapping language says, and what speaks for it."""

    mapping: Mapping[str, Any]
    """`{"message": {...}}`, `{"chat": {...}}` or `{"completion": {...}}`."""
    needs: Path
    """Where the text or the turns are: without it a document can't be read so."""
    found: tuple[Found, ...]

    @property
    def kind(self) -> str:
        """message, chat or completion."""
        return next(iter(self.mapping))


def body_of(documents: Sequence[Any]) -> Body | None:
    """How most of these documents are read, None where no text is found in them."""
    found = profile(documents)
    turns = find_turns(found, documents)
    candidates = [text for text in texts(found) if turns is None or text.path[: len(turns.array)] != turns.array]
    answer = next((text for text in candidates if _named(text.path, WRITTEN_BY_MODELS)), None)
    if turns is None:
        return _written(found, answer, candidates)
    if answer is not None:
        return _completion(found, answer, candidates, _turns(turns), _shown_turns(found, turns, "prompt"))
    if turns.aside and candidates and candidates[0].sure is Sureness.SURE:
        return _message(found, candidates)
    return _chat(found, turns, candidates)


def _written(found: Profile, answer: TextField | None, candidates: Sequence[TextField]) -> Body | None:
    """What is written in one place; with a prompt beside an answer, it was a model that answered."""
    prompt = next((text for text in candidates if joined(text.field.name) in PROMPTS and text is not answer), None)
    if answer is None or prompt is None or EVERY in prompt.path:
        return _message(found, candidates)
    asked = {"turns": written(prompt.path), "role": USER, "text": "$"}
    others = [text for text in candidates if text is not prompt]
    return _completion(found, answer, others, asked, (described(found, "prompt", prompt.field, prompt.sure),))


def _message(found: Profile, candidates: Sequence[TextField]) -> Body | None:
    if not candidates:
        return None
    best = next((text for text in candidates if EVERY not in text.path), candidates[0])
    text = next((text for text in candidates if _is_title(best, text)), best)
    title = next((other for other in candidates if _is_title(other, text)), None)
    own, shown = _companions(found, text.path)
    where = written(text.path) if title is None else union(parent(text.path), str(title.path[-1]), str(text.path[-1]))
    parts, sent = _parts(found, text.path)
    titled = () if title is None else (described(found, "title", title.field, title.sure),)
    return Body(
        {"message": {"text": where, **own, **parts}},
        text.path,
        (
            described(found, "text", text.field, text.sure, written(text.path)),
            *titled,
            *shown,
            *sent,
            *_unjudged(found, candidates, text, title),
        ),
    )


def _unjudged(found: Profile, candidates: Sequence[TextField], *judged: TextField | None) -> list[Found]:
    """What may be text too: named, so that nobody takes it for judged."""
    others = [text for text in candidates if text not in judged and not _model_fact(text.field)]
    return [described(found, "not judged", other.field, other.sure) for other in others[:_OTHERS]]


def _is_title(title: TextField, text: TextField) -> bool:
    """Whether it stands above the text, by the same author: then both are judged."""
    return (
        title is not text
        and joined(title.field.name) in TITLES
        and bool(text.path)
        and isinstance(text.path[-1], str)
        and parent(title.path) == parent(text.path)
        and EVERY not in title.path
    )


def _chat(found: Profile, turns: Turns, candidates: Sequence[TextField]) -> Body:
    own, shown = _companions(found, turns.array)
    others = _unjudged(found, candidates)
    rows = (*_shown_turns(found, turns, "turns"), *shown, *others)
    return Body({"chat": {**_turns(turns), **own}}, turns.array, rows)


def _completion(
    found: Profile,
    answer: TextField,
    candidates: Sequence[TextField],
    prompt: Mapping[str, Any],
    shown_prompt: Sequence[Found],
) -> Body:
    path = answer.path
    own, shown = _companions(found, path, everywhere=True)
    parts, sent = _parts(found, path)
    others = _unjudged(found, candidates, answer)
    model = next((field for field in found.fields.values() if _model_fact(field)), None)
    more = {} if model is None else {"model": written(model.path)}
    rows = () if model is None else (described(found, "model", model, Sureness.SURE),)
    return Body(
        {"completion": {"prompt": dict(prompt), "completion": written(path), **parts, **more, **own}},
        path,
        (
            described(found, "completion", answer.field, answer.sure, written(path)),
            *sent,
            *shown_prompt,
            *rows,
            *shown,
            *others,
        ),
    )


def _turns(turns: Turns) -> dict[str, Any]:
    name = {} if turns.name is None else {"name": written(turns.name)}
    roles = {"roles": dict(sorted(turns.roles.items()))} if turns.roles else {}
    parts, _ = _parts(turns.elements, turns.text.path)
    return {
        "turns": written((*turns.array, EVERY)),
        "role": USER if turns.role is None else written(turns.role),
        "text": written(turns.text.path),
        **name,
        **roles,
        **parts,
    }


def _shown_turns(found: Profile, turns: Turns, what: str) -> tuple[Found, ...]:
    array = found.fields[turns.array]
    many = f"{found.fields[(*turns.array, EVERY)].filled / max(array.documents, 1):.1f} on average"
    why = "its elements say who speaks and what was said"
    rows = [Found(what, written((*turns.array, EVERY)), found.share(array), many, turns.sure, why)]
    inner = {"name": turns.name, "role": turns.role}
    for part, path in inner.items():
        if path is not None:
            field = turns.elements.fields[path]
            rows.append(_inner(turns, part, field, f"{len(field.values)} different values"))
    rows.append(_inner(turns, "text", turns.text.field, looks_of(turns.text.field)))
    return (*rows, *_unjudged_of_turns(turns))


def _unjudged_of_turns(turns: Turns) -> list[Found]:
    """What a turn holds that may be text too."""
    taken = (turns.text.path, turns.role, turns.name)
    others = [text for text in texts(turns.elements) if text.path not in taken][:_OTHERS]
    return [
        described(turns.elements, "not judged", t.field, t.sure, written((*turns.array, EVERY, *t.path)))
        for t in others
    ]


def _inner(turns: Turns, what: str, field: Field, looks: str) -> Found:
    share = turns.elements.share(field)
    return Found(f"- {what}", written(field.path), share, looks, turns.sure, "of the turns; the path begins at a turn")


def _companions(found: Profile, beside: Path, *, everywhere: bool = False) -> tuple[dict[str, Any], list[Found]]:
    """The fields beside a text. `everywhere`: its id would name it in every topic, so that one which only counts is none."""
    own: dict[str, Any] = {}
    shown: list[Found] = []
    for what, field, likely in companions(found, beside):
        if what == "id" and everywhere and field.portion(Look.NUMBER, Look.EPOCH) > 0:
            continue
        shown.append(described(found, what, field, sureness_of(likely)))
        if what == "room":
            own["attributes"] = {"room": written(field.path)}
        else:
            own[what] = written(field.path)
    return own, shown


def _parts(found: Profile, beside: Path) -> tuple[dict[str, Any], list[Found]]:
    """What is no text: named, so that nobody takes for judged what was never looked at."""
    sent = list(media(found, beside))
    shown = [described(found, kind, field, Sureness.LIKELY) for kind, field in sent]
    return ({"parts": {kind: written(field.path) for kind, field in sent}} if sent else {}), shown


def _model_fact(field: Field) -> bool:
    """Whether it names the model that wrote."""
    return joined(field.name) in _MODELS and field.scalar and not field.below_array and expressible(field.path)


def _named(path: Path, names: frozenset[str]) -> bool:
    """Whether a name on the way is one of these."""
    return any(not names.isdisjoint(words(step)) for step in path if isinstance(step, str))
