"""Which distributions the image takes: all that ours needs to run and to be built, by the metadata of what is installed here.

    python -m image.closure     # writes image/runtime.txt and image/build.txt anew

The lists hold names alone: `constraints.txt` says which versions and hashes. No resolver runs while an image is built.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"


class Need(NamedTuple):
    """Who needs what; the first needs come from nobody."""

    by: str
    what: Requirement


def walk(roots: Iterable[str]) -> Iterator[Need]:
    """Every need of the roots and of what they need, each once.

    Raises importlib.metadata.PackageNotFoundError where one is not installed; it was yielded before.
    """
    waiting = [Need("", Requirement(root)) for root in roots]
    seen = set[tuple[str, str]]()
    while waiting:
        need = waiting.pop()
        yield need
        for extra in {"", *need.what.extras}:
            if (key := (canonicalize_name(need.what.name), extra)) not in seen:
                seen.add(key)
                waiting += _needs(key[0], extra)


def _needs(name: str, extra: str) -> list[Need]:
    lines = [Requirement(line) for line in distribution(name).requires or ()]
    return [Need(name, line) for line in lines if line.marker is None or line.marker.evaluate({"extra": extra})]


def closure(roots: Iterable[str]) -> str:
    """The names of the roots and of all that they need, sorted, one a line."""
    names = {canonicalize_name(need.what.name) for need in walk(roots)}
    return "".join(f"{name}\n" for name in sorted(names))


def lists() -> Mapping[str, str]:
    """What belongs in each list, by its file's name."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    return {
        "runtime.txt": closure(project["project"]["dependencies"]),
        "build.txt": closure(project["build-system"]["requires"]),
    }


if __name__ == "__main__":
    for file, names in lists().items():
        (HERE / file).write_text(names, encoding="utf-8")
