"""The real KEDA beside a control plane of the tests: its operator and its metrics server, as processes on 127.0.0.1."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.custom_resources import KEDA
from tests.kubernetes.tools import GoModule
from tests.ports import free_ports

_OPERATOR = "keda-operator"
_METRICS = "keda-metrics-apiserver"
_METRICS_API = "/apis/external.metrics.k8s.io/v1beta1"
_HOSTS = ("localhost", "127.0.0.1", f"{_METRICS}.keda.svc", f"{_OPERATOR}.keda.svc.cluster.local")


def keda_module() -> GoModule:
    """KEDA's two programs: 700 CPU seconds to build."""
    programs = {name: f"{KEDA.module}/cmd/{name}" for name in ("operator", "adapter")}
    version = {f"{KEDA.module}/version.Version": KEDA.version}
    return GoModule("keda", Path(__file__).parent / "keda", programs, version)


def start_keda(cluster: ControlPlane, programs: Path) -> None:
    """Starts both, and returns when the API server gets its external metrics from them. Raises Died or TimeoutError."""
    metrics, health, service, port, http = free_ports(5)
    certificates = _certificates(cluster)
    cluster.apply(*KEDA.all_files())
    cluster.kubectl("create", "namespace", "keda")
    cluster.create("/api/v1/namespaces/keda/services", _SERVICE)
    cluster.create("/apis/apiregistration.k8s.io/v1/apiservices", _api_service(cluster, port))
    cluster.processes.start(
        _OPERATOR, programs / "operator", f"--metrics-bind-address=127.0.0.1:{metrics}",
        f"--health-probe-bind-address=127.0.0.1:{health}", f"--metrics-service-bind-address=127.0.0.1:{service}",
        f"--cert-dir={certificates}", environment=_environment(cluster),
    )  # fmt: skip
    access = (f"--{part}-kubeconfig={cluster.kubeconfig}" for part in ("authentication", "authorization", "lister"))
    cluster.processes.start(
        _METRICS, programs / "adapter", f"--secure-port={port}", "--bind-address=127.0.0.1", f"--port={http}", *access,
        f"--cert-dir={certificates}", f"--client-ca-file={certificates / 'ca.crt'}",
        f"--tls-cert-file={certificates / 'tls.crt'}", f"--tls-private-key-file={certificates / 'tls.key'}",
        f"--metrics-service-address=127.0.0.1:{service}", f"--metrics-service-grpc-authority={_HOSTS[-1]}",
        environment=_environment(cluster),
    )  # fmt: skip
    cluster.wait(lambda: cluster.get(_METRICS_API), "KEDA's metrics server does not answer")


# The API server asks the process on this machine: the name of the service leads to it.
_SERVICE: Mapping[str, Any] = {
    "metadata": {"name": _METRICS},
    "spec": {"type": "ExternalName", "externalName": "localhost"},
}


def _api_service(cluster: ControlPlane, port: int) -> Mapping[str, Any]:
    return {
        "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
        "spec": {
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": _METRICS, "namespace": "keda", "port": port},
            "caBundle": base64.b64encode(cluster.authority.pem.read_bytes()).decode(),
        },
    }


def _certificates(cluster: ControlPlane) -> Path:
    folder = cluster.folder / "keda-certificates"
    folder.mkdir()
    issued = cluster.authority.issue(_OPERATOR, hosts=_HOSTS)
    for source, name in ((issued.pem, "tls.crt"), (issued.key, "tls.key"), (cluster.authority.pem, "ca.crt")):
        shutil.copy(source, folder / name)
    return folder


def _environment(cluster: ControlPlane) -> Mapping[str, str]:
    names = {"KEDA_CLUSTER_OBJECT_NAMESPACE": "keda", "POD_NAMESPACE": "keda", "POD_NAME": _OPERATOR}
    return {**os.environ, **names, "WATCH_NAMESPACE": "", "KUBECONFIG": str(cluster.kubeconfig)}
