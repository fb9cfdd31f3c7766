"""A terminal that is only looked at: what is typed is not shown, and `q` ends the view as Ctrl-C does."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_END = b"qQ\x03\x04"
_LOOK_S = 0.2


@contextmanager
def quiet_keys() -> Iterator[None]:
    """Takes the keyboard while the block lasts, and gives it back as it was. Does nothing where there is none."""
    if not sys.stdin.isatty():
        yield
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    suspended = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # a stopped view would leave its screen to the shell
    over = threading.Event()
    reader = threading.Thread(target=_read, args=(keyboard, over), name="keys", daemon=True)
    try:
        tty.setcbreak(keyboard)
        reader.start()
        yield
    finally:
        over.set()
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTSTP, suspended)


def _read(keyboard: int, over: threading.Event) -> None:
    while not over.is_set():
        ready, _, _ = select.select([keyboard], [], [], _LOOK_S)
        if ready and not over.is_set():
            typed = os.read(keyboard, 64)
            if not typed or any(key in _END for key in typed):
                os.kill(os.getpid(), signal.SIGINT)
                return
