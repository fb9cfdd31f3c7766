"""Who judges, as configured: the engine, and the renderer that its model needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from tenacity import RetryCallState, retry, retry_if_exception_type, wait_exponential

from stream_guard.config.engine import SMALL_MODEL, OpenAISettings, ScriptedSettings, VllmSettings
from stream_guard.config.judge import Judge
from stream_guard.config.profiles import FOR_SERVERS, FOR_THE_SMALL_MODEL, load_profile, profile_for
from stream_guard.engines.port import (
    Engine,
)
from stream_guard.engines.scripted import SCRIPTED, scripted_engine
from stream_guard.engines.scripts import FaultyScript, PhraseScript, Script, SeededDelay, ShareScript
from stream_guard.engines.small_model import small_model_folder
from stream_guard.engines.vllm import VllmEngine, vllm_engine
from stream_guard.engines.vllm_settings import VllmSettings as VllmEngineSettings
from stream_guard.errors import ConfigError, EngineUnavailable, ModelError, Place
from stream_guard.prompting.chat import Answer, ChatTemplateRenderer, vocab_size
from stream_guard.prompting.fit import misfits
from stream_guard.prompting.harmony import HarmonyRenderer
from stream_guard.prompting.harmony_tokens import SPELLINGS
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.messages import MessagesRenderer
from stream_guard.prompting.model_folder import ModelFolder, checked_folder
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Renderer, Template
from stream_guard.prompting.profile import Profile, RendererKind
from stream_guard.telemetry.destinations import traces_endpoint
from stream_guard.telemetry.port import Telemetry
from stream_guard.warming import in_words, require_room, warm_up


class Choice(NamedTuple):
    """A renderer, and how its engine is opened; by which profile, and the folder it was made from, where there are any."""

    renderer: Renderer
    open: Callable[[], AbstractAsyncContextManager[Engine]]
    profile: Profile | None = None
    folder: ModelFolder | None = None


def choose(settings: Judge) -> Choice:
    """Checks the model folder and loads its tokenizer; the engine itself is not opened.

    Raises ModelError with all that is wrong with the folder, ConfigError where the profile is.
    """
    engine = settings.engine
    if isinstance(engine, VllmSettings):
        return _vllm(engine)
    if isinstance(engine, OpenAISettings):
        return _openai(settings, engine)
    return _scripted(engine)


@asynccontextmanager
async def warmed(
    choice: Choice,
    templates: Sequence[Template],
    log: Callable[..., None],
    waits_for: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Engine]:
    """Opens the engine, waiting for one that is not reachable yet, and asks once whatever the templates can lead to.

    So every prefix is cached, every grammar compiled and every way of reading a reply was gone before the first record.
    Raises ModelError where the engine does not take one of them: it would take no content under that policy.
    """
    waits_for("the engine")
    async with _patiently_opened(choice, log) as engine:
        if isinstance(engine, VllmEngine):
            require_room(templates, engine.identity.max_model_len)
            told = in_words(templates)
            log("engine.warming", prompts=told)
            waits_for(f"the engine: warming up {told}")
            await warm_up(engine, choice.renderer, templates)
        yield engine


def tell_falls(engine: Engine, telemetry: Telemetry) -> Callable[[], str | None]:
    """Has an engine that restarts itself tell of it. Returns what says why it is beyond repair: never, for one that is elsewhere."""
    if not isinstance(engine, VllmEngine):
        return lambda: None
    engine.on_fall = lambda fall: telemetry.engine_restart(fall.cause, fall.detail, fall.open)
    return lambda: engine.hopeless


@asynccontextmanager
async def _patiently_opened(choice: Choice, log: Callable[..., None]) -> AsyncIterator[Engine]:
    def tell(state: RetryCallState) -> None:
        log(
            "engine.waiting",
            reason=str(state.outcome.exception()) if state.outcome else "",
            attempt=state.attempt_number,
        )

    @retry(retry=retry_if_exception_type(EngineUnavailable), wait=wait_exponential(max=10.0), before_sleep=tell)
    async def enter() -> tuple[Engine, AbstractAsyncContextManager[Engine]]:
        manager = choice.open()
        return await manager.__aenter__(), manager

    engine, manager = await enter()
    try:
        yield engine
    finally:
        await asyncio.shield(manager.__aexit__(None, None, None))


def _vllm(settings: VllmSettings) -> Choice:
    small = settings.model == SMALL_MODEL
    folder = checked_folder(small_model_folder() if small else Path(settings.model), pin=settings.manifest)
    profile = _profile(settings.profile or (FOR_THE_SMALL_MODEL if small else None), folder)
    arguments = VllmEngineSettings(
        model=str(folder.path),
        name=settings.name or folder.name,
        manifest=folder.manifest,
        dtype=settings.dtype,
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        tensor_parallel_size=settings.tensor_parallel_size,
        cpu_kv_cache_gib=settings.kv_cache_gib,
        otlp_traces=traces_endpoint(),
        health_timeout_s=settings.health_timeout,
        extra=settings.extra,
    )
    renderer = _renderer(profile, folder, folder.manifest)
    return Choice(renderer, lambda: vllm_engine(arguments), profile, folder)


def _openai(settings: Judge, engine: OpenAISettings) -> Choice:
    from stream_guard.engines.openai import OpenAiSettings, openai_engine

    folder = checked_folder(engine.tokenizer, weights=False) if engine.tokenizer else None
    profile = _profile(engine.profile or (FOR_SERVERS if engine.api == "chat" else None), folder)
    manifest = folder.manifest if folder else engine.model
    arguments = OpenAiSettings(
        base_url=engine.base_url,
        model=engine.model,
        api=engine.api,
        api_key=engine.api_key.get_secret_value() if engine.api_key else None,
        manifest=manifest,
        max_model_len=engine.max_model_len,
        max_connections=settings.window.asks
        + 1,  # an ask that waited for a connection would use up its time; a trial too
        request_timeout_s=settings.judging.timeout,
    )
    return Choice(_renderer(profile, folder, manifest), lambda: openai_engine(arguments), profile, folder)


def _scripted(settings: ScriptedSettings) -> Choice:
    shares = ShareScript(
        violating=settings.violation_share,
        malformed=settings.malformed_share,
        failing=settings.failure_share,
        seed=settings.seed,
    )
    script: Script = PhraseScript(settings.violating_phrase) if settings.violating_phrase else shares
    faults = settings.stumble_share, settings.garble_share, settings.hang_share
    if any(faults):
        script = FaultyScript(script, *faults, seed=settings.seed)
    least_s, spread_s = settings.delay or 0.0, settings.delay_spread or 0.0
    delay = SeededDelay(least_s, least_s + spread_s, seed=settings.seed) if least_s or spread_s else None
    identity = replace(SCRIPTED, max_model_len=settings.max_model_len or SCRIPTED.max_model_len)
    return Choice(PlainRenderer(), lambda: scripted_engine(script, delay, identity))


def _profile(named: str | None, folder: ModelFolder | None) -> Profile:
    """The profile that is named, or that the model's folder calls for."""
    architectures = folder.architectures if folder is not None else ()
    profile = load_profile(named) if named is not None else profile_for(architectures)
    if folder is not None and (problems := list(misfits(profile, folder))):
        raise ModelError(*problems)
    return profile


def _renderer(profile: Profile, folder: ModelFolder | None, manifest: str) -> Renderer:
    """How a family is asked. Nothing but its profile is known of it here."""
    sampling, tokens = profile.sampling, profile.max_tokens
    match profile.renderer:
        case RendererKind.HARMONY:
            stop_ids = tuple(SPELLINGS[spelling] for spelling in profile.stop)
            size = vocab_size(folder.path) if folder is not None else None
            return HarmonyRenderer(
                harmony_vocabulary(),
                manifest,
                max_tokens=tokens,
                budget=profile.budget,
                labels=profile.digits,
                vocab_size=size,
                stop_ids=stop_ids,
                sampling=sampling,
            )
        case RendererKind.MESSAGES:
            return MessagesRenderer(manifest, max_tokens=tokens, sampling=sampling)
        case _ if folder is not None:
            return ChatTemplateRenderer(
                folder.path,
                manifest,
                answer=Answer.TEXT if profile.labels is None else Answer.LABELS,
                labels=profile.labels or profile.digits,
                max_tokens=tokens,
                variables=profile.variables,
                layout=profile.layout,
                stop=profile.stop,
                tags=profile.tags,
                sampling=sampling,
            )
        case _:
            raise ConfigError(
                (Place("engine.profile"), f"{profile.name} needs the model's tokenizer, and there is none")
            )
