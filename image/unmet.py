"""Ends with 1 and says so where something that stream_guard needs is missing here, or is not of a version that it takes.

    python3 -m image.unmet         # what every image needs
    python3 -m image.unmet vllm    # and the engine, at the version that the extra `gpu` pins

`pip check` would count what a base has wrong in itself, and knows nothing of the extra.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from image.closure import walk

_OURS = "stream-guard"


def unmet(roots: Iterable[str]) -> Iterator[str]:
    """A sentence for each need that is not met; what is missing ends the search."""
    try:
        for need in walk(roots):
            if complaint := _complaint(need.what):
                yield f"{need.by or 'the image'} needs {need.what.name}{need.what.specifier}: {complaint}"
    except PackageNotFoundError:
        return


def pinned(name: str) -> Requirement:
    """How the extra `gpu` asks for it. Raises LookupError where it does not."""
    for line in distribution(_OURS).requires or ():
        asked = Requirement(line)
        if canonicalize_name(asked.name) == name and asked.marker and asked.marker.evaluate({"extra": "gpu"}):
            return asked
    raise LookupError(f"the extra gpu does not ask for {name}")


def _complaint(what: Requirement) -> str:
    try:
        found = version(what.name)
    except PackageNotFoundError:
        return "it is not there"
    return "" if what.specifier.contains(found, prereleases=True) else f"it is {found}"


def main(*more: str) -> int:
    """Looks, says what is unmet. Returns the exit code."""
    asked = [pinned(name) for name in more]
    # Of the engine, the version alone is ours to ask: what it needs itself is the base's own affair.
    complaints = [
        f"the base must have {what.name}{what.specifier}: {why}" for what in asked if (why := _complaint(what))
    ]
    complaints += unmet([_OURS])
    sys.stderr.writelines(f"{complaint}\n" for complaint in complaints)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
