"""The pods of one release on the node, as kubectl shows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.processes import Processes

_GONE_S = 60.0
_LOG, _CODES = "log", "codes"


@dataclass(frozen=True)
class Pods:
    """Those of a namespace."""

    cluster: ControlPlane
    namespace: str

    def all(self) -> list[dict[str, Any]]:
        """Every pod, those that end too."""
        return list(self.cluster.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"])

    def ready(self) -> list[dict[str, Any]]:
        """Those that are ready and are to stay."""
        return [pod for pod in self.all() if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]

    def only(self) -> dict[str, Any]:
        """The only one. Waits for it to be ready."""
        self.cluster.wait(self.ready, f"no pod of {self.namespace} is ready")
        (pod,) = self.ready()
        return pod

    def python(self, pod: str, program: str) -> str:
        """What a program prints that the pod's own Python runs in its container."""
        return self.cluster.kubectl("exec", "-n", self.namespace, pod, "--", "python", "-c", program)


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether its readiness probe says so."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


class Watched:
    """What a pod logs and how it ends, written down until it is gone: the API forgets both."""

    def __init__(self, pods: Pods, name: str, folder: Path) -> None:
        """Begins when entered."""
        self._pods, self._name = pods, name
        self._processes = Processes(folder / name)

    def __enter__(self) -> Self:
        """Starts to write."""
        code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}{'\\n'}"
        self._follow(_LOG, "logs", "--follow", self._name)
        self._follow(_CODES, "get", "pod", self._name, "--watch", "--output", code)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops to write."""
        self._processes.end()

    def delete(self) -> None:
        """Deletes it as a drained node would, and waits until it is gone."""
        self._pods.cluster.kubectl(
            "delete", "pod", self._name, "-n", self._pods.namespace, "--timeout", f"{_GONE_S:.0f}s"
        )
        self._processes.wait(_LOG, _GONE_S)

    @property
    def log(self) -> str:
        """What its container wrote."""
        return self._processes.log(_LOG).read_text(encoding="utf-8", errors="replace")

    @property
    def codes(self) -> set[int]:
        """The exit codes of its container that the API told of."""
        return {int(line) for line in self._processes.log(_CODES).read_text(encoding="utf-8").split()}

    def _follow(self, what: str, *arguments: str) -> None:
        cluster = self._pods.cluster
        kubectl = (cluster.programs / "kubebox", "kubectl", "--kubeconfig", cluster.kubeconfig)
        self._processes.start(what, *kubectl, *arguments, "--namespace", self._pods.namespace)
