"""Programs that run in the background, each with a log of its own. Only what was started here is ever signalled."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Died(RuntimeError):
    """A program ended by itself; the message holds the end of its log."""


class Processes:
    """Starts programs, and ends them in reverse order."""

    def __init__(self, logs: Path, prefix: Sequence[str] = ()) -> None:
        """`prefix` stands before every command, such as one that enters a network namespace."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._prefix = prefix
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str | Path, environment: Mapping[str, str] | None = None) -> None:
        """Starts a program and waits for nothing."""
        # What a killed test can't end any more, the kernel does. The tie is to the thread that starts it: start from one that stays.
        tie = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*self._prefix, *tie, *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment,
            )  # fmt: skip

    def check(self) -> None:
        """Raises Died where one of them ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise Died(
                    f"{name} ended with {process.returncode}: {self.log(name).read_text(errors='replace')[-3000:]}"
                )

    def wait(self, name: str, seconds: float) -> None:
        """Waits until a program ends by itself. Raises TimeoutExpired."""
        self._running[name].wait(seconds)

    def end(self, *names: str) -> None:
        """Ends these, or all: at once, for nothing here is worth a farewell."""
        for name in names or tuple(reversed(self._running)):
            process = self._running.pop(name)
            process.kill()
            process.wait()

    def log(self, name: str) -> Path:
        """What this program wrote."""
        return self._logs / f"{name}.log"

    @property
    def ids(self) -> dict[str, int]:
        """The process of each program that was started."""
        return {name: process.pid for name, process in self._running.items()}
