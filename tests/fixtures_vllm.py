"""Fixtures of the real engine: model folders, and one vLLM on each tiny model for the whole session.

A test that uses one of these engines runs on the session's loop: `@pytest.mark.asyncio(loop_scope="session")`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from stream_guard.engines.small_model import small_model_folder
from stream_guard.engines.vllm import VllmEngine, vllm_engine
from stream_guard.engines.vllm_settings import VllmSettings
from tests.models import tiny_gpt_oss_folder, tiny_model_folder

_TIMEOUT_S = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives tests of the real engine time to load it, and bears with the warnings of what it imports."""
    for item in items:
        if item.get_closest_marker("vllm") is not None:
            item.add_marker(pytest.mark.filterwarnings("ignore"), append=False)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT_S))


@pytest.fixture(scope="session")
def small_model() -> Path:
    """The folder of the small model, made on first use."""
    return small_model_folder()


@pytest.fixture(scope="session")
def tiny_model(small_model: Path) -> Path:
    """The folder of a tiny random model with the small model's tokenizer."""
    return tiny_model_folder(small_model)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm_tiny(tiny_model: Path) -> AsyncIterator[VllmEngine]:
    """One real engine on the tiny model, shared by the session. A test that kills it brings it back."""
    async with vllm_engine(VllmSettings(model=str(tiny_model), manifest="tiny", health_timeout_s=20.0)) as engine:
        yield engine


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm_gpt_oss() -> AsyncIterator[VllmEngine]:
    """One real engine on a tiny model of gpt-oss's architecture and vocabulary, shared by the session. Nobody kills it."""
    settings = VllmSettings(
        model=str(tiny_gpt_oss_folder()),
        manifest="tiny-gpt-oss",
        dtype="float32",
        max_model_len=8192,
        cpu_kv_cache_gib=1,
        extra={"prefix_cache_retention_interval": None},
    )
    async with vllm_engine(settings) as engine:
        yield engine
