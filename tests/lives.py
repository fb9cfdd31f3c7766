"""A service that is started again whenever it dies, as a kubelet would; and what makes it die, which is no part of the product."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.service import START_S, Service, Services

PHRASE = "abracadabra-alakazam"
"""A record that holds it ends the process."""
_AS_CUSTOMIZED = f'''
"""Imported by every Python process that has this folder in its path, before anything else."""
import os, signal
try:
    from stream_guard.engines import scripts
except ImportError:  # a process of another kind
    scripts = None

def deadly(judge):
    def call(self, ask):
        if {PHRASE!r}.encode() in bytes(token for token in ask.prompt if token <= 255):
            os.kill(os.getpid(), signal.SIGKILL)
        return judge(self, ask)
    return call

if scripts is not None:
    for script in (scripts.ShareScript, scripts.FaultyScript):  # also an ask that the latter would let fail
        script.__call__ = deadly(script.__call__)
'''


def deadly(folder: Path) -> Mapping[str, str]:
    """The environment in which the phrase kills."""
    place = folder / "deadly"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(_AS_CUSTOMIZED, encoding="utf-8")
    return {"PYTHONPATH": f"{place}{os.pathsep}{Path(__file__).parents[1]}"}


class Lives(NamedTuple):
    """What it took: the services in order; all but the last died."""

    services: list[Service]

    @property
    def last(self) -> Service:
        """The one that lives."""
        return self.services[-1]

    @property
    def deaths(self) -> int:
        """How often it died."""
        return len(self.services) - 1

    def logged(self, event: str) -> list[dict[str, object]]:
        """The log lines of one event, of all lives."""
        return [line for service in self.services for line in service.logged(event)]


def kept_alive(
    start: Callable[[], Service], done: Callable[[Service], bool], most: int, seconds: float = START_S
) -> Lives:
    """Starts it again until `done`; fails where it died more often than `most`, or a life takes longer than `seconds`."""
    lives: list[Service] = []
    while len(lives) <= most:
        lives.append(service := start())
        deadline = time.monotonic() + seconds
        while service.running:
            if _holds(done, service):
                return Lives(lives)
            assert time.monotonic() < deadline, f"life {len(lives)} got nowhere: {service.stderr[-3000:]}"
            time.sleep(0.1)
    raise AssertionError(f"died {len(lives)} times: {lives[-1].stderr[-3000:]}")


def starter(services: Services, configuration: Path, env: Mapping[str, str] | None = None) -> Callable[[], Service]:
    """Starts the same service again and again."""
    return lambda: services.start(configuration, env=env)


def _holds(done: Callable[[Service], bool], service: Service) -> bool:
    try:
        return done(service)
    except (AssertionError, TimeoutError):  # it died while it was asked, or is busy
        return False
