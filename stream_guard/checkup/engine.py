"""The engine, as far as it can be checked without loading a model: its folder and tokenizer, or the server that it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from stream_guard.checkup.finding import Finding, error, ok, warning
from stream_guard.checkup.lint import too_many_tokens
from stream_guard.config import Settings, build_routes
from stream_guard.config.engine import SMALL_MODEL, OpenAISettings, VllmSettings
from stream_guard.errors import ConfigError, EngineUnavailable, ModelError
from stream_guard.judges import Choice, choose
from stream_guard.policy.document import Policy
from stream_guard.prompting.model_folder import ModelFolder

_HOW = "docs/models.md says how to get a model's folder, and what must be in it"


async def check_engine(settings: Settings, policies: Mapping[str, Policy]) -> list[Finding]:
    """1. The folder and the tokenizer. 2. The prompts of every route. 3. Where the engine is a server: that it answers."""
    try:
        choice = await asyncio.to_thread(choose, settings)
        await asyncio.to_thread(build_routes, settings, policies, choice.renderer)
    except ModelError as refused:
        return [error(f"the model can't be used: {problem}", _HOW) for problem in refused.problems]
    except ConfigError as refused:
        return [error(what, place=place) for place, what in refused.findings]
    engine = settings.engine
    if isinstance(engine, OpenAISettings):
        return await _server(settings, engine, choice)
    if isinstance(engine, VllmSettings):
        told = ok(
            f"the model at {engine.model} can be asked{_how(choice)}: its files are whole, and every policy makes a prompt"
        )
        return [*_pin(settings, engine, choice.folder), told, *_own_context(settings, engine, choice.folder)]
    return [ok("the engine is scripted: no model judges")]


def _how(choice: Choice) -> str:
    return f" by the profile {choice.profile.name}" if choice.profile is not None else ""


def _pin(settings: Settings, engine: VllmSettings, folder: ModelFolder | None) -> Iterator[Finding]:
    """Whether another model could take this one's place unnoticed. The small model is pinned as a package."""
    if folder is None or engine.model == SMALL_MODEL:
        return
    known = f"its manifest is {folder.manifest}" + (f", its revision {folder.revision}" if folder.revision else "")
    if engine.manifest is not None:
        yield ok(f"the model is the one that engine.manifest pins; {known}")
    elif folder.pinned_by_path:
        yield ok(f"the model's path pins its revision; {known}")
    else:
        yield warning(
            f"nothing pins the model: another one in {folder.path} would be taken for it; {known}",
            f"set engine.manifest: {folder.manifest}",
            settings.place("engine", "model"),
        )


def _own_context(settings: Settings, engine: VllmSettings, folder: ModelFolder | None) -> Iterator[Finding]:
    """What the model itself takes, where its folder says so."""
    longest = folder.config.get("max_position_embeddings") if folder is not None else None
    if not isinstance(longest, int):
        return
    if engine.max_model_len is not None and engine.max_model_len > longest:
        yield error(
            f"engine.max_model_len is {engine.max_model_len:,}, but the model takes {longest:,} tokens: vLLM would refuse it",
            f"set it to at most {longest}, or leave it out",
            settings.place("engine", "max_model_len"),
        )
    elif engine.max_model_len is None:
        yield from too_many_tokens(settings, longest, "the model's context")


async def _server(settings: Settings, engine: OpenAISettings, choice: Choice) -> list[Finding]:
    try:
        async with choice.open() as opened:
            longest, version = opened.identity.max_model_len, opened.identity.version
    except EngineUnavailable as refused:
        return [
            error(
                f"the engine can't be used: {refused}",
                "start it, or fix engine.base_url, model or api_key; `run` would wait",
            )
        ]
    told = ok(f"{engine.base_url} serves {engine.model} (version {version}, contexts of {longest:,} tokens)")
    return [told, *too_many_tokens(settings, longest, "the server's context")]
