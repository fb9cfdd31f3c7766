"""Model folders that hold next to nothing: enough to be looked at, not to be loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stream_guard.prompting.harmony_tokens import SPELLINGS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = "model.safetensors.index.json"


def make_safetensors(path: Path, *tensors: str, size: int = 8) -> Path:
    """A whole file of weights: each tensor of as many bytes."""
    entries = {
        name: {"dtype": "U8", "shape": [size], "data_offsets": [at * size, (at + 1) * size]}
        for at, name in enumerate(tensors)
    }
    header = json.dumps({"__metadata__": {"format": "pt"}} | entries).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size * len(tensors)))
    return path


def make_tokenizer(added: Mapping[str, int], words: Sequence[str] = ("a", "b")) -> dict[str, Any]:
    """What of a tokenizer.json is looked at in every folder."""
    tokens = [{"id": number, "content": spelling, "special": True} for spelling, number in added.items()]
    return {"model": {"type": "BPE", "vocab": {word: at for at, word in enumerate(words)}}, "added_tokens": tokens}


def write_json(path: Path, document: object) -> Path:
    """A JSON document as a file."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def make_model_folder(folder: Path, *, shards: int = 1, **config: Any) -> Path:
    """A gpt-oss model, as far as it is looked at before it is loaded; in several shards it has an index."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"architectures": ["GptOssForCausalLM"], "vocab_size": 201_088, **config}
    write_json(folder / "config.json", whole)
    write_json(folder / "tokenizer.json", make_tokenizer(SPELLINGS))
    if shards == 1:
        make_safetensors(folder / "model.safetensors", "embed", "head")
        return folder
    names = [f"model-{number:05}-of-{shards - 1:05}.safetensors" for number in range(shards)]  # as gpt-oss counts
    for number, name in enumerate(names):
        make_safetensors(folder / name, f"layer.{number}", f"norm.{number}")
    where = {f"{kind}.{number}": name for number, name in enumerate(names) for kind in ("layer", "norm")}
    write_json(folder / INDEX, {"metadata": {"total_size": 16 * shards}, "weight_map": where})
    return folder


def make_cached_folder(cache: Path, **more: Any) -> Path:
    """The same in the hub's cache: a commit's folder of links to blobs."""
    model = cache / "models--openai--gpt-oss-safeguard-20b"
    plain = make_model_folder(cache / "plain", **more)
    snapshot, blobs = model / "snapshots" / COMMIT, model / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted(plain.iterdir())):
        blob = file.rename(blobs / f"{number:064x}")
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    return snapshot
