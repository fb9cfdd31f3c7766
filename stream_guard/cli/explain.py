"""`stream-guard explain`: a configuration as it is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_guard.cli.configuration import DEFAULT_CONFIG, configured


def explain(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")
    ] = DEFAULT_CONFIG,
    *,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object; errors as one on stderr.")] = False,
) -> None:
    """Print the configuration with every default filled in, secrets masked, and say what each route does.

    The first line is the edition: the hash of routes and policies that `/ready` shows once a service runs them.
    The output is a configuration itself. Comments say where a value came from; a value without one is the default.

    Exit codes: 0 printed, 1 unexpected, 2 wrong configuration or policy.
    """
    from stream_guard.checkup.explanation import explain as explained
    from stream_guard.cli.output import print_json
    from stream_guard.config import build_routes
    from stream_guard.config.resolved import Origins
    from stream_guard.policy.load import load_policies
    from stream_guard.prompting.plain import PlainRenderer

    settings = configured(config)
    policies = load_policies(settings.policies)
    build_routes(settings, policies, PlainRenderer())  # says so where a route names a policy that there is none of
    explanation = explained(settings, policies, Origins(settings, config))
    if json:
        told = {"edition": explanation.edition, "settings": explanation.values, "origins": explanation.origins}
        print_json({**told, "routes": explanation.routes})
        return
    from rich.text import Text

    from stream_guard.cli.console import console_on

    console = console_on()
    for line in explanation.lines():
        whole = str(line)
        text = Text(whole)
        text.stylize("dim", len(line.text) if line.comment else len(whole))
        console.print(text, soft_wrap=True)
