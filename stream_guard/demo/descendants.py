"""The processes that descend from this one, ended at once: an engine that is still loading knows no other way."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

_PROC = Path("/proc")
_KEPT = b"multiprocessing.resource_tracker"
"""Ends by itself once we have, after it has removed the semaphores that the others left."""
_ROUNDS = 20
_PAUSE_S = 0.05


def end_descendants() -> None:
    """Kills every process that descends from this one, and whatever those started meanwhile. Linux only."""
    for _ in range(_ROUNDS):
        living = descendants()
        if not living:
            return
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)


def descendants() -> list[int]:
    """Living processes that descend from this one, an ancestor before its descendants."""
    parents = {int(entry.name): parent for entry in _PROC.iterdir() if (parent := _parent(entry)) is not None}
    found = [os.getpid()]
    for ancestor in found:  # grows while it is read: breadth first
        found.extend(pid for pid, parent in parents.items() if parent == ancestor)
    return [pid for pid in found[1:] if not _is_kept(pid)]


def _parent(entry: Path) -> int | None:
    """The parent of a living process, None for anything else."""
    if not entry.name.isdigit():
        return None
    try:
        stat = (entry / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent, *_ = stat.rpartition(")")[2].split()  # the name in parentheses may hold anything
    return None if state == "Z" else int(parent)


def _is_kept(pid: int) -> bool:
    try:
        return _KEPT in (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
