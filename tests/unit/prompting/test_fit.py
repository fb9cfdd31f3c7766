from __future__ import annotations

from pathlib import Path
from typing import Any

from stream_guard.prompting.fit import misfits
from stream_guard.prompting.harmony_tokens import SPELLINGS
from stream_guard.prompting.model_folder import ModelFolder
from stream_guard.prompting.profile import Profile, RendererKind


def make_folder(architecture: str = "GptOssForCausalLM", **added: int) -> ModelFolder:
    """A folder in which nothing is wrong."""
    tokens = SPELLINGS | {f"<|{name}|>": number for name, number in added.items()}
    return ModelFolder(Path("/models/some"), "manifest", {"architectures": [architecture]}, tokens, None)


def make_profile(renderer: RendererKind = RendererKind.HARMONY, **more: Any) -> Profile:
    """A profile of the gpt-oss family."""
    return Profile(name="oss", renderer=renderer, **{"architectures": ("GptOssForCausalLM",), **more})


def test_a_model_of_the_family_fits() -> None:
    """Nothing is said."""
    assert list(misfits(make_profile(), make_folder())) == []


def test_a_model_of_another_family_does_not() -> None:
    """Both are named."""
    [problem] = misfits(make_profile(), make_folder("LlamaForCausalLM"))
    assert problem.startswith("/models/some is a LlamaForCausalLM, but the profile oss is for GptOssForCausalLM")


def test_a_profile_without_architectures_fits_all() -> None:
    """As that for chat models does."""
    assert list(misfits(make_profile(RendererKind.CHAT, architectures=()), make_folder("LlamaForCausalLM"))) == []


def test_harmony_needs_its_control_tokens_at_their_ids() -> None:
    """A tokenizer that has one elsewhere would read our prompts as something else."""
    [problem] = misfits(make_profile(), make_folder(channel=5))
    assert "tokenizer.json lacks <|channel|> at the ids that harmony gives them" in problem
    assert list(misfits(make_profile(RendererKind.CHAT), make_folder(channel=5))) == []
