"""Namespaces of a test's own: a network that nothing leaves, mounts and processes that vanish with it. Needs root.

    with Namespaces("10.244.9.1/24") as there:
        with there.entered():                      # this thread, and all that it starts, has the other network
            Popen([*there.prefix, "containerd"])   # mounts and process ids, too

One process holds them. Whatever becomes of this one, the kernel ends it, all that runs in there, and every mount.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

BRIDGE = "sg0"
_NEW_NETWORK = 0x4000_0000
"""CLONE_NEWNET."""
_HIDDEN = ("/run", "/var/log", "/var/lib/cni")
"""Where a node's programs write beside the folders that they are given."""
_SETTINGS = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
             "kernel/keys/root_maxkeys": 1_000_000, "kernel/keys/root_maxbytes": 25_000_000}  # fmt: skip
"""What a kubelet would set for the whole machine. In there it reads that they are set, and none can be."""


class NotHere(RuntimeError):
    """The machine makes no such namespaces; the message says why."""


class Namespaces:
    """A network with a bridge, mounts, and process ids."""

    def __init__(self, address: str) -> None:
        """`address` is the bridge's own, with the length of its network's prefix."""
        mounts = [f"mount -t tmpfs -o mode=755 tmpfs {place}" for place in _HIDDEN if Path(place).is_dir()]
        locks = [
            f"mount --bind /proc/sys/{n} /proc/sys/{n} && mount -o remount,bind,ro /proc/sys/{n}"
            for n in ("kernel", "vm")
        ]
        told = [
            f"echo {value} > /run/told-{number} && mount --bind /run/told-{number} /proc/sys/{name}"
            for number, (name, value) in enumerate(_SETTINGS.items())
        ]
        network = ["ip link set lo up", f"ip link add {BRIDGE} type bridge", f"ip addr add {address} dev {BRIDGE}",
                   f"ip link set {BRIDGE} up", f"ip route add default dev {BRIDGE}"]  # fmt: skip
        self._script = " && ".join(
            [*mounts, *locks, *told, *network, "mount --make-rshared /", "echo there", "exec sleep infinity"]
        )
        self._holder: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Makes them. Raises NotHere."""
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                   "--mount-proc", "sh", "-c", self._script]  # fmt: skip
        self._holder = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        if self._holder.stdout.readline() != "there\n":
            self._holder.kill()
            raise NotHere(f"no namespaces for a node can be made here: {self._holder.stderr.read().strip()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends all that runs in there."""
        if self._holder is not None:
            self._holder.kill()
            self._holder.communicate()

    @property
    def prefix(self) -> tuple[str, ...]:
        """What stands before a command that is to run in there, with the mounts and the process ids."""
        assert self._holder is not None
        where = f"/proc/{self._holder.pid}/ns"
        return ("nsenter", f"--net={where}/net", f"--mount={where}/mnt", f"--pid={where}/pid_for_children", "--")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread has that network, and so has every thread and process that it starts meanwhile."""
        assert self._holder is not None
        with Path("/proc/thread-self/ns/net").open() as own, Path(f"/proc/{self._holder.pid}/ns/net").open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())


def _enter(network: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(network, _NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
