"""A command in a container of our image, by runc: as any user, on a read-only root, without rights and without a network."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.images import Image

_TIMEOUT_S = 120.0
_VOLATILE = ["nosuid", "nodev", "noexec"]


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Container:
    """Who runs in it, and what is mounted beside /tmp: where -> which folder of ours, for reading."""

    image: Image
    folder: Path
    uid: int = 2000
    mounted: Mapping[str, Path] = field(default_factory=dict)

    def run(self, *arguments: str, entrypoint: Sequence[str] | None = None) -> Ended:
        """Runs the image's entrypoint, or another, to its end."""
        name = f"stream-guard-{uuid.uuid4().hex[:12]}"
        bundle = self.folder / name
        bundle.mkdir()
        command = [*(self.image.config["Entrypoint"] if entrypoint is None else entrypoint), *arguments]
        (bundle / "config.json").write_text(json.dumps(self._specification(command)), encoding="utf-8")
        runc = ["runc", "--root", str(bundle / "state")]
        try:
            done = subprocess.run(
                [*runc, "run", "--bundle", str(bundle), name],
                capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            subprocess.run([*runc, "delete", "--force", name], capture_output=True, check=False)
            shutil.rmtree(bundle, ignore_errors=True)
        return Ended(done.returncode, done.stdout, done.stderr)

    def python(self, program: str) -> Ended:
        """Runs a program with the image's Python."""
        return self.run("-c", program, entrypoint=["python3"])

    def _specification(self, command: Sequence[str]) -> dict[str, Any]:
        config = self.image.config
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": self.uid, "gid": 0},
                "args": list(command),
                "env": config["Env"],
                "cwd": config["WorkingDir"],
                "capabilities": {},
                "noNewPrivileges": True,
            },
            "root": {"path": str(self.image.files), "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": [*_VOLATILE, "mode=1777"]},  # noqa: S108
                *({"destination": at, "type": "bind", "source": str(path.resolve()), "options": ["rbind", "ro", *_VOLATILE]}
                  for at, path in self.mounted.items()),
            ],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
        }  # fmt: skip
