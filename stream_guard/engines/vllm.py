"""The vLLM engine in this process: fed continuously, restarted where it dies or hangs, ended for sure."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from stream_guard.engines.completions import Mailbox
from stream_guard.engines.lives import Lives
from stream_guard.engines.port import (
    Ask,
    AskId,
    Completion,
    EngineIdentity,
    Failure,
    FailureKind,
    LabelRead,
    Usage,
)
from stream_guard.engines.vllm_host import VllmHost
from stream_guard.engines.vllm_settings import VllmSettings
from stream_guard.errors import EngineError, EngineUnavailable, ModelError

if TYPE_CHECKING:
    from stream_guard.engines.vllm_front import Facts

_ENGINE = "vllm"
_ASKED_TO_END = (0, -signal.SIGTERM, -signal.SIGINT)
"""How an engine core ends that was told to: no ask is to blame."""

Cause: TypeAlias = Literal["died", "hung", "ended", "not_loaded"]


class Fall(NamedTuple):
    """The engine is gone, and loaded again: why, how its processes ended, and how many asks were open."""

    cause: Cause
    detail: str
    open: int


def _nobody(fall: Fall) -> None:
    """Is told, and does nothing."""


class VllmEngine:
    """An engine over one VllmHost at a time. `Usage.front_end_s` is an even share of the front-end thread's CPU time."""

    def __init__(self, settings: VllmSettings) -> None:
        self._settings = settings
        self._mailbox = Mailbox()
        self._open: set[AskId] = set()
        self._warm: tuple[Ask, ...] = ()
        self._host: VllmHost | None = None
        self._down = "it is not loaded"
        self._restart: asyncio.Task[None] | None = None
        self._restarted_at = 0.0
        self._lives = Lives()
        self.on_fall: Callable[[Fall], None] = _nobody
        """Is told of each fall, before the engine is loaded again."""
        self._identity: EngineIdentity | None = None
        self._vocabulary = 0

    @property
    def identity(self) -> EngineIdentity:
        """Who judges. Raises EngineUnavailable before the first load."""
        if self._identity is None:
            raise EngineUnavailable(self._down)
        return self._identity

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the running engine, its core first."""
        return self._host.pids if self._host is not None else ()

    @property
    def hopeless(self) -> str | None:
        """Why loading it once more is no use, so that the whole process should be restarted; None where it may be."""
        return self._lives.hopeless(time.monotonic())

    async def load(self) -> None:
        """Loads the model and warms it up. Raises ModelError where vLLM can't load it, or it has become another model."""
        self._lives.loading(time.monotonic())
        host = VllmHost(self._settings, self._deliver, self._on_death)
        try:
            facts = await host.load()
            await host.complete(self._warm)
            identity = self._identified(facts)
            host.check()
        except BaseException:
            await asyncio.shield(host.end())
            raise
        self._vocabulary, self._identity, self._host = facts.vocabulary, identity, host
        self._lives.loaded(time.monotonic())

    def _identified(self, facts: Facts) -> EngineIdentity:
        """Who judges. Verdicts name the engine as it was at the start: another one is none."""
        identity = EngineIdentity(
            name=_ENGINE,
            version=facts.version,
            model=self._settings.model_name,
            manifest=self._settings.manifest,
            max_model_len=facts.max_model_len,
        )
        if self._identity not in (None, identity):
            raise ModelError(f"{self._settings.model} is another model than before")
        return identity

    async def warm(self, asks: Sequence[Ask]) -> list[Completion]:
        """Asks and waits for all, past `completions`: fills the prefix cache, compiles grammars and kernels.

        The asks take the place of those before, and are asked again whenever the engine was restarted. Raises
        EngineUnavailable where it is away: then they are asked once it is back.
        """
        refused = [refusal for ask in asks if (refusal := self._refusal(ask)) is not None]
        taken = [ask for ask in asks if self._refusal(ask) is None]
        self._warm = tuple(taken)
        if self._host is None:
            raise EngineUnavailable(self._down)
        return refused + await self._host.complete(taken)

    def submit(self, asks: Sequence[Ask]) -> None:
        """Takes asks; see the port. An ask that would be cut short or could harm the engine never reaches it."""
        taken: list[Ask] = []
        refused: list[Completion] = []
        for ask in asks:
            refusal = self._refusal(ask)
            if refusal is None:
                taken.append(ask)
            else:
                refused.append(refusal)
        self._mailbox.put(refused)
        self._open.update(ask.id for ask in taken)
        if self._host is None:
            self._fail_open()
        elif taken:
            self._host.submit(taken)

    async def completions(self) -> Sequence[Completion]:
        """Waits for at least one completion, returns all there are."""
        return await self._mailbox.take()

    def cancel(self, ask_ids: Iterable[AskId]) -> None:
        """Aborts asks, so that they take no more of the engine's time."""
        aborted = self._open.intersection(ask_ids)
        self._open -= aborted
        if aborted and self._host is not None:
            self._host.cancel(aborted)

    async def health(self) -> None:
        """A round trip through the engine core. A dead or hung engine is ended and loaded again in the background.

        Raises EngineUnavailable, and says why, until a later call finds the engine loaded again.
        """
        host = self._host
        if host is None:
            await self._progress()
            return
        try:
            await host.round_trip(self._settings.health_timeout_s)
        except EngineUnavailable as error:
            hung = isinstance(error.__cause__, TimeoutError)
            if self._host is host:  # else its death was noticed meanwhile
                self._fall("hung" if hung else "died", str(error))
            raise

    async def close(self) -> None:
        """Ends the engine and every process that it started. Nothing is delivered any more."""
        self._open.clear()
        restart, self._restart = self._restart, None
        if restart is not None:
            restart.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineError):
                await restart
        host, self._host = self._host, None
        self._down = "it was closed"
        if host is not None:
            await asyncio.shield(host.end())

    def _refusal(self, ask: Ask) -> Completion | None:
        kind_detail = self._unfit(ask)
        if kind_detail is None:
            return None
        return Completion(ask.id, Failure(*kind_detail), Usage(prompt_tokens=len(ask.prompt)))

    def _unfit(self, ask: Ask) -> tuple[FailureKind, str] | None:
        room = self.identity.max_model_len - len(ask.prompt)
        needed = 1 if isinstance(ask.read, LabelRead) else ask.read.max_tokens
        if room < needed:  # vLLM would shorten the reply without a word
            return FailureKind.TOO_LONG, f"{len(ask.prompt)} + {needed} tokens exceed {self.identity.max_model_len}"
        ids = (*ask.read.label_ids, *ask.prompt) if isinstance(ask.read, LabelRead) else ask.prompt
        if not ask.prompt or needed < 1:
            return FailureKind.REJECTED, "there is no prompt, or no token to read"
        if max(ids) >= self._vocabulary or min(ids) < 0:  # it would pass vLLM's checks and kill the engine core
            return FailureKind.REJECTED, "a token id is not in the model's vocabulary"
        return None

    def _deliver(self, batch: Sequence[Completion]) -> None:
        wanted = [completion for completion in batch if completion.ask_id in self._open]
        self._open.difference_update(completion.ask_id for completion in wanted)
        self._mailbox.put(wanted)
        self._lives.answered(sum(not isinstance(completion.reply, Failure) for completion in wanted))

    def _fail_open(self, kind: FailureKind = FailureKind.UNAVAILABLE) -> None:
        detail = Failure(kind, self._down)
        self._mailbox.put([Completion(ask_id, detail) for ask_id in self._open])
        self._open.clear()

    def _on_death(self, host: VllmHost) -> None:
        if self._host is host:
            asked_to_end = host.exit_code in _ASKED_TO_END
            self._fall(
                "ended" if asked_to_end else "died", "the engine was ended" if asked_to_end else "the engine died"
            )

    def _fall(self, cause: Cause, reason: str) -> None:
        """The engine is gone: what is open fails, and a new one is loaded in the background.

        An ask may have ended it, or hung it: also where it hung those that were open are told so, or it would hang again.
        """
        host, self._host = self._host, None
        self._down = reason
        now = time.monotonic()
        self._lives.ended(now)
        fall = Fall(cause, reason, len(self._open))
        self._fail_open(FailureKind.DIED if cause in ("died", "hung") else FailureKind.UNAVAILABLE)
        self._restarted_at = now
        self._restart = asyncio.get_running_loop().create_task(self._replace(host, fall))

    async def _replace(self, host: VllmHost | None, fall: Fall) -> None:
        if host is not None:
            hung = fall.cause == "hung"
            exited = await host.exit(hung=hung)
            if not hung and host.exit_code in _ASKED_TO_END:  # it stops answering long before it is gone
                fall = fall._replace(cause="ended")
            fall = fall._replace(detail=f"{fall.detail}: {exited}")
        self.on_fall(fall)
        if host is not None:
            await asyncio.shield(host.end())
        await asyncio.sleep(self._lives.pause_s)
        await self.load()

    async def _progress(self) -> None:
        """What became of the restart. Raises EngineUnavailable unless it succeeded."""
        if self._restart is None:
            raise EngineUnavailable(self._down)
        if not self._restart.done():
            waited = time.monotonic() - self._restarted_at
            raise EngineUnavailable(f"{self._down}; it has been loading again for {waited:.0f} s")
        error, self._restart = self._restart.exception(), None
        if error is not None:
            self._fall("not_loaded", f"loading it again failed: {error}")
            raise EngineUnavailable(self._down) from error

    def __repr__(self) -> str:
        state = "up" if self._host is not None else f"down, {self._down}"
        return f"VllmEngine({self._settings.model_name}, {state}, {len(self._open)} open)"


@asynccontextmanager
async def vllm_engine(settings: VllmSettings) -> AsyncIterator[VllmEngine]:
    """Loads the embedded engine; ends it and all its processes on the way out, also while it still loads.

    vLLM starts processes by spawn: the program's main module must be importable without effect.
    Raises ModelError where vLLM is not installed or can't load the model.
    """
    check_installed()
    if not (Path(settings.model) / "config.json").is_file():
        raise ModelError(f"{settings.model} is no model folder: it holds no config.json")
    engine = VllmEngine(settings)
    try:
        await engine.load()
        yield engine
    finally:
        await asyncio.shield(engine.close())


def check_installed() -> None:
    """Raises ModelError where vLLM is not installed, and says what to install."""
    if importlib.util.find_spec("vllm") is None:
        raise ModelError("vLLM is not installed: install stream-guard[gpu], or stream-guard[cpu] without a GPU")
