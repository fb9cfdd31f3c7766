"""Makes the tiny model of the tests: a random Llama that vLLM loads in seconds and that means nothing.

As a program: `python tests/models.py INTO TOKENIZER_FOLDER`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_CACHE = Path(__file__).parent.parent / ".cache" / "models"
_LAYOUT = "tiny-llama-1"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
VOCABULARY = 49152
CONTEXT = 8192


def tiny_model_folder(tokenizer: Path) -> Path:
    """The tiny model's folder, made on first use in the checkout's cache. Same weights every time."""
    folder = _CACHE / _LAYOUT
    if not (folder / "config.json").is_file():
        _CACHE.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=_CACHE))
        command = [sys.executable, __file__, str(building), str(tokenizer)]
        subprocess.run(command, check=True, capture_output=True, timeout=300, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        try:
            building.rename(folder)
        except OSError:  # another run made it meanwhile
            shutil.rmtree(building)
    return folder


def make_tiny(into: Path, tokenizer: Path) -> None:
    """Two layers, 64 wide, random; heads of 32, a size that vLLM's CPU kernels have."""
    import torch  # noqa: PLC0415 - slow, and pytest imports this module
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).to(torch.float32).save_pretrained(into)
    for name in _TOKENIZER_FILES:
        shutil.copy(tokenizer / name, into / name)


if __name__ == "__main__":
    make_tiny(Path(sys.argv[1]), Path(sys.argv[2]))
