"""What we say of vLLM without importing it is true of the one that is installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from stream_guard.prompting.folder_flaws import QUANTIZATIONS

pytestmark = pytest.mark.vllm

_OTHER_SPELLINGS = {"auto-round", "compressed_tensors"}
"""Of `inc` and `compressed-tensors`, which vLLM rewrites."""


def source_of(path: str) -> str:
    """A file of the installed vLLM; importing it would take seconds."""
    spec = find_spec("vllm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return (Path(spec.submodule_search_locations[0]) / path).read_text(encoding="utf-8")


def test_every_quantization_that_passes_is_one_that_vllm_knows() -> None:
    """A model folder that passes the check must not fail minutes later."""
    methods = set(
        re.findall(r'^    "([a-z0-9_-]+)",$', source_of("model_executor/layers/quantization/__init__.py"), re.MULTILINE)
    )
    assert "mxfp4" in methods
    assert QUANTIZATIONS - _OTHER_SPELLINGS - methods == set()


def test_vllm_prefers_a_second_copy_of_the_weights() -> None:
    """Which is why one is refused; where this fails, the check may go."""
    loader = source_of("model_executor/model_loader/default_loader.py")
    assert '"mistral"\n                if len(' in loader
    assert 'allow_patterns=["consolidated*.safetensors"]' in loader
