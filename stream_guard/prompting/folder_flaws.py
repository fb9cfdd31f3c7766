"""What is wrong with a model folder, each thing in a sentence that says what to do. Pure: the folder was read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from msgspec import Struct

from stream_guard.prompting.manifest import Json

CONFIG, TOKENIZER, INDEX = "config.json", "tokenizer.json", "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
_MAY_NAME_CODE = (
    CONFIG,
    "tokenizer_config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
)
DOCUMENTS = (*_MAY_NAME_CODE, TOKENIZER, INDEX)
"""The files that are read whole."""
_PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
"""To load one is to run whatever program it holds."""
_OTHER_WEIGHTS = _PICKLED | {".gguf", ".h5", ".msgpack", ".onnx", ".npz"}
QUANTIZATIONS = frozenset(
    {
        "awq", "auto_awq", "gptq", "auto_gptq", "auto-round", "inc", "compressed-tensors", "compressed_tensors", "fp8",
        "fbgemm_fp8", "fp_quant", "modelopt", "modelopt_fp4", "modelopt_mxfp8", "modelopt_mixed", "mxfp4", "mxfp8", "quark",
        "torchao", "experts_int8", "moe_wna16", "humming", "deepseek_v4_fp8",
    }
)  # fmt: skip
"""How a model may have been quantized, in the words of its configuration, so that vLLM 0.32 can load it."""


SentenceOf: TypeAlias = Callable[[str, str], str]
"""Makes a sentence of a file's name and what is wrong with it."""


class Shard(Struct, frozen=True):
    """A file of weights: the tensors in it, or why it can't be used."""

    name: str
    tensors: frozenset[str] = frozenset()
    flaw: str | None = None


class FolderFacts(Struct, frozen=True):
    """What lies in a folder, its first level alone: an engine looks no deeper."""

    folder: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]
    lost: tuple[str, ...]
    """Links that lead nowhere."""
    documents: Mapping[str, Json]
    unreadable: Mapping[str, str]
    """Documents that could not be read, and why."""
    shards: tuple[Shard, ...]

    def flaw(self, name: str, what: str) -> str:
        """A sentence on one file."""
        return f"{self.folder / name} {what}"


def folder_flaw(folder: Path, *, exists: bool, why: str | None) -> str:
    """Why a folder can't even be listed."""
    if not exists:
        return f"{folder}: there is no such folder; a model is a folder on this machine, got beforehand"
    return f"{folder} can't be read as a model folder: {why or 'no reason given'}"


def flaws(facts: FolderFacts, *, weights: bool = True) -> list[str]:
    """Everything that is wrong, in the order in which it is best mended. Without `weights` these are not looked at."""
    if (nothing := _no_model(facts)) is not None:
        return [nothing]
    found = [*_flaws_of_documents(facts), *_flaws_of_code(facts)]
    found += _flaws_of_config(facts.flaw, facts.documents.get(CONFIG), facts.documents.get(TOKENIZER))
    return [*found, *(_flaws_of_weights(facts) if weights else ())]


def _no_model(facts: FolderFacts) -> str | None:
    """What it is instead, where it holds no model at all."""
    folder = facts.folder
    if CONFIG in facts.files or CONFIG in facts.lost:
        return None
    if "snapshots" in facts.folders:
        return (
            f"{folder} is where the hub's cache keeps a model: name one of its commits, {folder / 'snapshots'}/<commit>"
        )
    if _ADAPTER in facts.files:
        return f"{folder} holds an adapter ({_ADAPTER}) without its model: merge the two, and name the folder of the result"
    holds = f"a model folder holds {CONFIG}, {TOKENIZER} and weights as *.safetensors"
    if not facts.files and not facts.lost:
        return f"{folder} is empty: {holds}"
    return f"{folder} is no model folder: it lacks {CONFIG}; {holds}"


def _flaws_of_documents(facts: FolderFacts) -> Iterator[str]:
    for name in facts.lost:
        yield facts.flaw(
            name, "is a link that leads nowhere: the file that it stands for was deleted or not copied along"
        )
    if TOKENIZER not in (*facts.files, *facts.lost):
        yield facts.flaw(TOKENIZER, "is missing: prompts are encoded with it (a tokenizer.model alone is not enough)")
    for name, why in facts.unreadable.items():
        yield facts.flaw(name, why)


def _flaws_of_code(facts: FolderFacts) -> Iterator[str]:
    """Code that comes with a model is never run, and what asks for it is refused before an engine sees it.

    An `auto_map` counts at any depth: one in a nested configuration was once obeyed without being asked (CVE-2025-66448).
    """
    for name in _MAY_NAME_CODE:
        if _holds_auto_map(facts.documents.get(name)):
            yield facts.flaw(
                name, "has auto_map: to load this model would run code that comes with it; choose another model"
            )


def _holds_auto_map(value: Any) -> bool:
    found = [value]
    while found:  # a recursion would end at a depth that a file may well have
        inner = found.pop()
        if isinstance(inner, dict):
            if inner.get("auto_map"):
                return True
            found += inner.values()
        elif isinstance(inner, list):
            found += inner
    return False


def _flaws_of_config(flaw: SentenceOf, config: Json | None, tokenizer: Json | None) -> Iterator[str]:
    if config is None:
        return
    named = config.get("architectures")
    if not isinstance(named, list) or not named or not all(isinstance(name, str) for name in named):
        yield flaw(CONFIG, "names no architectures: it is not the configuration of a model that can be loaded")
    if (method := _quantization(config)) is not None and method not in QUANTIZATIONS:
        yield flaw(CONFIG, f"says that the model is quantized by {method!r}, which vLLM can't load")
    size = vocabulary(config)
    if size is None:
        yield flaw(CONFIG, "does not say vocab_size: whether token ids fit the model can't be checked")
    elif tokenizer is not None:
        yield from _flaws_of_ids(flaw, size, tokenizer)


def _flaws_of_ids(flaw: SentenceOf, size: int, tokenizer: Json) -> Iterator[str]:
    highest = _highest_id(tokenizer)
    if highest is None:
        yield flaw(TOKENIZER, "is not a tokenizer: it holds no vocabulary, or tokens without an id")
    elif highest >= size:
        yield flaw(
            TOKENIZER,
            f"has the token id {highest}, but the model has only {size} (vocab_size in {CONFIG}), counted from 0: "
            "such an id would end the engine; the two belong to different models",
        )


def vocabulary(config: Json) -> int | None:
    """How many token ids a model has embeddings for; None where its configuration does not say."""
    inner = config.get("text_config")
    size = config.get("vocab_size") or (inner.get("vocab_size") if isinstance(inner, dict) else None)
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def _quantization(config: Json) -> str | None:
    stated = config.get("quantization_config") or config.get("compression_config")
    method = stated.get("quant_method") if isinstance(stated, dict) else None
    return method.lower() if isinstance(method, str) else None


def _highest_id(tokenizer: Json) -> int | None:
    """Of the whole vocabulary, added tokens included; None where it is none."""
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens") or []
    words = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(words, dict | list) or not words or not isinstance(added, list):
        return None
    ids = list(words.values()) if isinstance(words, dict) else [len(words) - 1]
    ids += [token.get("id") if isinstance(token, dict) and "content" in token else None for token in added]
    return max(ids) if all(isinstance(i, int) for i in ids) else None


def _flaws_of_weights(facts: FolderFacts) -> Iterator[str]:
    pickled = [name for name in facts.files if PurePath(name).suffix in _PICKLED]
    if pickled:
        names = ", ".join(pickled)
        yield f"{facts.folder} holds {names}: weights must be safetensors, as to load others can run a program in them; delete them"
    second = [shard.name for shard in facts.shards if shard.name.startswith("consolidated")]
    if second:
        yield facts.flaw(
            second[0],
            "is a second copy of the weights, which vLLM would load with a configuration that is not checked: delete it, "
            "or get the model with --exclude 'consolidated*' --exclude params.json",
        )
        return
    if not facts.shards:
        others = [name for name in facts.files if PurePath(name).suffix in _OTHER_WEIGHTS]
        found = f", only {', '.join(others)}" if others else ""
        lost = any(name.endswith(".safetensors") for name in facts.lost)
        if not lost:
            yield f"{facts.folder} holds no weights as safetensors{found}: get the model again, in that form"
    elif INDEX in facts.documents:
        yield from _flaws_of_index(facts, facts.documents[INDEX].get("weight_map"))
    elif len(facts.shards) > 1 and INDEX not in facts.unreadable:
        yield f"{facts.folder} holds {len(facts.shards)} files of weights but no {INDEX}: nothing says which belong to the model, and whether all are there"
    else:
        yield from (facts.flaw(shard.name, shard.flaw) for shard in facts.shards if shard.flaw is not None)


def _flaws_of_index(facts: FolderFacts, weight_map: Any) -> Iterator[str]:
    """Only what the index names is loaded; all of it must be there."""
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(n, str) for n in weight_map.values()):
        yield facts.flaw(INDEX, "has no weight_map: it does not say where the weights are")
        return
    shards = {shard.name: shard for shard in facts.shards}
    for name in sorted(set(weight_map.values())):
        shard = shards.get(name)
        if shard is None:
            if name not in facts.lost:
                yield facts.flaw(name, f"is missing: {INDEX} names it; get it again")
        elif shard.flaw is not None:
            yield facts.flaw(name, shard.flaw)
        elif absent := sum(where == name and tensor not in shard.tensors for tensor, where in weight_map.items()):
            yield facts.flaw(
                name, f"lacks {absent} of the tensors that {INDEX} says it holds: they are of different models"
            )
