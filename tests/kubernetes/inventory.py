"""What is in a cluster: every object of every kind that the API server can list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.kubernetes.control_plane import ControlPlane

_NAMES = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Not what an object says: the definitions of custom resources alone would be megabytes."""
_PASSING = {"events"}
"""They tell of what was, and go by themselves."""


class _Kind(NamedTuple):
    group: str
    """Where the API server keeps it, such as `/apis/apps/v1`."""
    plural: str
    namespaced: bool


class Inventory:
    """The kinds of one API server, and what there is of each."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self._kinds = list(_kinds(cluster))

    def of(self, namespace: str) -> set[str]:
        """All in a namespace, each as `plural/name`."""
        return {
            f"{kind.plural}/{item['metadata']['name']}"
            for kind in self._kinds
            if kind.namespaced
            for item in self._items(f"{kind.group}/namespaces/{namespace}/{kind.plural}")
        }

    def beside(self, namespace: str) -> set[str]:
        """What Helm made for a release of this namespace outside of it."""
        return {
            f"{kind.plural}/{item['metadata']['name']}"
            for kind in self._kinds
            if not kind.namespaced
            for item in self._items(f"{kind.group}/{kind.plural}")
            if item["metadata"].get("annotations", {}).get("meta.helm.sh/release-namespace") == namespace
        }

    def _items(self, path: str) -> list[dict[str, Any]]:
        found = self._cluster.get(path, _NAMES)
        return (found and found["items"]) or []  # null where there are none


def _kinds(cluster: ControlPlane) -> Iterator[_Kind]:
    versions = [group["preferredVersion"]["groupVersion"] for group in cluster.get("/apis")["groups"]]
    for group in ("/api/v1", *(f"/apis/{version}" for version in versions)):
        for resource in cluster.get(group)["resources"]:
            if "list" in resource["verbs"] and resource["name"] not in _PASSING:
                yield _Kind(group, resource["name"], resource["namespaced"])
