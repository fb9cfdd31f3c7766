"""Which edition is in force, and the watch that puts the next one in its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from stream_guard.alongside import alongside
from stream_guard.editions.edition import Edition
from stream_guard.editions.loading import Loader, Refused
from stream_guard.telemetry.port import Telemetry

LOOK_S = 0.25
"""Between two looks."""
SETTLE_S = 0.1
"""Until the second look, once the first one saw something new: what is written in one go is written by then."""


class InForce:
    """The edition in force. `enact` is called with each new one, on the loop's thread: from its return on, it counts."""

    def __init__(self, begun: Edition, telemetry: Telemetry, enact: Callable[[Edition], None]) -> None:
        self.edition = begun
        self._telemetry, self._enact = telemetry, enact
        self._refused: Refused = ()
        telemetry.edition_in_force(begun.id)
        telemetry.policies_in_force(policies_of(begun))

    def told(self, found: Edition | Refused) -> None:
        """The files hold this now. What is refused is told once, not again before it changes."""
        if not isinstance(found, Edition):
            if found != self._refused:
                self._telemetry.edition_refused([f"{place}: {what}" for place, what in found])
            self._refused = found
            return
        if found.id != self.edition.id:
            self._enact(found)
            former, self.edition = self.edition, found
            self._telemetry.edition_in_force(found.id, former.id)
            self._telemetry.policies_in_force(policies_of(found))
        elif self._refused:
            self._telemetry.edition_restored(found.id)
        self._refused = ()

    def note(self) -> str | None:
        """What is to be known beside the edition: that the files hold another one, which is refused. None where they don't."""
        if not self._refused:
            return None
        (place, what), *others = self._refused
        more = f" (and {len(others)} more)" if others else ""
        return f"the files hold another edition, which is refused: {place}: {what}{more}"


def policies_of(edition: Edition) -> list[tuple[str, str, int]]:
    """Id, version and revision of each policy that a route of this edition asks, once each."""
    asked = {policy.id: policy for template in edition.routes.templates for policy in template.policies}
    return [(policy.id, policy.version, policy.revision) for policy in asked.values()]


@asynccontextmanager
async def followed(loader: Loader, in_force: InForce) -> AsyncIterator[None]:
    """Has what the files come to put in force, while the block lasts. A bug in here ends the block: it must not go unnoticed."""
    async with alongside(_follow(loader, in_force)):
        yield


async def _follow(loader: Loader, in_force: InForce) -> None:
    while True:
        await asyncio.sleep(SETTLE_S if loader.settles else LOOK_S)
        found = await asyncio.to_thread(loader.next)
        if found is not None:
            in_force.told(found)
