"""One life of vLLM: a thread with an event loop of its own, and the processes that vLLM starts.

Loading blocks for minutes and a request costs 3-6 ms of Python: on its own thread neither stops the caller's loop, and
the thread's CPU time is the front-end's. A host does not restart: a dead one is ended and another one loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stream_guard.engines.port import Ask, AskId, Completion
from stream_guard.engines.processes import ProcessTree, in_words
from stream_guard.engines.vllm_settings import VllmSettings, prepare_environment
from stream_guard.errors import EngineUnavailable, ModelError

if TYPE_CHECKING:
    from stream_guard.engines.vllm_front import Facts, VllmFront

_POLL_S = 0.05
_GRACE_S = 10.0
_GIVE_UP_S = 120.0
_PATIENCE = 4
"""Timeouts that a round trip through an engine that works may take."""
_BUSY = 0.1
"""An engine works where its processes take this share of one core: a stopped or deadlocked one takes next to nothing."""
_EXIT_S = 10.0
"""How long an engine core may take to end that does not answer any more: it ends its workers first."""
_PROCESS_NAME = "EngineCore"
_T = TypeVar("_T")


class VllmHost:
    """Loads, feeds and ends one vLLM. On the loop that made the host `deliver` gets batches, and `died` is told as soon as
    the engine's processes end by themselves.
    """

    def __init__(
        self, settings: VllmSettings, deliver: Callable[[Sequence[Completion]], None], died: Callable[[VllmHost], None]
    ) -> None:
        self._settings = settings
        self._deliver = deliver
        self._died = died
        self._delivered = 0
        self._dead: int | None = None
        self._caller = asyncio.get_running_loop()
        self._loaded: asyncio.Future[None] = self._caller.create_future()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="vllm-front-end", daemon=True)
        self._stopping = asyncio.Event()
        self._ending = False
        self._tree = ProcessTree(_PROCESS_NAME)
        self._shared: frozenset[Path] = frozenset()
        """What its processes pass token ids through; one that is killed leaves them there."""
        self._front: VllmFront | None = None

    async def load(self) -> Facts:
        """Loads the model. Raises ModelError where vLLM can't. A cancelled load goes on until `end`."""
        self._thread.start()
        await asyncio.shield(self._loaded)
        self._tree.find()
        self._shared = self._tree.shared_memory()
        self._tree.watch(self._caller, self._on_end)
        return self._up().facts

    def submit(self, asks: Sequence[Ask]) -> None:
        """Starts asks; each is delivered once unless cancelled."""
        self._loop.call_soon_threadsafe(self._up().take, asks, time.perf_counter())

    def cancel(self, ask_ids: Iterable[AskId]) -> None:
        """Aborts asks."""
        self._loop.call_soon_threadsafe(self._up().drop, tuple(ask_ids))

    async def complete(self, asks: Sequence[Ask]) -> list[Completion]:
        """Asks and waits for all, past `deliver`. Raises EngineUnavailable where the host is ended meanwhile."""
        return await self._there(self._up().complete(asks))

    async def round_trip(self, timeout_s: float) -> None:
        """Goes through the engine core's busy loop and back. Raises EngineUnavailable where it is dead, of TimeoutError where it is hung.

        A core that answers asks, or computes (a step may take long: a prefill, a compilation), gets some time more.
        """
        for _ in range(_PATIENCE - 1):
            delivered, cpu_s = self._delivered, self._tree.cpu_seconds()
            try:
                await self._there(self._up().round_trip(timeout_s))
            except EngineUnavailable:
                busy = self._tree.cpu_seconds() - cpu_s > _BUSY * timeout_s
                if self._ending or self._up().dead or not (busy or self._delivered > delivered):
                    raise
            else:
                return
        await self._there(self._up().round_trip(timeout_s))

    @property
    def exit_code(self) -> int | None:
        """How the engine core ended, None where it lives, or nobody knows."""
        return self._tree.exit_code(self.pids[0]) if self.pids else None

    def check(self) -> None:
        """Raises EngineUnavailable where a process of the engine has ended."""
        if self._dead is not None:
            raise EngineUnavailable("the engine died")

    async def exit(self, *, hung: bool = False) -> str:
        """How the engine ended, in words; waits a moment for it unless it hung. A worker that ended takes its core along."""
        give_up = time.monotonic() + (0.0 if hung else _EXIT_S)
        while (code := self.exit_code) is None and time.monotonic() < give_up:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_POLL_S)
        if self._dead not in (None, self.pids[0]):
            return f"a worker ended, its core {in_words(code) if code is not None else 'lives'}"
        return f"its core {in_words(code)}" if code is not None else "its core lives"

    @property
    def pids(self) -> tuple[int, ...]:
        """The engine's processes, its core first."""
        return self._tree.pids

    async def end(self) -> None:
        """Ends every process that was started, then the thread; also while it loads. Never raises.

        A thread that does not end all the same (a call of vLLM that never returns) is left behind without processes.
        """
        self._ending = True
        self._tree.unwatch()
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        began = time.monotonic()
        grace_s = _GRACE_S if self._front is not None else 0.0
        while self._thread.is_alive() and time.monotonic() < began + _GIVE_UP_S:
            if time.monotonic() >= began + grace_s:  # loading can't be interrupted, only starved of its processes
                self._tree.find()
                self._tree.kill()
            await asyncio.sleep(_POLL_S)
        self._tree.kill()
        self._tree.close()
        for file in self._shared:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        if not self._loop.is_running() and not self._loop.is_closed():  # never started
            self._loop.close()

    def _on_end(self, pid: int) -> None:
        """The core's end is the engine's. A worker's takes the core along, or was brought about by it: how the core ends tells."""
        if self._dead is None:
            self._dead = pid
        if pid == self.pids[0]:
            self._tell_death()
        else:
            self._caller.call_later(_EXIT_S, self._tell_death)

    def _tell_death(self) -> None:
        if not self._ending:
            self._died(self)

    def _up(self) -> VllmFront:
        if self._front is None:
            raise EngineUnavailable("the engine is not loaded")
        return self._front

    async def _there(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Runs work on the host's loop, waits for it on the caller's."""
        try:
            waited = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:  # the loop is closed
            work.close()
            raise EngineUnavailable("the engine was ended") from error
        try:
            return await asyncio.wrap_future(waited)
        except asyncio.CancelledError:
            if waited.cancelled() and self._ending:
                raise EngineUnavailable("the engine was ended") from None
            raise

    def _run(self) -> None:
        """The thread's life."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        try:
            self._front = self._load()
        except Exception as error:  # noqa: BLE001 - whatever vLLM raises while it loads means one thing
            self._tell(error if isinstance(error, ModelError) else self._load_error(error))
            return
        self._tell(None)
        await self._stopping.wait()
        await self._front.close()

    def _load(self) -> VllmFront:
        prepare_environment(self._settings)
        from stream_guard.engines.vllm_front import VllmFront

        if self._ending:
            raise ModelError("loading was ended")
        return VllmFront(self._settings, self._pass_on)

    def _load_error(self, error: Exception) -> ModelError:
        first = (str(error).strip().splitlines() or [""])[0]
        return ModelError(f"vLLM can't load {self._settings.model}: {type(error).__name__}: {first}")

    def _pass_on(self, batch: list[Completion]) -> None:
        with contextlib.suppress(RuntimeError):  # the caller's loop is closed: nobody waits any more
            self._caller.call_soon_threadsafe(self._hand_over, batch)

    def _hand_over(self, batch: list[Completion]) -> None:
        self._delivered += len(batch)
        self._deliver(batch)

    def _tell(self, error: ModelError | None) -> None:
        with contextlib.suppress(RuntimeError):
            self._caller.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: ModelError | None) -> None:
        if self._loaded.done():
            return
        if error is None:
            self._loaded.set_result(None)
        else:
            self._loaded.set_exception(error)
            self._loaded.exception()  # seen, also where nobody waits any more
