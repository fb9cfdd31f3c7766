"""`stream-guard policy import`: policies of a pack that others wrote, as documents of ours to be finished."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stream_guard.authoring.adopting import Adopted


def import_policies(
    packs: Annotated[
        list[Path],
        typer.Argument(help="Packs, folders within them, or single documents.", show_default=False),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.", metavar="DIR")] = Path("policies"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write what was done as one JSON object.")] = False,
) -> None:
    """Make policies of a policy pack: a folder a policy with its policy.md, as the ROOST Model Community shares them.

    What the documents say is kept: categories, rules, examples, definitions. What they don't say, such as what to do about a
    category, is a TODO for you to decide: until then the policies don't load.

    Exit codes: 0 done, 1 unexpected, 2 wrong command line, a document can't be read, or the files exist.
    """
    from stream_guard.authoring.adopting import adopt
    from stream_guard.cli.output import print_json

    adopted = adopt(packs)
    paths = _write(adopted, out, force=force)
    if json:
        print_json(_json(adopted, paths))
    else:
        typer.echo("\n".join(_lines(adopted, paths)))


def _write(adopted: Sequence[Adopted], out: Path, *, force: bool) -> list[Path]:
    paths = [out / f"{each.id}.md" for each in adopted]
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        raise typer.BadParameter(
            f"exists already: {', '.join(there)}. Choose another folder, or --force to overwrite", param_hint="--out"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, each in zip(paths, adopted, strict=True):
            path.write_text(each.text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(
            f"{error.filename or out} can't be written: {error.strerror}", param_hint="--out"
        ) from error
    return paths


def _lines(adopted: Sequence[Adopted], paths: Sequence[Path]) -> Iterator[str]:
    for each, path in zip(adopted, paths, strict=True):
        yield f"Wrote {path}, of {each.source}."
        yield f"  left to you: {', '.join(each.undecided)}"
    yield "\nDecide each TODO, then go on with:"
    made = paths[0] if len(paths) == 1 else paths[0].parent
    yield f"  {_command('lint', made)}"
    for folder in dict.fromkeys(each.labelled.parent for each in adopted if each.labelled is not None):
        yield f"  {_command('test', made, '--labelled', folder)}"


def _command(name: str, *words: Path | str) -> str:
    return shlex.join(["stream-guard", "policy", name, *map(str, words)])


def _json(adopted: Sequence[Adopted], paths: Sequence[Path]) -> dict[str, Any]:
    return {
        "policies": [
            {
                "id": each.id,
                "file": str(path),
                "source": str(each.source),
                "undecided": list(each.undecided),
                "labelled": None if each.labelled is None else str(each.labelled),
            }
            for each, path in zip(adopted, paths, strict=True)
        ]
    }
