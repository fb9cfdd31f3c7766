"""`stream-guard policy lint`: what can be seen to be wrong in a policy without asking a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_guard.cli.configuration import DEFAULT_CONFIG, configured
from stream_guard.cli.output import ExitCode

if TYPE_CHECKING:
    from stream_guard.authoring.lint import Linted


def lint_policies(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Policy files or folders, policy packs too. Without any: those of the configuration.",
            show_default=False,
        ),
    ] = None,
    *,
    config: Annotated[
        Path,
        typer.Option("--config", "-c", help="The configuration file, where no policies are named.", metavar="FILE"),
    ] = DEFAULT_CONFIG,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Write everything as one JSON object.")] = False,
) -> None:
    """Look for what is wrong in policies: structure, length, vague words, contradictions, what the guide advises.

    Plain rules, no model. Each finding has its place and what to do. A policy lists the rules that are to be passed
    over in it in its front matter, under `lint` and there under `ignore`.

    Exit codes: 0 right (there may be warnings and advice), 1 unexpected, 2 a policy can't be loaded; with --strict also
    where there are warnings.
    """
    from stream_guard.authoring.lint import lint_files
    from stream_guard.cli.policy_lint_screen import show
    from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary

    vocabulary = harmony_vocabulary()
    linted = lint_files(files or configured(config).policies, lambda text: len(vocabulary.encode(text)))
    show(linted, as_json=json)
    raise typer.Exit(ExitCode.WRONG_CONFIG if _failed(linted, strict=strict) else ExitCode.OK)


def _failed(linted: Sequence[Linted], *, strict: bool) -> bool:
    from stream_guard.authoring.catalogue import Level

    return any(each.count(Level.ERROR) or (strict and each.count(Level.WARNING)) for each in linted)
