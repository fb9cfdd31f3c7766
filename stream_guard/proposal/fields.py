"""Which fields of a message are its text, its id, its author and so on: by their names, and by what their values look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from math import sqrt
from typing import NamedTuple

from msgspec import Struct

from stream_guard.proposal.looks import Look
from stream_guard.proposal.names import (
    LANGUAGES,
    author_likeness,
    id_likeness,
    joined,
    media_kind,
    room_likeness,
    text_likeness,
    time_likeness,
)
from stream_guard.proposal.paths import EVERY, Path, expressible, parent, written
from stream_guard.proposal.profile import Field, Profile

_OPAQUE = (
    Look.NUMBER, Look.EPOCH, Look.TIME, Look.UUID, Look.URL, Look.EMAIL, Look.TOKEN, Look.ENCODED, Look.BOOLEAN,
)  # fmt: skip
_LONG = 400
"""Characters of a text beyond which more say nothing more."""
_RARE = 0.05
"""In a smaller share of the documents, a name may be an id, or anything else that is no name of a field."""
_FEW = 5
"""Of so few values nothing is to be said of how often they repeat."""
_MOSTLY, _HALF, _SOME = 0.9, 0.5, 0.1
_MAX_ID, _MAX_NAME = 512, 40


class Sureness(StrEnum):
    """How much speaks for a finding."""

    SURE = "sure"
    LIKELY = "likely"
    GUESS = "a guess"


class Found(Struct, frozen=True):
    """A field that was found: what it is for, where it is, and why. Nothing of what stands in it."""

    what: str
    path: str
    share: float
    """The share of the documents in which it holds something."""
    looks: str
    sure: Sureness
    why: str


class TextField(NamedTuple):
    """A field that may be somebody's text, and how much speaks for it (above 0)."""

    field: Field
    path: Path
    """Where a mapping looks for it: the field, or the array of parts (`{"type": "text", "text": ...}`) that holds it."""
    score: float
    sure: Sureness


def texts(profile: Profile) -> list[TextField]:
    """The fields that may be what somebody wrote, the likeliest first."""
    scored = [(field, _text_score(profile, field)) for field in profile.fields.values() if expressible(field.path)]
    ranked = sorted(((field, score) for field, score in scored if score > 0), key=lambda each: -each[1])
    found: dict[Path, TextField] = {}
    for field, score in ranked:
        path = _content_path(profile, field.path)
        found.setdefault(path, TextField(field, path, score, _sureness(field)))
    return list(found.values())


def nameable(profile: Profile, field: Field) -> bool:
    """Whether its path may stand in a file: a rare name may be somebody's id, an unreadable one may break out of its line."""
    return expressible(field.path) and profile.share(field) >= _RARE


def may_say_something(profile: Profile) -> bool:
    """Whether anything in the sample may have been written or sent by somebody, whatever its name. In doubt, it was."""
    return any(
        field.looks[Look.TEXT] + field.looks[Look.ENCODED] > 0 or _is_media(profile, field)
        for field in profile.fields.values()
    )


def media(profile: Profile, beside: Path) -> Iterator[tuple[str, Field]]:
    """What is sent with a text that is no text itself: of which type (the second of it as `image.2`), and where."""
    seen: Counter[str] = Counter()
    for field in profile.fields.values():
        kind, holder = media_kind(field.name), parent(field.path)
        near = holder == beside[: len(holder)] and field.path != beside and field.path[-1:] != (EVERY,)
        if kind is not None and near and _is_media(profile, field) and expressible(field.path):
            seen[kind] += 1
            yield (kind if seen[kind] == 1 else f"{kind}.{seen[kind]}"), field


def _is_media(profile: Profile, field: Field) -> bool:
    """Whether pictures, files and the like are named here, and there are some."""
    if media_kind(field.name) is None:
        return False
    elements = profile.fields.get((*field.path, EVERY))
    texts = field.portion(Look.URL, Look.WORD, Look.TOKEN, Look.UUID, Look.TEXT)
    return texts > 0 or field.looks[Look.OBJECT] > 0 or (elements is not None and elements.filled > 0)


def companions(profile: Profile, beside: Path, taken: Sequence[Path] = ()) -> Iterator[tuple[str, Field, float]]:
    """The id, author, language, time and room of what stands at `beside`: what each is, where, and how likely (0 to 1)."""
    used = {*taken, beside}
    for what, likeness, fits in _COMPANIONS:
        best = _best(profile, beside, used, likeness, fits)
        if best is not None:
            used.add(best[0].path)
            yield what, *best


def described(profile: Profile, what: str, field: Field, sure: Sureness, path: str | None = None) -> Found:
    """What a person is told of a field."""
    looks = looks_of(field, timed=what == "created_at")
    return Found(what, path or written(field.path), profile.share(field), looks, sure, _why(what, looks, field))


def looks_of(field: Field, *, timed: bool = False) -> str:
    """What its values look like, with their lengths. A number that could be a time is one only where it is `timed`."""
    common = [
        found for found, _ in field.looks.most_common() if found is not Look.BLANK and field.portion(found) >= _SOME
    ]
    names = [str(Look.NUMBER if found is Look.EPOCH and not timed else found) for found in common[:2]]
    kinds = " or ".join(dict.fromkeys(names)) or "nothing"
    if not field.lengths or not {Look.TEXT, Look.WORD, Look.TOKEN}.intersection(common):
        return kinds
    low, high = min(field.lengths), max(field.lengths)
    return f"{kinds}, {low} characters" if low == high else f"{kinds}, {low}-{high} characters"


def sureness_of(likeness: float) -> Sureness:
    """The same for a likeness from 0 to 1."""
    return Sureness.SURE if likeness >= 0.8 else Sureness.LIKELY if likeness >= _HALF else Sureness.GUESS  # noqa: PLR2004


def _text_score(profile: Profile, field: Field) -> float:
    """Above 0 where the field may be a text: by its name, and by how it reads."""
    name = text_likeness(field.name) if field.name else _HALF
    prose = field.portion(Look.TEXT)
    if (
        not field.lengths
        or name < 0
        or profile.share(field) < _RARE
        or field.portion(*_OPAQUE) > _HALF
        or not _is_content(profile, field)
    ):
        return 0.0
    repeats = field.distinct if field.values.total() > _FEW else 1.0
    if not _plausible(name, prose, repeats):
        return 0.0
    value = 2 * name + 2 * prose + repeats + min(field.length, _LONG) / _LONG - len(field.path) / 10
    return max(value, 0.01) * sqrt(profile.share(field))


def _is_content(profile: Profile, field: Field) -> bool:
    """Whether it holds texts, or also arrays of parts."""
    return field.scalar or (not field.looks[Look.OBJECT] and (*field.path, EVERY, "type") in profile.fields)


def _content_path(profile: Profile, path: Path) -> Path:
    is_part = path[-2:] == (EVERY, "text") and (*path[:-1], "type") in profile.fields
    return path[:-2] if is_part else path


def _plausible(name: float, prose: float, distinct: float) -> bool:
    """The less a name says, the more the values must."""
    if name >= 1:
        return prose > 0 or distinct > 0.05  # noqa: PLR2004 - "gg" and "lol" come again and again
    if name > 0:
        return prose >= 0.3 and distinct >= 0.1  # noqa: PLR2004
    return prose >= _HALF and distinct >= 0.3  # noqa: PLR2004


def _sureness(field: Field) -> Sureness:
    name, prose = text_likeness(field.name), field.portion(Look.TEXT)
    if name >= 1 and prose >= 0.3:  # noqa: PLR2004
        return Sureness.SURE
    return Sureness.LIKELY if name >= 1 or (name > 0 and prose >= _HALF) or prose >= _MOSTLY else Sureness.GUESS


def _best(
    profile: Profile, beside: Path, used: set[Path], likeness: Callable[[Field], float], fits: Callable[[Field], bool]
) -> tuple[Field, float] | None:
    """The likeliest field. What stands in the same object as the text, or in one around it, is preferred."""
    scored = [
        (field, likely, likely + _nearness(field.path, beside))
        for field in profile.fields.values()
        if field.path not in used
        and field.scalar
        and not field.below_array
        and expressible(field.path)
        and profile.share(field) >= _HALF
        and (likely := likeness(field)) > 0
        and fits(field)
    ]
    field, likely, _ = max(scored, key=lambda each: each[2], default=(None, 0.0, 0.0))
    return None if field is None else (field, likely)


def _nearness(path: Path, beside: Path) -> float:
    """0 to 0.4: how many of the objects around the text hold this field too."""
    around, holder = parent(beside), parent(path)
    shared = 0
    while shared < min(len(around), len(holder)) and around[shared] == holder[shared]:
        shared += 1
    return 0.4 * shared / len(around) if around else (0.4 if not holder else 0.2)


def _holder(field: Field) -> str:
    names = [step for step in parent(field.path) if isinstance(step, str)]
    return names[-1] if names else ""


def _unique(field: Field) -> bool:
    return field.distinct == 1 and not field.looks[Look.TEXT] and max(field.lengths, default=0) <= _MAX_ID


def _short(field: Field) -> bool:
    return (
        field.length <= _MAX_NAME and not field.looks[Look.BOOLEAN] and field.portion(Look.TIME, Look.ENCODED) < _HALF
    )


def _repeated(field: Field) -> bool:
    return _short(field) and (field.values.total() <= _FEW or field.distinct < _MOSTLY)


_COMPANIONS: Sequence[tuple[str, Callable[[Field], float], Callable[[Field], bool]]] = (
    ("id", lambda f: id_likeness(f.name), _unique),
    ("author", lambda f: author_likeness(f.name, _holder(f)), _short),
    ("language", lambda f: float(joined(f.name) in LANGUAGES), lambda f: f.languages >= _MOSTLY * f.filled),
    ("created_at", lambda f: time_likeness(f.name), lambda f: f.portion(Look.TIME, Look.EPOCH) >= _MOSTLY),
    ("room", lambda f: room_likeness(f.name, _holder(f)), _repeated),
)


def _why(what: str, looks: str, field: Field) -> str:
    if what in {"text", "completion"}:
        named = {1.0: "its name says so", 0.5: "its name allows it"}.get(
            text_likeness(field.name), "its values read like it"
        )
        return f"{named}; {field.portion(Look.TEXT):.0%} of the values read like sentences"
    if what == "id":
        return "named like an id, and no value comes twice"
    return f"named like it, and the values are {looks}"
