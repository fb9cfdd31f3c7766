"""The lines of `constraints.txt`, hashes and all, for the names of a list. Needs nothing but Python: any base can run it.

python3 -m image.pins image/runtime.txt             # all of them
python3 -m image.pins image/runtime.txt --lacking   # without what this Python has already
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def pins(constraints: str, names: Iterable[str]) -> str:
    """The pins of these names. Raises LookupError where one has none."""
    found = dict(_blocks(constraints))
    wanted = list(names)
    if missing := [name for name in wanted if name not in found]:
        raise LookupError(f"constraints.txt does not pin {', '.join(missing)}: run `make constraints`")
    return "".join(found[name] for name in wanted)


def _blocks(constraints: str) -> Iterator[tuple[str, str]]:
    """Each pin's name and its text: a line that is continued by a backslash goes on in the next."""
    block = ""
    for line in constraints.splitlines(keepends=True):
        block += line
        if not line.rstrip().endswith("\\"):
            yield block.partition("==")[0], block
            block = ""


def lacking(names: Iterable[str]) -> list[str]:
    """Those that this Python does not have."""
    return [name for name in names if not _is_here(name)]


def _is_here(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def main(file: str, *flags: str) -> None:
    """Prints the pins of a list."""
    names = Path(file).read_text(encoding="utf-8").split()
    wanted = lacking(names) if "--lacking" in flags else names
    sys.stdout.write(pins(_CONSTRAINTS.read_text(encoding="utf-8"), wanted))


if __name__ == "__main__":
    main(*sys.argv[1:])
