"""The engine, as far as it can be checked without loading a model: its folder and tokenizer, or the server that it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

from stream_guard.checkup.finding import Finding, error, ok
from stream_guard.checkup.lint import too_many_tokens
from stream_guard.config import Settings, build_routes
from stream_guard.config.engine import SMALL_MODEL, OpenAISettings, VllmSettings
from stream_guard.engines.small_model import small_model_folder
from stream_guard.errors import ConfigError, EngineUnavailable, ModelError
from stream_guard.judges import Choice, choose
from stream_guard.policy.document import Policy
from stream_guard.prompting.manifest import read_json


async def check_engine(settings: Settings, policies: Mapping[str, Policy]) -> list[Finding]:
    """1. The folder and the tokenizer. 2. The prompts of every route. 3. Where the engine is a server: that it answers."""
    try:
        choice = await asyncio.to_thread(choose, settings)
        await asyncio.to_thread(build_routes, settings, policies, choice.renderer)
    except ModelError as refused:
        return [
            error(
                f"the model can't be used: {refused}",
                "give a folder with config.json, tokenizer.json and weights as safetensors, on the machine that runs the engine",
            )
        ]
    except ConfigError as refused:
        return [error(what, place=place) for place, what in refused.findings]
    engine = settings.engine
    if isinstance(engine, OpenAISettings):
        return await _server(settings, engine, choice)
    if isinstance(engine, VllmSettings):
        told = ok(f"the model at {engine.model} can be asked: its files are there, and every policy makes a prompt")
        return [told, *_own_context(settings, engine)]
    return [ok("the engine is scripted: no model judges")]


def _own_context(settings: Settings, engine: VllmSettings) -> Iterator[Finding]:
    """What the model itself takes, where its folder says so."""
    folder = small_model_folder() if engine.model == SMALL_MODEL else Path(engine.model)
    longest = read_json(folder / "config.json").get("max_position_embeddings")
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
                "start it, or mend engine.base_url, model or api_key; `run` would wait",
            )
        ]
    told = ok(f"{engine.base_url} serves {engine.model} (version {version}, contexts of {longest:,} tokens)")
    return [told, *too_many_tokens(settings, longest, "the server's context")]
