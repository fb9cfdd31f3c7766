"""How every command ends: results on stdout, errors as one block on stderr, and an exit code that means something.

| code | meaning |
|---|---|
| 0 | done |
| 1 | something unexpected |
| 2 | the command line, the configuration or a policy is wrong |
| 3 | can't go on: the service would skip records or could not publish; a topic can't be read; the model is of no use |
| 70 | a promise was about to be broken: a bug in stream_guard |
| 130 | interrupted from the keyboard |
| 141 | whoever read stdout has left (as `head` does) |
"""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from stream_guard.errors import (
    ConfigError,
    InvariantViolated,
    ModelError,
    Place,
    PolicyError,
    StartRefused,
    StreamGuardError,
)


class ExitCode(IntEnum):
    """What an exit code means."""

    OK = 0
    UNEXPECTED = 1
    WRONG_CONFIG = 2
    START_REFUSED = 3
    INVARIANT = 70
    UNREAD = 141


_CODES: Sequence[tuple[type[StreamGuardError], ExitCode, str]] = (
    (PolicyError, ExitCode.WRONG_CONFIG, "a policy is wrong"),
    (ConfigError, ExitCode.WRONG_CONFIG, "the configuration is wrong"),
    (StartRefused, ExitCode.START_REFUSED, "can't go on"),
    (ModelError, ExitCode.START_REFUSED, "the model can't be used"),
    (InvariantViolated, ExitCode.INVARIANT, "a bug in stream-guard: please report it"),
    (StreamGuardError, ExitCode.UNEXPECTED, "failed"),
)


class Commands(TyperGroup):
    """The group of all commands: ends the process with the code and the error block of whatever was raised."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the command line; never returns. With `--json`, errors are one JSON object on stderr."""
        arguments = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in arguments
        typer_reports = standalone_mode and not as_json
        try:
            code = super().main(arguments, prog_name, complete_var, typer_reports, windows_expand_args, **extra)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process here with a code
            sys.exit(report(error, as_json=as_json))
        sys.exit(code if isinstance(code, int) else ExitCode.OK)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Runs a command. One whose reader has left ends as any other program would."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is left to be flushed
            raise typer.Exit(ExitCode.UNREAD) from error


def reflowed(command: Callable[..., None]) -> str:
    """A command's docstring for its help: paragraphs without the source's line ends, which fit no other width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (command.__doc__ or "").split("\n\n"))


def report(error: Exception, *, as_json: bool) -> int:
    """Writes what went wrong to stderr. Returns the exit code."""
    code, title = _meaning(error)
    if as_json:
        _write(json.dumps({"error": _json(error, code, title)}, ensure_ascii=False))
    else:
        _write("\n".join([f"{_red('error:')} {title}", *(f"  {line}" for line in _lines(error))]))
    return code


def print_json(value: Mapping[str, Any]) -> None:
    """Writes a JSON document to stdout, indented for readers."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _meaning(error: Exception) -> tuple[int, str]:
    for kind, code, title in _CODES:
        if isinstance(error, kind):
            return code, title
    if _is_usage(error):
        return ExitCode.WRONG_CONFIG, "the command line is wrong"
    if _is_full(error):
        return ExitCode.UNEXPECTED, "failed"
    return ExitCode.UNEXPECTED, f"unexpected {type(error).__name__}"


def _lines(error: Exception) -> list[str]:
    """What to show below the title. An unexpected error shows where it was raised, not its message: that may quote content."""
    if isinstance(error, StreamGuardError):
        return str(error).splitlines()
    if _is_usage(error):
        return [error.format_message()]  # type: ignore[attr-defined]
    if _is_full(error):
        return [os.strerror(errno.ENOSPC)]
    return [line for entry in traceback.format_tb(error.__traceback__) for line in entry.splitlines()]


def _json(error: Exception, code: int, title: str) -> dict[str, Any]:
    if isinstance(error, ConfigError):
        findings = [_finding(place, what) for place, what in error.findings]
        return {"code": code, "title": title, "findings": findings}
    return {"code": code, "title": title, "detail": _lines(error)}


def _finding(place: Place, what: str) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column, "message": what}


def _is_usage(error: Exception) -> bool:
    """Whether the command line itself was wrong (typer has no public name for the root of these errors)."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _is_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENOSPC


def _red(text: str) -> str:
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[1;31m{text}\x1b[0m" if colour else text


def _write(text: str) -> None:
    typer.echo(text, err=True)
