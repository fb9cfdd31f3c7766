"""A folder as Kubernetes mounts a ConfigMap or a Secret."""

from __future__ import annotations

import shutil
from pathlib import Path


class Mounted:
    """Files are links through `..data`, a link that is swapped for a new directory."""

    def __init__(self, folder: Path, **files: bytes) -> None:
        """Mounts the first version."""
        self.folder = folder
        self._version = 0
        folder.mkdir()
        self.swap(**files)

    def __truediv__(self, name: str) -> Path:
        """The path of a file, the same in every version."""
        return self.folder / name

    def swap(self, **files: bytes) -> None:
        """All files at once; then what is new gets its link, and what is gone loses it."""
        self._version += 1
        old = self.folder / f"..{self._version - 1}"
        new = self.folder / f"..{self._version}"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        link = self.folder / "..data.new"
        link.symlink_to(new.name)
        link.replace(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(Path("..data", name))
        for left in self.folder.glob("[!.]*"):
            if left.is_symlink() and left.name not in files:
                left.unlink()
        shutil.rmtree(old, ignore_errors=True)
