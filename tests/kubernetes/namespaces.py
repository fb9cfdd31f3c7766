"""Namespaces for one test each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.kubernetes.control_plane import ControlPlane

_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@contextmanager
def restricted_namespace(cluster: ControlPlane, name: str) -> Iterator[str]:
    """A namespace in which Pod Security `restricted` is enforced, with a claim on a volume of models."""
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": _RESTRICTED}})
    cluster.create("/api/v1/persistentvolumes", _volume(name))
    cluster.create(f"/api/v1/namespaces/{name}/persistentvolumeclaims", _claim(name))
    try:
        cluster.wait(lambda: _is_populated(cluster, name), f"namespace {name} is not populated")
        yield name
    finally:
        cluster.delete(f"/api/v1/namespaces/{name}")
        cluster.delete(f"/api/v1/persistentvolumes/{name}")


def _is_populated(cluster: ControlPlane, name: str) -> bool:
    """The controllers put a few things into every namespace, and bind the claim."""
    core = f"/api/v1/namespaces/{name}"
    theirs = cluster.get(f"{core}/serviceaccounts/default") and cluster.get(f"{core}/configmaps/kube-root-ca.crt")
    return bool(theirs) and cluster.get(f"{core}/persistentvolumeclaims/models")["status"]["phase"] == "Bound"


def _volume(namespace: str) -> Mapping[str, Any]:
    return {
        "metadata": {"name": namespace},
        "spec": {
            "capacity": {"storage": "200Gi"},
            "accessModes": ["ReadOnlyMany"],
            "storageClassName": "models",
            "claimRef": {"namespace": namespace, "name": "models"},
            "hostPath": {"path": "/models"},
        },
    }


def _claim(volume: str) -> Mapping[str, Any]:
    return {
        "metadata": {"name": "models"},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "resources": {"requests": {"storage": "200Gi"}},
            "storageClassName": "models",
            "volumeName": volume,
        },
    }
