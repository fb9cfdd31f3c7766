"""Converts a folder with a GGUF file of a Llama into one that vLLM loads: `python -m ... FROM INTO`.

Imports torch and transformers; run as a program by `small_model`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

_TIED = "lm_head.weight"
"""The embedding under another name; vLLM ties the two itself."""


def convert(source: Path, into: Path) -> None:
    """Writes configuration, tokenizer and bfloat16 weights. The configuration comes last: it marks a whole folder."""
    gguf = next(source.glob("*.gguf")).name
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf)
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf, dtype=torch.bfloat16)
    weights = {name: part.contiguous() for name, part in model.state_dict().items() if name != _TIED}
    save_file(weights, into / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(into)
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the weights are no longer quantized
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(into)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
