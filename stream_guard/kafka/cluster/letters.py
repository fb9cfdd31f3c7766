"""How old the oldest dead letter of each topic is, asked for every minute: nobody may look at them for weeks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from confluent_kafka import KafkaException

from stream_guard.alongside import alongside
from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.extents import oldest
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.telemetry.port import Telemetry

EVERY_S = 60.0


@asynccontextmanager
async def letters_watched(
    settings: KafkaSettings, topics: Callable[[], Collection[str]], telemetry: Telemetry, every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """Tells of the topics' oldest records while the block lasts. Of what can't be asked nothing is told: it is neither old nor empty.

    Raises StartRefused where no client can be made; a bug in here ends the block.
    """
    async with alongside(_watch(Admin(settings), settings.timeout_s / 2, topics, telemetry, every_s)):
        yield


async def _watch(
    admin: Admin, timeout_s: float, topics: Callable[[], Collection[str]], telemetry: Telemetry, every_s: float
) -> None:
    while True:
        telemetry.dead_letters_oldest(await asyncio.to_thread(ages, admin, topics(), timeout_s))
        await asyncio.sleep(every_s)


def ages(admin: Admin, topics: Collection[str], timeout_s: float) -> dict[str, float]:
    """How old the oldest record of each topic is, in seconds, 0 where it is empty. Blocks, bounded, and never raises for the cluster."""
    try:
        found = oldest(admin.client, admin.partitions(topics), timeout_s)
    except (KafkaException, StartRefused):
        return {}
    now = time.time()
    return {topic: 0.0 if at_ms is None else max(now - at_ms / 1000, 0.0) for topic, at_ms in found.items()}
