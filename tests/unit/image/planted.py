"""Distributions that are there by name alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def plant(folder: Path, name: str, version: str = "1.0", needs: Sequence[str] = ()) -> None:
    """Makes the metadata of one in a folder of the path."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    required = "".join(f"Requires-Dist: {need}\n" for need in needs)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}", encoding="utf-8"
    )
