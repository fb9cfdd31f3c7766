"""The processes that descend from this one, ended at once: an engine that is still loading knows no other way."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from stream_guard.engines.processes import descendants

_PROC = Path("/proc")
_KEPT = b"multiprocessing.resource_tracker"
"""Ends by itself once we have, after it has removed the semaphores that the others left."""
_ROUNDS = 20
_PAUSE_S = 0.05


def end_descendants() -> None:
    """Kills every process that descends from this one, and whatever those started meanwhile. Linux only."""
    for _ in range(_ROUNDS):
        living = [pid for pid in descendants(os.getpid()) if not _is_kept(pid)]
        if not living:
            return
        for pid in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)


def _is_kept(pid: int) -> bool:
    try:
        return _KEPT in (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
