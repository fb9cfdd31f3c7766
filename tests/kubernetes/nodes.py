"""Nodes that only exist on paper."""

from __future__ import annotations

from typing import Any

_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def make_node(name: str, *, gpus: int = 0, pool: str = "common") -> dict[str, Any]:
    """A node of a pool. One with GPUs is tainted, as GPU operators do it: only who tolerates that may run there."""
    capacity = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110"} | (
        {"nvidia.com/gpu": str(gpus)} if gpus else {}
    )
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "pool": pool}
    if gpus:
        labels["nvidia.com/gpu.present"] = "true"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**labels, "topology.kubernetes.io/zone": f"zone-{name[-1]}"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [_TAINT]} if gpus else {},
        "status": {"capacity": capacity, "allocatable": capacity},
    }
