"""A wrong model folder is refused before anything is loaded, each fault in a sentence that says what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream_guard.errors import ModelError
from stream_guard.prompting.model_folder import ModelFolder, checked_folder
from tests.folders import (
    COMMIT,
    INDEX,
    make_cached_folder,
    make_model_folder,
    make_safetensors,
    make_tokenizer,
    write_json,
)


def problems(folder: Path, **how: Any) -> tuple[str, ...]:
    """Everything that is wrong with a folder."""
    with pytest.raises(ModelError) as refused:
        checked_folder(folder, **how)
    return refused.value.problems


def each(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    """One fault of several steps."""
    return lambda folder: [step(folder) for step in steps]


def clear(folder: Path) -> None:
    """Leaves the folder empty."""
    for file in folder.iterdir():
        file.unlink()


def change(folder: Path, name: str, **fields: Any) -> None:
    """Changes fields of a JSON document."""
    write_json(folder / name, json.loads((folder / name).read_text(encoding="utf-8")) | fields)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_in_which_nothing_is_wrong(tmp_path: Path, shards: int) -> None:
    """In one file of weights or in several, as gpt-oss counts them."""
    folder = checked_folder(make_model_folder(tmp_path / "safeguard", shards=shards, max_position_embeddings=4096))
    assert folder.architectures == ("GptOssForCausalLM",)
    assert folder.config["max_position_embeddings"] == 4096
    assert folder.added_tokens["<|return|>"] == 200_002
    assert (folder.name, folder.revision, folder.pinned_by_path) == ("safeguard", None, False)


def test_the_hubs_cache_works_as_it_is(tmp_path: Path) -> None:
    """A commit's folder of links: it is pinned by its path, and verdicts call it by the repository's name."""
    folder = checked_folder(make_cached_folder(tmp_path, shards=2))
    assert (folder.name, folder.revision, folder.pinned_by_path) == ("gpt-oss-safeguard-20b", COMMIT, True)


def test_what_the_hubs_client_noted_is_known(tmp_path: Path) -> None:
    """Of a local folder it keeps the commit, which does not pin it: another may be got into the same place."""
    noted = make_model_folder(tmp_path) / ".cache/huggingface/download/config.json.metadata"
    noted.parent.mkdir(parents=True)
    noted.write_text(f"{COMMIT}\nfeed\n1700000000.0\n", encoding="utf-8")
    folder = checked_folder(tmp_path)
    assert (folder.revision, folder.pinned_by_path) == (COMMIT, False)
    noted.write_text("main\n", encoding="utf-8")
    assert checked_folder(tmp_path).revision is None


def test_the_manifest_is_the_same_by_links_and_by_files(tmp_path: Path) -> None:
    """A pin outlives a move from one layout to the other."""
    plain = checked_folder(make_model_folder(tmp_path / "plain", shards=2)).manifest
    assert checked_folder(make_cached_folder(tmp_path / "cache", shards=2)).manifest == plain


def test_a_pin_holds(tmp_path: Path) -> None:
    """The pinned model is taken, another one in its place is not."""
    manifest = checked_folder(make_model_folder(tmp_path)).manifest
    assert checked_folder(tmp_path, pin=manifest).manifest == manifest
    change(tmp_path, "config.json", hidden_size=8)
    [problem] = problems(tmp_path, pin=manifest)
    assert "is not the model that engine.manifest pins" in problem
    assert manifest in problem


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "there is no such folder; a model is a folder on this machine"),
    "a file": (each(shutil.rmtree, Path.touch), "can't be read as a model folder: Not a directory"),
    "empty": (clear, "is empty: a model folder holds config.json"),
    "another folder": (lambda f: (f / "config.json").unlink(), "is no model folder: it lacks config.json"),
    "an adapter": (
        lambda f: (f / "config.json").rename(f / "adapter_config.json"),
        "holds an adapter (adapter_config.json) without its model: merge the two",
    ),
    "the cache's folder": (
        each(clear, lambda f: (f / "snapshots").mkdir()),
        "name one of its commits",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing: prompts are encoded with it"),
    "a tokenizer's pointer": (
        lambda f: (f / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "tokenizer.json is a pointer of Git LFS and not the file itself",
    ),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "config.json is no JSON object"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "config.json is no JSON object"),
    "config is not UTF-8": (lambda f: (f / "config.json").write_bytes(b'{"\xff": 1}'), "config.json is no JSON object"),
    "config is nested without end": (
        lambda f: (f / "config.json").write_text(f'{{"a": {"[" * 50_000}{"]" * 50_000}}}'),
        "config.json is nested too deep to be read",
    ),
    "code in the model": (
        lambda f: change(f, "config.json", auto_map={"AutoModel": "modeling.Model"}),
        "config.json has auto_map: to load this model would run code that comes with it",
    ),
    "code in a part of it": (
        lambda f: change(f, "config.json", vision_config={"parts": [{"auto_map": {"AutoConfig": "x--y.Z"}}]}),
        "config.json has auto_map",
    ),
    "code deep in it": (
        lambda f: (f / "config.json").write_text(f'{{"a": {"[" * 300}{{"auto_map": {{"A": "x"}}}}{"]" * 300}}}'),
        "config.json has auto_map",
    ),
    "code in the tokenizer": (
        lambda f: write_json(f / "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["tok.Tok", None]}}),
        "tokenizer_config.json has auto_map",
    ),
    "no architectures": (lambda f: change(f, "config.json", architectures=[]), "config.json names no architectures"),
    "unknown quantization": (
        lambda f: change(f, "config.json", quantization_config={"quant_method": "Magic8"}),
        "is quantized by 'magic8', which vLLM can't load",
    ),
    "no vocabulary size": (lambda f: change(f, "config.json", vocab_size=None), "does not say vocab_size"),
    "a word past the embedding": (
        lambda f: change(f, "tokenizer.json", model={"vocab": {"a": 0, "b": 201_088}}),
        "has the token id 201088, but the model has only 201088",
    ),
    "a control token past the embedding": (
        lambda f: change(f, "config.json", vocab_size=200_012),
        "has the token id 200012, but the model has only 200012",
    ),
    "a list of words past the embedding": (
        each(
            lambda f: change(f, "config.json", vocab_size=3),
            lambda f: write_json(f / "tokenizer.json", {"model": {"vocab": [["a", 0]] * 4}}),
        ),
        "has the token id 3, but the model has only 3",
    ),
    "no words": (lambda f: write_json(f / "tokenizer.json", {}), "tokenizer.json is not a tokenizer"),
    "tokens without an id": (
        lambda f: change(f, "tokenizer.json", added_tokens=[{"content": "<s>"}]), "tokenizer.json is not a tokenizer",
    ),
    "ids that are none": (
        lambda f: change(f, "tokenizer.json", model={"vocab": {"a": "0"}}), "tokenizer.json is not a tokenizer",
    ),
    "pickles": (lambda f: (f / "pytorch_model.bin").touch(), "holds pytorch_model.bin: weights must be safetensors"),
    "only pickles": (
        lambda f: (f / "model.safetensors").rename(f / "model.pth"),
        "holds no weights as safetensors, only model.pth",
    ),
    "only gguf": (
        lambda f: (f / "model.safetensors").rename(f / "model.gguf"),
        "holds no weights as safetensors, only model.gguf",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds no weights as safetensors: get the model again"),
    "a second copy": (
        lambda f: make_safetensors(f / "consolidated.safetensors", "a"),
        "consolidated.safetensors is a second copy of the weights",
    ),
    "several without an index": (
        lambda f: make_safetensors(f / "more.safetensors", "a"),
        f"holds 2 files of weights but no {INDEX}",
    ),
    "a pointer": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "model.safetensors is a pointer of Git LFS",
    ),
    "cut short": (
        lambda f: os.truncate(f / "model.safetensors", (f / "model.safetensors").stat().st_size - 1),
        "model.safetensors is cut short: its header promises 16 bytes of tensors, it holds 15",
    ),
    "too long": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes() + b"x"),
        "model.safetensors holds 1 bytes more than its header says",
    ),
    "a link to nowhere": (
        each(lambda f: (f / "model.safetensors").unlink(), lambda f: (f / "model.safetensors").symlink_to("gone")),
        "model.safetensors is a link that leads nowhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "words"), FAULTS.values(), ids=FAULTS)
def test_each_fault_has_a_sentence_of_its_own(tmp_path: Path, fault: Callable[[Path], object], words: str) -> None:
    """It names the file, and the folder with it."""
    folder = make_model_folder(tmp_path / "model")
    fault(folder)
    found = problems(folder)
    assert any(words in problem for problem in found), found
    assert all(str(folder) in problem for problem in found)


SHARD = "model-00001-of-00002.safetensors"
SHARD_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda f: (f / SHARD).unlink(), f"{SHARD} is missing: {INDEX} names it; get it again"),
    "cut short": (lambda f: os.truncate(f / SHARD, 40), f"{SHARD} is cut short"),
    "of another model": (
        lambda f: make_safetensors(f / SHARD, "layer.1", "other"),
        f"{SHARD} lacks 1 of the tensors that {INDEX} says it holds",
    ),
    "index without a map": (lambda f: change(f, INDEX, weight_map={}), f"{INDEX} has no weight_map"),
    "index of nonsense": (lambda f: change(f, INDEX, weight_map={"a": 1}), f"{INDEX} has no weight_map"),
    "index is no JSON": (lambda f: (f / INDEX).write_text("}"), f"{INDEX} is no JSON object"),
    "outside of the folder": (
        lambda f: change(f, INDEX, weight_map={"layer.0": "../model-00000-of-00002.safetensors"}),
        "model-00000-of-00002.safetensors is missing",
    ),
}


@pytest.mark.parametrize(("fault", "words"), SHARD_FAULTS.values(), ids=SHARD_FAULTS)
def test_every_shard_must_be_there_and_whole(tmp_path: Path, fault: Callable[[Path], object], words: str) -> None:
    """What the index names is what is loaded."""
    folder = make_model_folder(tmp_path, shards=3)
    fault(folder)
    [problem] = problems(folder)
    assert words in problem


def test_what_the_index_does_not_name_is_not_loaded(tmp_path: Path) -> None:
    """So nothing need be right with it."""
    make_model_folder(tmp_path, shards=3)
    (tmp_path / "draft.safetensors").touch()
    checked_folder(tmp_path)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """An operator mends a folder in one go."""
    make_model_folder(tmp_path)
    change(tmp_path, "config.json", auto_map={"AutoModel": "m.M"}, vocab_size=5)
    (tmp_path / "model.safetensors").rename(tmp_path / "model.bin")
    assert len(problems(tmp_path)) == 4


def test_a_folder_of_a_tokenizer_needs_no_weights(tmp_path: Path) -> None:
    """Where a server has the model, only prompts are made here; code is refused all the same."""
    (make_model_folder(tmp_path) / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").touch()
    folder = checked_folder(tmp_path, weights=False)
    assert isinstance(folder, ModelFolder)
    change(tmp_path, "config.json", auto_map={"AutoModel": "m.M"})
    assert len(problems(tmp_path, weights=False)) == 1


def test_the_vocabulary_of_a_model_in_parts_is_found(tmp_path: Path) -> None:
    """A multimodal model says it of its text model."""
    make_model_folder(tmp_path, vocab_size=None, text_config={"vocab_size": 200_013})
    assert checked_folder(tmp_path).config["text_config"] == {"vocab_size": 200_013}


def test_an_id_that_no_prompt_would_hold_counts_too(tmp_path: Path) -> None:
    """A reply could hold it, and so could the next prompt."""
    make_model_folder(tmp_path, vocab_size=200_013)
    write_json(tmp_path / "tokenizer.json", make_tokenizer({"<pad>": 200_013}))
    [problem] = problems(tmp_path)
    assert "has the token id 200013" in problem
