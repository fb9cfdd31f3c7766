"""A model folder as it lies there: what is in it, read once, weights by their headers alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from stream_guard.errors import ModelError
from stream_guard.prompting.folder_flaws import CONFIG, DOCUMENTS, TOKENIZER, FolderFacts, Shard, flaws, folder_flaw
from stream_guard.prompting.manifest import Json, model_manifest
from stream_guard.prompting.safetensors import PREFIX_BYTES, NotWhole, check_no_pointer, header_bytes, tensor_names

_BEGINNING_BYTES = 64
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"models--.+--(.+)")
"""How the hub's cache names the folder of a model: `models--owner--name/snapshots/<commit>`."""
_DOWNLOADS = Path(".cache", "huggingface", "download")
"""Where the hub's client notes, beside the files of a local folder, what it got."""


class ModelFolder(Struct, frozen=True):
    """A folder that a model can be loaded from. `manifest` is a hash of what makes the model itself."""

    path: Path
    manifest: str
    config: Json
    added_tokens: Mapping[str, int]
    """The ids of the tokens that are no parts of words, by their spelling: control tokens are among them."""
    revision: str | None
    """The commit of the hub that it was got from, where that is known."""

    @property
    def architectures(self) -> tuple[str, ...]:
        """What config.json calls the model."""
        return tuple(map(str, self.config.get("architectures") or ()))

    @property
    def name(self) -> str:
        """What to call the model: the folder's name, or the repository's where the folder is a commit of the hub's cache."""
        cached = _REPOSITORY.fullmatch(self.path.parent.parent.name)
        return cached[1] if cached and self.path.parent.name == "snapshots" else self.path.name

    @property
    def pinned_by_path(self) -> bool:
        """Whether its path names the commit: nothing else will ever lie there."""
        return self.path.parent.name == "snapshots" and _COMMIT.fullmatch(self.path.name) is not None


def checked_folder(folder: Path, *, weights: bool = True, pin: str | None = None) -> ModelFolder:
    """A folder in which nothing is wrong. Without `weights` only what prompts are made of is looked at.

    Raises ModelError with everything that is wrong: with what lies there, or that it is not the model whose manifest is `pin`.
    """
    facts = read_folder(folder)
    if problems := flaws(facts, weights=weights):
        raise ModelError(*problems)
    manifest = model_manifest(folder, [shard.name for shard in facts.shards] if weights else [])
    if pin not in (None, manifest):
        raise ModelError(
            f"{folder} is not the model that engine.manifest pins: its manifest is {manifest}, the pinned one {pin}"
        )
    documents = facts.documents
    return ModelFolder(folder, manifest, documents[CONFIG], _added_tokens(documents[TOKENIZER]), _revision(folder))


def read_folder(folder: Path) -> FolderFacts:
    """What lies in a folder. Raises ModelError where there is no folder, or nothing in it, or it can't be read."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ModelError(folder_flaw(folder, exists=folder.exists(), why=error.strerror)) from error
    files = [entry for entry in entries if entry.is_file()]
    documents: dict[str, Json] = {}
    unreadable: dict[str, str] = {}
    for name in DOCUMENTS:
        if any(file.name == name for file in files):
            _read_document(folder / name, documents, unreadable)
    return FolderFacts(
        folder=folder,
        files=tuple(file.name for file in files),
        folders=tuple(entry.name for entry in entries if entry.is_dir()),
        lost=tuple(entry.name for entry in entries if entry.is_symlink() and not entry.exists()),
        documents=documents,
        unreadable=unreadable,
        shards=tuple(_read_shard(file) for file in files if file.suffix == ".safetensors"),
    )


def _read_document(path: Path, documents: dict[str, Json], unreadable: dict[str, str]) -> None:
    try:
        raw = path.read_bytes()
        check_no_pointer(raw)
        documents[path.name] = msgspec.json.decode(raw, type=Json)
    except NotWhole as problem:
        unreadable[path.name] = str(problem)
    except OSError as error:
        unreadable[path.name] = f"can't be read: {error.strerror or 'no reason given'}"
    except RecursionError:
        unreadable[path.name] = "is nested too deep to be read: it belongs to no model"
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        unreadable[path.name] = f"is no JSON object ({error}): it is damaged, or was not got whole"


def _read_shard(path: Path) -> Shard:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = header_bytes(file.read(_BEGINNING_BYTES), size)
            file.seek(PREFIX_BYTES)
            return Shard(path.name, tensor_names(file.read(length), size - PREFIX_BYTES - length))
    except NotWhole as problem:
        return Shard(path.name, flaw=str(problem))
    except OSError as error:
        return Shard(path.name, flaw=f"can't be read: {error.strerror or 'no reason given'}")


def _revision(folder: Path) -> str | None:
    """The commit that a folder holds: in the hub's cache its own name, in a local folder what the client noted."""
    if _COMMIT.fullmatch(folder.name):
        return folder.name
    try:
        noted = (folder / _DOWNLOADS / f"{CONFIG}.metadata").read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError):
        return None
    return noted if _COMMIT.fullmatch(noted) else None


def _added_tokens(tokenizer: Json) -> dict[str, int]:
    added: Sequence[Json] = tokenizer.get("added_tokens") or ()
    return {str(token["content"]): int(token["id"]) for token in added}
