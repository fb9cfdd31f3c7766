"""What a process that crashes must not leave behind: its memory, with all contents and secrets in it. Linux."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

_NONE: Final = 1
"""Bytes. The kernel writes no core that small, and hands none to a program either, which it does for a limit of 0."""
_FILTER: Final = Path("/proc/self/coredump_filter")
"""Which memory a core holds; children inherit it."""


def leave_no_core() -> None:
    """No core file of this process from now on, nor of those that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = _NONE if hard == resource.RLIM_INFINITY else min(hard, _NONE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    with suppress(OSError):  # what a limit of 0 still hands to a program has no memory in it
        _FILTER.write_text("0", encoding="ascii")
