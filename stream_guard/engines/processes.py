"""Processes and their descendants: those that an engine starts are held by pidfd and ended for sure. Linux only."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

_PROC = Path("/proc")
_SHARED = "psm_"
"""How Python names its own shared memory. What others have there may be shared with processes that are none of ours."""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class ProcessTree:
    """Child processes of this one, started since this was made, whose name begins with `prefix`; and their descendants.

    Each is held by a pidfd, so that a signal never reaches another process which got the same number, and a worker
    is still known once its parent has died and it was adopted. Linux only.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._held: dict[int, int] = {}
        self._own: dict[int, BaseProcess] = {}
        self._others = frozenset(self._children())
        self._watching: asyncio.AbstractEventLoop | None = None

    def find(self) -> None:
        """Adds the processes that are there now."""
        parents = _parents()
        children = self._children()
        ours = [pid for pid in children if pid not in self._others]
        self._own.update((pid, children[pid]) for pid in ours)
        for pid in (*ours, *_below(ours, parents)):
            if pid not in self._held:
                self._hold(pid, parents.get(pid))

    def watch(self, loop: asyncio.AbstractEventLoop, ended: Callable[[int], None]) -> None:
        """Calls `ended` on the loop, with its number, as soon as one of those that were found ends: once for each."""
        self._watching = loop
        for pid, pidfd in self._held.items():
            loop.add_reader(pidfd, partial(self._ended, loop, pid, ended))

    def unwatch(self) -> None:
        """Calls no more."""
        loop, self._watching = self._watching, None
        if loop is not None and not loop.is_closed():
            for pidfd in self._held.values():
                loop.remove_reader(pidfd)

    def _ended(self, loop: asyncio.AbstractEventLoop, pid: int, ended: Callable[[int], None]) -> None:
        loop.remove_reader(self._held[pid])
        ended(pid)

    def exit_code(self, pid: int) -> int | None:
        """How a child ended: its status, or the negative number of the signal that killed it. None where it lives, or is no child."""
        with contextlib.suppress(ChildProcessError, KeyError):
            seen = os.waitid(os.P_PIDFD, self._held[pid], os.WEXITED | os.WNOHANG | os.WNOWAIT)  # it stays to be reaped
            if seen is not None:
                return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status
        with contextlib.suppress(KeyError, ValueError):  # the latter where its object was closed
            return self._own[pid].exitcode  # it was reaped already
        return None

    def cpu_seconds(self) -> float:
        """The CPU time that those that were found have taken so far."""
        return sum(map(_cpu_seconds, self._held))

    def shared_memory(self) -> frozenset[Path]:
        """The files of Python's shared memory that those that were found have mapped: they outlive a kill."""
        return frozenset(path for pid in self._held for path in _shared_memory(pid))

    def kill(self) -> None:
        """Ends all that were found, at once."""
        for pidfd in self._held.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Lets go of the processes."""
        self.unwatch()
        for pidfd in self._held.values():
            os.close(pidfd)
        self._held.clear()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that were found, an ancestor before its descendants."""
        return tuple(self._held)

    def _children(self) -> dict[int, BaseProcess]:
        named = (child for child in multiprocessing.active_children() if child.name.startswith(self._prefix))
        return {child.pid: child for child in named if child.pid is not None}

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


def in_words(exit_code: int | None) -> str:
    """How a process ended, for people."""
    if exit_code is None:
        return "ended"
    if exit_code >= 0:
        return f"exited with {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"


def _shared_memory(pid: int) -> list[Path]:
    try:
        maps = (_PROC / str(pid) / "maps").read_text(errors="replace")
    except OSError:
        return []
    mapped = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "/dev/shm/" in line}  # noqa: S108 - a name to look for
    return [Path(name) for name in mapped if Path(name).name.startswith(_SHARED) and not name.endswith(" (deleted)")]


def _parent(pid: int) -> int | None:
    """The parent of a living process, None for one that has ended."""
    fields = _stat(pid)
    return None if not fields or fields[0] == "Z" else int(fields[1])


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (see proc(5)), none where there is no such process."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()  # the name in parentheses may hold anything
