from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stream_guard.checkup.engine import check_engine
from stream_guard.checkup.finding import Finding, Severity
from tests.cases import make_policy
from tests.folders import COMMIT, make_cached_folder, make_model_folder
from tests.inspections import make_route, make_settings
from tests.openai_server import MODEL, OpenAiServer

POLICIES = {"spam": make_policy("spam")}


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    """A server that speaks OpenAI's API."""
    server = OpenAiServer()
    await server.start()
    yield server
    await server.stop()


def engine(server: OpenAiServer, **more: str) -> dict[str, object]:
    """Settings for it."""
    return {"kind": "openai", "base_url": server.base_url, "model": MODEL, "api": "chat", **more}


async def test_a_server_that_has_the_model_is_well(server: OpenAiServer) -> None:
    """Its context is said."""
    (found,) = await check_engine(make_settings(engine=engine(server)), POLICIES)
    assert (found.severity, "contexts of 4,096 tokens" in found.sentence) == (Severity.OK, True)


async def test_contents_are_held_against_the_servers_context(server: OpenAiServer) -> None:
    """What the file could not know."""
    found = await check_engine(
        make_settings(make_route(limits={"content_tokens": 9000}), engine=engine(server)), POLICIES
    )
    assert [each.severity for each in found] == [Severity.OK, Severity.WARNING]


async def test_a_server_without_the_model_is_an_error(server: OpenAiServer) -> None:
    """The name is said."""
    (found,) = await check_engine(make_settings(engine=engine(server, model="another")), POLICIES)
    assert (found.severity, "does not serve the model 'another'" in found.sentence) == (Severity.ERROR, True)


async def test_a_wrong_key_is_an_error_that_does_not_show_it(server: OpenAiServer) -> None:
    """The server's status is said."""
    server.status = 401
    (found,) = await check_engine(make_settings(engine=engine(server, api_key="marker-key")), POLICIES)
    assert (found.severity, "status 401" in found.sentence) == (Severity.ERROR, True)
    assert "marker" not in repr(found)


async def test_a_server_that_is_away_is_an_error(server: OpenAiServer) -> None:
    """`run` would wait for it."""
    await server.stop()
    (found,) = await check_engine(make_settings(engine=engine(server)), POLICIES)
    assert (found.severity, "does not answer" in found.sentence) == (Severity.ERROR, True)


async def checked(folder: Path, **more: str) -> list[Finding]:
    """What is found of a model folder."""
    return await check_engine(make_settings(engine={"kind": "vllm", "model": str(folder), **more}), POLICIES)


async def test_a_model_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    """The file that is missing is named; nothing is loaded."""
    (found,) = await checked(tmp_path)
    assert (found.severity, "config.json" in found.sentence) == (Severity.ERROR, True)
    assert "docs/models.md" in found.advice


async def test_each_fault_of_a_model_folder_is_a_finding(tmp_path: Path) -> None:
    """All are told at once."""
    make_model_folder(tmp_path, vocab_size=7)
    (tmp_path / "model.safetensors").write_bytes(b"")
    found = await checked(tmp_path)
    assert [each.severity for each in found] == [Severity.ERROR, Severity.ERROR]
    assert "has the token id" in found[0].sentence
    assert "is cut short" in found[1].sentence


async def test_a_model_that_nothing_pins_is_a_warning_that_says_how(tmp_path: Path) -> None:
    """Its manifest is printed; set, all is well; of another model, nothing is."""
    make_model_folder(tmp_path)
    warned, well = await checked(tmp_path)
    assert (warned.severity, well.severity) == (Severity.WARNING, Severity.OK)
    manifest = warned.advice.removeprefix("set engine.manifest: ")
    assert f"its manifest is {manifest}" in warned.sentence
    pinned, _ = await checked(tmp_path, manifest=manifest)
    assert (pinned.severity, "engine.manifest pins" in pinned.sentence) == (Severity.OK, True)
    (other,) = await checked(tmp_path, manifest="0" * 32)
    assert (other.severity, "is not the model that engine.manifest pins" in other.sentence) == (Severity.ERROR, True)


async def test_a_commit_of_the_hubs_cache_is_pinned_by_its_path(tmp_path: Path) -> None:
    """The commit is said."""
    pinned, _ = await checked(make_cached_folder(tmp_path))
    assert (pinned.severity, COMMIT in pinned.sentence) == (Severity.OK, True)


async def test_the_profile_is_said(tmp_path: Path) -> None:
    """Whether it was named or not."""
    make_model_folder(tmp_path)
    assert "by the profile gpt-oss: " in (await checked(tmp_path))[-1].sentence
    (other,) = await checked(tmp_path, profile="shieldstral")
    assert (other.severity, "but the profile shieldstral is for Mistral3" in other.sentence) == (Severity.ERROR, True)


@pytest.mark.parametrize(
    ("engine", "route", "severity", "words"),
    [
        ({}, {}, Severity.OK, "every policy makes a prompt"),
        ({"max_model_len": 9000}, {}, Severity.ERROR, "but the model takes 8,192 tokens"),
        ({}, {"limits": {"content_tokens": 8192}}, Severity.WARNING, "the model's context, 8,192"),
    ],
)
async def test_a_models_own_context_is_known_without_loading_it(
    tmp_path: Path, engine: dict[str, int], route: dict[str, Any], severity: Severity, words: str
) -> None:
    """What its folder says of it."""
    folder = make_model_folder(tmp_path, max_position_embeddings=8192)
    settings = make_settings(make_route(**route), engine={"kind": "vllm", "model": str(folder), **engine})
    found = (await check_engine(settings, POLICIES))[-1]
    assert (found.severity, words in found.sentence) == (severity, True), found


async def test_a_route_that_can_not_be_asked_is_an_error() -> None:
    """A policy that is not there."""
    (found,) = await check_engine(make_settings(), {})
    assert (found.severity, found.sentence) == (Severity.ERROR, "there is no policy spam (loaded: none)")


async def test_a_scripted_engine_is_said_to_be_one() -> None:
    """Nobody takes it for a model."""
    (found,) = await check_engine(make_settings(), POLICIES)
    assert (found.severity, found.sentence) == (Severity.OK, "the engine is scripted: no model judges")
