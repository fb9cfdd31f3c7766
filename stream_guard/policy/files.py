"""Which files of a folder are policies.

A folder holds one file a policy (`*.md`), or is laid out like the policy packs of the ROOST Model Community: a folder a
policy with a `policy.md` in it, and a table of labelled contents of the folder's name under `datasets/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from stream_guard.errors import Place
from stream_guard.marked_yaml import Finding

IN_A_PACK = "policy.md"
_PATTERNS = ("*.md", f"*/{IN_A_PACK}", f"*/*/{IN_A_PACK}")
"""A pack may be named itself, or the folder within it that holds those of its policies."""
_NOT_FOUND = f"no policies ({', '.join(_PATTERNS[:2])}) in this directory"


def policy_files(paths: Sequence[Path], findings: list[Finding]) -> Iterator[Path]:
    """The policy files that these files and folders come to, each once. A folder without any is told of in `findings`.

    Of a folder, a README and hidden entries do not count, such as the `..data` by which Kubernetes swaps a mounted one.
    """
    seen: set[Path] = set()
    for path in paths:
        found = list(_in_folder(path)) if path.is_dir() else [path]
        if not found:
            findings.append((Place(str(path)), _NOT_FOUND))
        for file in found:
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield file


def slug(file: Path) -> str:
    """What a policy file is named for: its folder in a pack, itself elsewhere."""
    return file.parent.name if file.name == IN_A_PACK else file.stem


def _in_folder(folder: Path) -> Iterator[Path]:
    for pattern in _PATTERNS:
        for file in sorted(folder.glob(pattern)):
            hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
            if not hidden and file.stem.lower() != "readme" and file.is_file():
                yield file
