"""A real node: containerd, runc and the kubelet, in namespaces of their own. Its pods run what is in their images.

with Namespaces(f"{ADDRESS}/24") as there, there.entered(), ControlPlane(tools, folder) as cluster:
    with Node(cluster, there, programs, folder, [archive]) as node:
        ...
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.processes import Processes
from tests.kubernetes.tools import GoModule
from tests.node.namespaces import BRIDGE, Namespaces

ADDRESS = "10.244.9.1"
"""The node's own, on the bridge that its pods are on."""
NAME = "real-0"
_PODS = "10.244.9.0/24"
_HERE = Path(__file__).parent
_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
_PLUGINS = Path("/usr/lib/cni")
_CGROUPS = Path("/sys/fs/cgroup")
_PACKAGES = {"runc": "runc", "ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux"}
PAUSE = "localhost/pause:dev"
_START_S = 90.0


def programs() -> GoModule:
    """containerd, and the program that holds a pod's namespaces."""
    names = {name: f"{_CONTAINERD}/{name}" for name in ("ctr", "containerd-shim-runc-v2", "containerd")}
    return GoModule("node", _HERE, {"pause": "./pause", **names})


def why_not() -> str | None:
    """What keeps this machine from being a node; None where nothing does."""
    if os.geteuid():
        return "a real node is run by root, and this is another user"
    missing = sorted({package for program, package in _PACKAGES.items() if shutil.which(program) is None})
    missing += [] if (_PLUGINS / "bridge").exists() else ["containernetworking-plugins"]
    return f"a real node is made of Debian's packages: apt-get install {' '.join(missing)}" if missing else None


class Node:
    """Its programs, and what becomes of what they leave."""

    def __init__(
        self, cluster: ControlPlane, there: Namespaces, binaries: Path, folder: Path, images: Sequence[Path]
    ) -> None:
        """`images` are archives to have at hand: nothing can be pulled."""
        self._cluster, self._there, self._binaries, self._folder, self._images = (
            cluster,
            there,
            binaries,
            folder,
            images,
        )
        self._processes = Processes(folder / "logs", there.prefix)
        self._before = _cgroups()

    def __enter__(self) -> Self:
        """Starts them. Returns when the scheduler may use the node."""
        try:
            self._configure()
            self._start_containerd()
            self._start_kubelet()
            self._cluster.wait(self._is_ready, "the node is not ready", _START_S)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends them, and all pods."""
        self.stop()

    def stop(self) -> None:
        """Kills everything in the namespaces and removes the control groups of its pods. The logs stay."""
        self._processes.end()
        self._there.__exit__(None, None, None)
        _remove(_cgroups() - self._before)
        for name in ("containerd", "kubelet"):
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def log(self, program: str) -> str:
        """What `containerd` or `kubelet` wrote."""
        return self._processes.log(program).read_text(encoding="utf-8", errors="replace")

    def _configure(self) -> None:
        for name in ("containerd", "cni", "kubelet", "pods"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "cni" / "10-bridge.conflist").write_text(json.dumps(_network(self._folder)), encoding="utf-8")
        (self._folder / "kubelet.json").write_text(json.dumps(self._kubelet()), encoding="utf-8")
        text = (_HERE / "containerd.toml").read_text(encoding="utf-8")
        values = {"folder": str(self._folder), "pause": PAUSE, "plugins": str(_PLUGINS)}
        (self._folder / "containerd.toml").write_text(
            re.sub(r"\$\{(\w+)\}", lambda m: values[m[1]], text), encoding="utf-8"
        )

    def _start_containerd(self) -> None:
        # It finds its shim, and the shim finds runc, on the PATH.
        path = f"{self._binaries}{os.pathsep}{os.environ['PATH']}"
        containerd = self._binaries / "containerd"
        self._processes.start("containerd", containerd, "--config", self._folder / "containerd.toml",
                              environment={**os.environ, "PATH": path})  # fmt: skip
        self._cluster.wait(self._answers, "containerd does not answer")
        for archive in self._images:
            self._ctr("images", "import", "--local", str(archive))

    def _answers(self) -> bool:
        self._processes.check()
        return bool(self._ctr("version"))

    def _ctr(self, *arguments: str) -> str:
        command = [self._binaries / "ctr", "-a", self._folder / "containerd" / "c.sock", "-n", "k8s.io", *arguments]
        done = subprocess.run(
            [*self._there.prefix, *map(str, command)], capture_output=True, text=True, timeout=_START_S, check=False
        )
        if done.returncode:
            raise OSError(done.stderr.strip())
        return done.stdout

    def _start_kubelet(self) -> None:
        self._processes.start(
            "kubelet", self._cluster.programs / "kubebox", "kubelet", "--config", self._folder / "kubelet.json",
            "--kubeconfig", self._cluster.kubeconfig, "--root-dir", self._folder / "kubelet",
            "--cert-dir", self._folder / "kubelet" / "pki", "--hostname-override", NAME, "--node-ip", ADDRESS,
        )  # fmt: skip

    def _is_ready(self) -> bool:
        self._processes.check()
        node = self._cluster.get(f"/api/v1/nodes/{NAME}") or {"status": {}}
        return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))

    def _kubelet(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": ADDRESS,
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": str(self._cluster.authority.pem)},
            },
            # Whom it knows by certificate may do all: nobody else is in this network.
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{self._folder / 'containerd' / 'c.sock'}",
            "podLogsDir": str(self._folder / "pods"),
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            # The machine is others' as well: how full its memory and disk are is no affair of this node.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            # Changes of a ConfigMap reach the pods at the next sync.
            "configMapAndSecretChangeDetectionStrategy": "Watch",
            "syncFrequency": "5s",
        }


def _network(folder: Path) -> dict[str, Any]:
    addresses = {"type": "host-local", "dataDir": str(folder / "cni" / "addresses"),
                 "ranges": [[{"subnet": _PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}  # fmt: skip
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipMasq": False, "ipam": addresses}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def _cgroups() -> set[Path]:
    """Control groups that pods of any node are in: of each controller, or of the one hierarchy."""
    return {path for name in ("kubepods", "k8s.io") for path in (*_CGROUPS.glob(name), *_CGROUPS.glob(f"*/{name}"))}


def _remove(groups: set[Path]) -> None:
    """A group can be removed once its processes are gone; the kernel takes a moment."""
    deadline = time.monotonic() + 10
    for group in sorted(groups):
        folders = sorted((path for path in (group, *group.rglob("*")) if path.is_dir()), reverse=True)
        for folder in folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        return
                    time.sleep(0.1)
