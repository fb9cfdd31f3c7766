"""Processes and their descendants: those that an engine starts are held by pidfd and ended for sure. Linux only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from pathlib import Path

_PROC = Path("/proc")


class ProcessTree:
    """Child processes of this one, started since this was made, whose name begins with `prefix`; and their descendants.

    Each is held by a pidfd, so that a signal never reaches another process which got the same number, and a worker
    is still known once its parent has died and it was adopted. Linux only.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._held: dict[int, int] = {}
        self._others = frozenset(self._children())

    def find(self) -> None:
        """Adds the processes that are there now."""
        parents = _parents()
        ours = [pid for pid in self._children() if pid not in self._others]
        for pid in (*ours, *_below(ours, parents)):
            if pid not in self._held:
                self._hold(pid, parents.get(pid))

    def kill(self) -> None:
        """Ends all that were found, at once."""
        for pidfd in self._held.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Lets go of the processes."""
        for pidfd in self._held.values():
            os.close(pidfd)
        self._held.clear()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that were found, an ancestor before its descendants."""
        return tuple(self._held)

    def _children(self) -> list[int]:
        named = (child for child in multiprocessing.active_children() if child.name.startswith(self._prefix))
        return [child.pid for child in named if child.pid is not None]

    def _hold(self, pid: int, parent: int | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            pidfd = os.pidfd_open(pid)
            if _parent(pid) == parent:
                self._held[pid] = pidfd
            else:  # it ended, and its number was given again before it could be held
                os.close(pidfd)


def descendants(pid: int) -> list[int]:
    """The living processes that descend from one, an ancestor before its descendants."""
    return _below([pid], _parents())


def _below(roots: list[int], parents: dict[int, int]) -> list[int]:
    found = list(roots)
    for ancestor in found:  # grows while it is read: breadth first
        found.extend(pid for pid, parent in parents.items() if parent == ancestor)
    return found[len(roots) :]


def _parents() -> dict[int, int]:
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return {pid: parent for pid in pids if (parent := _parent(pid)) is not None}


def _parent(pid: int) -> int | None:
    """The parent of a living process, None for one that has ended."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent, *_ = stat.rpartition(")")[2].split()  # the name in parentheses may hold anything
    return None if state == "Z" else int(parent)
