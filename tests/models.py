"""Makes the tiny models of the tests: random, loaded by vLLM in seconds, and meaning nothing.

As a program: `python tests/models.py llama INTO TOKENIZER_FOLDER`, or `python tests/models.py gpt-oss INTO`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_CACHE = _ROOT / ".cache" / "models"
_LLAMA, _GPT_OSS = "tiny-llama-1", "tiny-gpt-oss-1"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
VOCABULARY = 49152
CONTEXT = 8192


def tiny_model_folder(tokenizer: Path) -> Path:
    """The tiny Llama's folder, made on first use in the checkout's cache. Same weights every time."""
    return _made(_LLAMA, "llama", str(tokenizer))


def tiny_gpt_oss_folder() -> Path:
    """The folder of a tiny model of gpt-oss's architecture with its real vocabulary, made on first use (1 minute)."""
    return _made(_GPT_OSS, "gpt-oss")


def _made(layout: str, kind: str, *more: str) -> Path:
    folder = _CACHE / layout
    if not (folder / "config.json").is_file():
        _CACHE.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=_CACHE))
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(_ROOT)}
        command = [sys.executable, __file__, kind, str(building), *more]
        subprocess.run(command, check=True, capture_output=True, timeout=500, env=environment)
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


def make_tiny_gpt_oss(into: Path) -> None:
    """Two layers, one with a sliding window, four experts, and gpt-oss's own vocabulary.

    Its head is zero where control tokens stand: the likeliest of 200,000 random logits is never 0, so that by itself it
    writes none, never stops, and every reply is as long as it may be.
    """
    import torch  # noqa: PLC0415
    from transformers import GptOssConfig, GptOssForCausalLM  # noqa: PLC0415

    from stream_guard.prompting.harmony_tokens import CALL, ENDOFTEXT, ORDINARY_TOKENS, RETURN  # noqa: PLC0415

    torch.manual_seed(0)
    config = GptOssConfig(
        vocab_size=201_088,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=64,
        sliding_window=128,
        max_position_embeddings=131_072,
        initial_context_length=4096,
        layer_types=["sliding_attention", "full_attention"],
        eos_token_id=RETURN,
        pad_token_id=ENDOFTEXT,
    )
    model = GptOssForCausalLM(config).to(torch.float32)
    with torch.no_grad():
        model.lm_head.weight[ORDINARY_TOKENS:] = 0.0
    model.save_pretrained(into)
    _write_json(into / "generation_config.json", {"eos_token_id": [RETURN, ENDOFTEXT, CALL], "do_sample": True})
    _write_harmony_tokenizer(into)


def _write_harmony_tokenizer(into: Path) -> None:
    """The vocabulary that the harmony library embeds, as a tokenizer.json, which vLLM's grammars read."""
    from openai_harmony import load_harmony_encoding  # noqa: PLC0415
    from tokenizers import AddedToken  # noqa: PLC0415
    from transformers.convert_slow_tokenizer import TikTokenConverter  # noqa: PLC0415

    from stream_guard.prompting.harmony_tokens import ORDINARY_TOKENS  # noqa: PLC0415
    from stream_guard.prompting.harmony_vocabulary import _SPLIT_PATTERN  # noqa: PLC0415

    harmony = load_harmony_encoding("HarmonyGptOss")
    ranks = into / "ranks.tiktoken"
    with ranks.open("wb") as lines:
        for rank in range(ORDINARY_TOKENS):
            lines.write(base64.b64encode(harmony._inner.decode_bytes([rank])) + f" {rank}\n".encode())
    tokenizer = TikTokenConverter(vocab_file=str(ranks), pattern=_SPLIT_PATTERN).converted()
    ranks.unlink()
    special = {harmony.encode(spelled, allowed_special="all")[0]: spelled for spelled in harmony.special_tokens_set}
    tokenizer.add_special_tokens([AddedToken(special[i], special=True, normalized=False) for i in sorted(special)])
    tokenizer.save(str(into / "tokenizer.json"))
    told = {"bos_token": "<|startoftext|>", "eos_token": "<|return|>", "pad_token": "<|endoftext|>"}
    _write_json(into / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **told})


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "llama":
        make_tiny(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        make_tiny_gpt_oss(Path(sys.argv[2]))
