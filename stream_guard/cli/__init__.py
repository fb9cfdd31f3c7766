"""The command `stream-guard`: one file a subcommand."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_guard import __version__
from stream_guard.cli.attach import attach
from stream_guard.cli.check import check
from stream_guard.cli.demo import demo
from stream_guard.cli.dlq import dlq
from stream_guard.cli.explain import explain
from stream_guard.cli.init_ import init
from stream_guard.cli.output import Commands, reflowed
from stream_guard.cli.policy import policy
from stream_guard.cli.run import run
from stream_guard.cli.schema import schema
from stream_guard.cli.top import top
from stream_guard.cli.try_ import try_
from stream_guard.telemetry.cores import leave_no_core

cli = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for _command in (
    demo,
    init,
    check,
    try_,
    attach,
    run,
    top,
    explain,
    schema,
):  # in the order in which a newcomer needs them
    cli.command(_command.__name__.rstrip("_"), help=reflowed(_command))(_command)
cli.add_typer(policy, name="policy")
cli.add_typer(dlq, name="dlq")


def main() -> None:
    """The entry point of the console script; never returns."""
    leave_no_core()
    cli()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stream-guard {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Judge what passes through Kafka topics under policies you write."""
    del version
