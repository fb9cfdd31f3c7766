"""The programs of the Kubernetes tests, built from source once and kept: `python -m tests.kubernetes.tools` builds them.

One Go module (`go.mod` beside this file) pins them all. They lie in a folder that is named after its go.sum, so that
a change of a version builds anew, and every checkout of one version shares one build.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kept import CACHE, used

_HERE = Path(__file__).parent
GO = (1, 26)
"""The oldest Go that builds them."""
BUILD_S = 60 * 60
"""How long one program may take: kubebox needs 6 minutes on two idle cores, and half an hour on two that others use."""


class ToolsError(RuntimeError):
    """The programs could not be built; the message holds the end of the compiler's output."""


@dataclass(frozen=True)
class GoModule:
    """Programs that one go.mod pins: `programs` maps the name of each to the package that it is built from, in order of building."""

    name: str
    source: Path
    programs: Mapping[str, str]
    linked: Mapping[str, str] = field(default_factory=dict)
    """Variables that the linker sets: what upstream's release scripts would."""

    @property
    def folder(self) -> Path:
        """Where the programs lie."""
        return CACHE / f"{self.name}-{hashlib.sha256((self.source / 'go.sum').read_bytes()).hexdigest()[:16]}" / "bin"

    @property
    def missing(self) -> list[str]:
        """The programs that are not built yet."""
        return [name for name in self.programs if not (self.folder / name).exists()]

    @property
    def build_s(self) -> int:
        """How long `build` may take."""
        return BUILD_S * len(self.missing)

    def build(self) -> Path:
        """Builds what is missing, and returns the folder. Whoever comes second waits for the first. Raises ToolsError.

        A build that is ended goes on where it stopped: the folder is not made as a whole.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        used(self.name, self.folder.parent)
        with (self.folder.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in self.missing:
                self._build(name)
        return self.folder

    def _build(self, name: str) -> None:
        half = self.folder / f"{name}.part"
        variables = " ".join(f"-X {variable}={value}" for variable, value in self.linked.items())
        command = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {variables}", "-o", str(half)]
        run_go([*command, self.programs[name]], self.source)
        # Renamed when whole: what has its name can be run, also after a build that was killed.
        half.rename(self.folder / name)


def run_go(command: Sequence[str], cwd: Path) -> str:
    """What a go command prints. Raises ToolsError."""
    # GOTOOLCHAIN: never another Go than the one that is there. GOWORK: no workspace of the user's around this module.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolsError(
            f"{' '.join(command)} took more than {BUILD_S} s; another run goes on where it stopped"
        ) from error
    if done.returncode:
        raise ToolsError(f"{' '.join(command)} failed: {done.stderr[-3000:]}")
    return done.stdout


def why_not() -> str | None:
    """What keeps this machine from building; None where nothing does."""
    wanted = ".".join(map(str, GO))
    if shutil.which("go") is None:
        return f"the Kubernetes tests build their programs with Go {wanted} or newer, and there is no `go` on the PATH"
    found = run_go(["go", "env", "GOVERSION"], Path("/")).strip()
    numbers = re.match(r"go(\d+)\.(\d+)", found)
    if numbers and (int(numbers[1]), int(numbers[2])) >= GO:
        return None
    return f"the Kubernetes tests build their programs with Go {wanted} or newer, and this is {found}"


def version(module: str, source: Path = _HERE) -> str:
    """The version that go.mod pins, such as `1.37.2`."""
    return re.search(rf"(?m)^\t{re.escape(module)} v(\S+)", (source / "go.mod").read_text())[1]  # type: ignore[index]


def _kubernetes_version() -> dict[str, str]:
    """What tells these programs that they are of this Kubernetes: by themselves they believe in a much older one."""
    full = version("k8s.io/kubernetes")
    major, minor, _ = full.split(".")
    servers = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    charts = ("helm.sh/helm/v3/pkg/lint/rules", "helm.sh/helm/v3/pkg/chartutil")
    return {
        **{f"{package}.gitVersion": f"v{full}" for package in servers},
        **{f"{package}.gitMajor": major for package in servers},
        **{f"{package}.gitMinor": minor for package in servers},
        **{f"{package}.k8sVersionMajor": major for package in charts},
        **{f"{package}.k8sVersionMinor": minor for package in charts},
    }


def kubernetes() -> GoModule:
    """The control plane, a node that is none, both Helms and the checker of manifests. The quick ones come first."""
    programs = {
        "helm3": "helm.sh/helm/v3/cmd/helm",
        "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
        "helm4": "helm.sh/helm/v4/cmd/helm",
        "kwok": "sigs.k8s.io/kwok/cmd/kwok",
        "kubebox": ".",
    }
    return GoModule("kubernetes", _HERE, programs, _kubernetes_version())


if __name__ == "__main__":
    started = time.monotonic()
    if reason := why_not():
        sys.exit(reason)
    sys.stdout.write(f"{kubernetes().build()} ({time.monotonic() - started:.0f} s)\n")
