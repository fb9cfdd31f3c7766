"""The custom resource definitions of KEDA and the Prometheus operator, taken from their Go modules and kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.tools import ToolsError, run_go


@dataclass(frozen=True)
class Published:
    """Files of one published Go module. `checksum` is what its line in a go.sum would say: another content is refused."""

    module: str
    version: str
    checksum: str
    folder: str
    names: tuple[str, ...]

    def files(self) -> list[Path]:
        """These files, fetched into Go's module cache where they are not there yet. Raises ToolsError."""
        return [self._fetched() / name for name in self.names]

    def all_files(self) -> list[Path]:
        """Every definition of the module. Raises ToolsError."""
        return sorted(self._fetched().glob("*_*.yaml"))

    def _fetched(self) -> Path:
        # Outside a module and without Go's checksum database: the checksum is pinned here.
        found = json.loads(run_go(["go", "mod", "download", "-json", f"{self.module}@v{self.version}"], Path("/")))
        if found["Sum"] != self.checksum:
            raise ToolsError(f"{self.module} v{self.version} is {found['Sum']}, and not {self.checksum}")
        return Path(found["Dir"], self.folder)


KEDA = Published(
    "github.com/kedacore/keda/v2",
    "2.21.0",
    "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
    "config/crd/bases",
    (
        "keda.sh_scaledobjects.yaml",
        "keda.sh_triggerauthentications.yaml",
        "keda.sh_clustertriggerauthentications.yaml",
    ),
)
PROMETHEUS_OPERATOR = Published(
    "github.com/prometheus-operator/prometheus-operator",
    "0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    "example/prometheus-operator-crd",
    (
        "monitoring.coreos.com_podmonitors.yaml",
        "monitoring.coreos.com_prometheusrules.yaml",
        "monitoring.coreos.com_servicemonitors.yaml",
    ),
)
