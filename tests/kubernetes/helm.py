"""Helm at work in the cluster of the tests, in both of its major versions."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.control_plane import ControlPlane

PATIENCE_S = 120
"""How long Helm waits for what must come."""
_LONGER_THAN_HELM_S = 3 * PATIENCE_S


class HelmFailed(RuntimeError):
    """Helm's own words."""


@dataclass(frozen=True)
class Helm:
    """One major version of Helm. It keeps its own files in `home`, and knows of no other cluster than this one."""

    major: int
    cluster: ControlPlane
    home: Path

    def __call__(self, *arguments: str | Path) -> str:
        """What it prints. Raises HelmFailed."""
        places = {f"HELM_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [self.cluster.programs / f"helm{self.major}", *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.cluster.kubeconfig), **places},
            capture_output=True, text=True, timeout=_LONGER_THAN_HELM_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise HelmFailed(done.stderr.strip())
        return done.stdout

    @property
    def rolls_back(self) -> str:
        """The option that takes a failed upgrade back."""
        return "--atomic" if self.major == 3 else "--rollback-on-failure"
