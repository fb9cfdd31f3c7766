"""Watching: services are asked again and again, and what they tell becomes views."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from msgspec import Struct

from stream_guard.errors import StartRefused
from stream_guard.telemetry.scraping import Scraper, scraper
from stream_guard.watching.history import History
from stream_guard.watching.looking import look
from stream_guard.watching.view import View

_HINT = ("is the service running, and its port forwarded?", "kubectl port-forward deploy/stream-guard 9464")


class Plan(Struct, frozen=True):
    """Whom to ask, how often, and over which window rates are measured. `once` ends after the second look."""

    addresses: tuple[str, ...]
    every_s: float
    window_s: float
    once: bool = False


async def run(plan: Plan, tell: Callable[[View], None]) -> None:
    """Tells a view for each look, the first one without rates; under `once` the second alone.

    Raises StartRefused where nobody answers the first look, or under `once` the second. Later silence is part of the view.
    """
    histories = {address: History(plan.window_s) for address in plan.addresses}
    clock = asyncio.get_running_loop().time
    looks = 0
    async with scraper() as asking:
        while True:
            began, looks = clock(), looks + 1
            await _ask(asking, histories)
            if looks == 1 or plan.once:
                _require_one(histories)
            if looks > 1 or not plan.once:
                tell(look(histories, clock(), time.time()))
            if looks > 1 and plan.once:
                return
            await asyncio.sleep(max(0.0, began + plan.every_s - clock()))


async def _ask(asking: Scraper, histories: dict[str, History]) -> None:
    heard = await asyncio.gather(*map(asking.ask, histories))
    for history, each in zip(histories.values(), heard, strict=True):
        history.told(each)


def _require_one(histories: dict[str, History]) -> None:
    silences = {url: history.silence for url, history in histories.items()}
    if None in silences.values():
        return
    lines = [f"{url} {silence[1]}" for url, silence in silences.items() if silence is not None]
    refused = any("can't be reached" in line for line in lines)
    raise StartRefused("\n".join([*lines, *(_HINT if refused else ())]))
