"""A slow line between clients and one broker: each byte comes later than it was sent, and for a while none may come at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.cluster import Cluster, jars
from tests.fixtures_kafka import Kafka

_CHUNK = 65_536


class Link:
    """Forwards connections to 127.0.0.1:`target`, each byte `delay_s` seconds late in either direction. A thread of its own."""

    def __init__(self, delay_s: float) -> None:
        """Takes a port at once: the broker has to advertise it before it runs."""
        self._delay_s = delay_s
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._target = 0
        self._open: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.carried = 0
        """Bytes, both ways."""

    def lead_to(self, target: int) -> None:
        """Says where it leads."""
        self._target = target

    def cut(self) -> None:
        """From now on nothing arrives, and no connection closes: half-open, as after a router that forgot them."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def mend(self) -> None:
        """What was held back arrives."""
        self._loop.call_soon_threadsafe(self._flows.set)

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes all connections."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _close(self) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        for one, other in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._carry(one, other))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads on while earlier bytes are still under way: a delay is no limit of the rate."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arrives = asyncio.create_task(self._arrive(under_way, writer))
        try:
            while chunk := await reader.read(_CHUNK):
                self.carried += len(chunk)
                under_way.put_nowait((self._loop.time() + self._delay_s, chunk))
            under_way.put_nowait((self._loop.time() + self._delay_s, b""))
            await arrives
        except OSError:
            pass
        finally:
            arrives.cancel()
            writer.close()

    async def _arrive(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(due - self._loop.time())
            await self._flows.wait()
            if not chunk:
                return
            writer.write(chunk)
            await writer.drain()


@contextmanager
def far_broker(root: Path, delay_s: float) -> Iterator[tuple[Kafka, Kafka, Link]]:
    """One broker that is reached in two ways: near, for the test's own hands, and far, over the link, for what is tested."""
    libs = jars()
    with Link(delay_s) as link:
        listeners = {
            "listeners": "CLIENT://127.0.0.1:${port},FAR://127.0.0.1:${extra1},CONTROLLER://127.0.0.1:${controller}",
            "advertised.listeners": f"CLIENT://127.0.0.1:${{port}},FAR://127.0.0.1:{link.port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,FAR:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        cluster = Cluster(libs=libs, root=root, overrides=listeners, archive=libs.parent / "kafka.jsa", extra_ports=1)
        link.lead_to(cluster.extra[1][0])
        with cluster:
            yield Kafka(cluster.bootstrap), Kafka(f"127.0.0.1:{link.port}"), link
