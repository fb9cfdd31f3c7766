"""One release of the chart in a namespace, with one values file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.charts import CHART
from tests.kubernetes.helm import PATIENCE_S, Helm

VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
"""One file for every shape that the chart is for."""


@dataclass(frozen=True)
class Release:
    """One release of the chart, with one values file."""

    helm: Helm
    namespace: str
    values: Path
    name: str = "guard"

    def install(self, *options: str) -> str:
        """Installs, and waits until all is ready."""
        return self._wait("install", *options)

    def upgrade(self, *options: str) -> str:
        """Upgrades, and waits until all is ready."""
        return self._wait("upgrade", *options)

    def upgrade_or_back(self, seconds: int, *options: str) -> str:
        """Upgrades; takes it back, and raises HelmFailed, where it is not ready in time."""
        return self._run("upgrade", self.helm.rolls_back, "--timeout", f"{seconds}s", *options)

    def rollback(self, revision: int) -> str:
        """Goes back to what a revision was."""
        return self.helm(
            "rollback", self.name, str(revision), "--namespace", self.namespace, "--wait", "--timeout", f"{PATIENCE_S}s"
        )

    def uninstall(self) -> str:
        """Takes everything away."""
        return self.helm("uninstall", self.name, "--namespace", self.namespace, "--wait", "--timeout", f"{PATIENCE_S}s")

    def template(self) -> str:
        """What it would install."""
        return self.helm(
            "template", self.name, CHART, "--namespace", self.namespace, "--values", self.values,
            "--kube-version", self.helm.cluster.version,
        )  # fmt: skip

    def history(self) -> list[str]:
        """The status of each revision, as Helm keeps it in the labels of its secrets."""
        found = [
            each["metadata"]["labels"]
            for each in self._list("api/v1", f"secrets?labelSelector=owner=helm,name={self.name}")
        ]
        return [labels["status"] for labels in sorted(found, key=lambda labels: int(labels["version"]))]

    def workloads(self) -> list[dict[str, Any]]:
        """The Deployments and StatefulSets there are, by name."""
        found = [each for kind in ("deployments", "statefulsets") for each in self._list("apis/apps/v1", kind)]
        return sorted(found, key=lambda each: str(each["metadata"]["name"]))

    def templates(self) -> list[dict[str, Any]]:
        """What the pods of each workload are made from."""
        return [each["spec"]["template"] for each in self.workloads()]

    def annotations(self, name: str) -> list[str | None]:
        """An annotation of the pods, of each workload."""
        return [template["metadata"].get("annotations", {}).get(name) for template in self.templates()]

    def replicas(self) -> list[int]:
        """How many pods each workload shall have."""
        return [each["spec"]["replicas"] for each in self.workloads()]

    def await_ready(self) -> None:
        """Returns when every pod is there and ready, and none is left over: Helm 3 waits for fewer. Raises TimeoutError."""
        self.helm.cluster.wait(lambda: all(map(_is_ready, self.workloads())), f"{self.namespace} is not ready")

    def waiting(self) -> list[str]:
        """Why each pod that has no node has none, in the scheduler's words."""
        conditions = [each for pod in self._list("api/v1", "pods") for each in pod["status"].get("conditions", ())]
        return [each["message"] for each in conditions if each["type"] == "PodScheduled" and each["status"] == "False"]

    def _list(self, group: str, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.helm.cluster.get(f"/{group}/namespaces/{self.namespace}/{kind}")["items"]
        return found

    def _wait(self, verb: str, *options: str) -> str:
        return self._run(verb, "--wait", "--timeout", f"{PATIENCE_S}s", *options)

    def _run(self, verb: str, *options: str) -> str:
        return self.helm(verb, self.name, CHART, "--namespace", self.namespace, "--values", self.values, *options)


def _is_ready(workload: Mapping[str, Any]) -> bool:
    wanted, status = workload["spec"]["replicas"], workload["status"]
    counts = {status.get(kind, 0) for kind in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration") == workload["metadata"]["generation"] and counts == {wanted}
