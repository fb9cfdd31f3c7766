"""Ties the processes that vLLM starts to the life of the one that started them, and to its way of logging. Linux only.

A service that is killed can end nothing any more; its engine core would go on, hold its memory and its device, and keep the
next one from loading. vLLM calls `tie` in each of its processes, as one of its general plugins (an entry point in
pyproject.toml), before the model is loaded.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import MutableMapping
from pathlib import Path

from stream_guard.telemetry.last_words import tell_last_words
from stream_guard.telemetry.logs import configure_logging

OWNER = "STREAM_GUARD_ENGINE_OWNER"
"""The process id of the service, for the processes of its engine."""

_PLUGIN = "stream_guard_lifeline"
_CHOICE = "VLLM_PLUGINS"
_PR_SET_PDEATHSIG = 1


def tie() -> None:
    """Lets the kernel end this process when its parent ends, and log as its parent does.

    Does nothing in a vLLM that is none of ours, nor in the service.
    """
    parent = multiprocessing.parent_process()
    if OWNER not in os.environ or parent is None or parent.pid is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent.pid:  # it ended before it could be told of
        os.kill(os.getpid(), signal.SIGKILL)
    _log_alone()


def _log_alone() -> None:
    """Nothing but our log lines reaches stderr from Python: what ends a process is printed with what it quotes, too."""
    configure_logging()
    chosen = os.environ.get("VLLM_LOGGING_LEVEL", "").upper()  # vLLM takes lower case, too
    logging.getLogger("vllm").setLevel(logging.getLevelNamesMapping().get(chosen, logging.ERROR))
    tell_last_words()
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives


def own(environment: MutableMapping[str, str]) -> None:
    """Makes the processes that inherit this environment ours. A choice of plugins that an operator made keeps all it names."""
    environment[OWNER] = str(os.getpid())
    chosen = environment.get(_CHOICE)
    if chosen is not None and _PLUGIN not in chosen.split(","):
        environment[_CHOICE] = ",".join(filter(None, (chosen, _PLUGIN)))
