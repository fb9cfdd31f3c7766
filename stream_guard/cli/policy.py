"""`stream-guard policy`: what an author of policies does with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from stream_guard.cli.configuration import DEFAULT_CONFIG, judge_of
from stream_guard.cli.interruptible import Inbox, Work, signals_to, watch
from stream_guard.cli.output import ExitCode, reflowed
from stream_guard.cli.policy_import import import_policies
from stream_guard.cli.policy_lint import lint_policies
from stream_guard.cli.scratch import scratch
from stream_guard.cli.streams import own_streams

if TYPE_CHECKING:
    from stream_guard.cli.asking_screen import AskingScreen
    from stream_guard.cli.policy_pack_screen import PackScreen
    from stream_guard.cli.policy_screen import Screen
    from stream_guard.cli.streams import Streams
    from stream_guard.config import JudgeSettings
    from stream_guard.policy.document import Policy, PolicyId
    from stream_guard.policy.labelled import LabelledSet
    from stream_guard.qualification.session import News

policy = typer.Typer(no_args_is_help=True, help="Look for what is wrong in policies, test them, import them.")


@policy.callback()
def _policy() -> None:
    """Look for what is wrong in policies, test them, import them."""


_Files: TypeAlias = Annotated[
    list[Path] | None,
    typer.Argument(help="Policy files or folders. Without any: those of the configuration.", show_default=False),
]
_Config: TypeAlias = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; `engine` is enough.", metavar="FILE")
]
_Labelled: TypeAlias = Annotated[
    list[Path],
    typer.Option("--labelled", "-l", metavar="CSV", help="Labelled contents, as for `policy test`. May be repeated."),
]
_Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Write the result as one JSON object.")]


def ask_examples(
    files: _Files = None,
    *,
    config: _Config = DEFAULT_CONFIG,
    labelled: Annotated[
        list[Path] | None,
        typer.Option(
            "--labelled",
            "-l",
            metavar="CSV",
            show_default=False,
            help="Ask these labelled contents instead of the examples: a CSV file, or a folder with one of each policy's id. "
            "May be repeated.",
        ),
    ] = None,
    json: _Json = False,
) -> None:
    """Ask the policies' own examples of the configured engine, and say whether its model is qualified for each.

    An example that the prompt shows is asked under a prompt that leaves it out. A model is qualified that gets the share
    right that the policy asks for (min_accuracy, .8 unless it says otherwise). With --labelled, labelled contents are asked
    in place of the examples, of the policies that have some.

    Exit codes: 0 qualified for all, 1 unexpected, 2 a policy or the configuration is wrong, 3 not qualified or the model
    can't be used, 130 interrupted.
    """
    from stream_guard.policy.labelled import labelled_sets
    from stream_guard.policy.load import load_policies

    settings = judge_of(config)
    policies = list(load_policies(_named(files, settings, config)).values())
    sets = labelled_sets(labelled, policies) if labelled else None
    with scratch() as folder:
        raise typer.Exit(_test(settings, policies, sets, folder, _screen(as_json=json)))


def ask_looks(
    files: _Files = None,
    *,
    labelled: _Labelled,
    config: _Config = DEFAULT_CONFIG,
    json: _Json = False,
) -> None:
    """Measure on labelled contents what a quick look would settle, how often it would be wrong, and what it would save.

    Every content is looked at and answered in full. For each bound: the share that the look settles, how much of that
    differs from the full answer, with its interval, and the tokens that need not be written. Recommended is what settles
    the most while at most 2 % of it differ, at the end of the interval.

    Exit codes: 0 measured, 1 unexpected, 2 a policy or the configuration is wrong, 3 the model can't be used, 130
    interrupted.
    """
    from stream_guard.policy.labelled import labelled_sets
    from stream_guard.policy.load import load_policies
    from stream_guard.qualification.looks import looking

    settings = judge_of(config)
    policies = looking(load_policies(_named(files, settings, config)).values())
    sets = labelled_sets(labelled, policies)
    with scratch() as folder:
        raise typer.Exit(_test(settings, policies, sets, folder, _look_screen(as_json=json)))


def ask_packed(
    files: _Files = None,
    *,
    labelled: _Labelled,
    config: _Config = DEFAULT_CONFIG,
    json: _Json = False,
) -> None:
    """Measure on labelled contents what it costs to ask about these policies at once (`packed`), and what it saves.

    Every content of any of the sets is asked under each policy by itself, then under all of them in one ask. For each
    policy: how many decisions differ, with the interval, and what is right by its labels, either way; for both ways the
    tokens and the time. Recommended where something is saved, and under each policy at most 5 % of the decisions differ,
    and at most 10 % of those that find something, at the end of the interval.

    The policies named here, or all that the configuration loads, are one group: `packed` of its routes is not read.

    Exit codes: 0 measured, 1 unexpected, 2 a policy or the configuration is wrong, 3 the model can't be used, 130
    interrupted.
    """
    from stream_guard.policy.labelled import labelled_sets
    from stream_guard.policy.load import load_policies
    from stream_guard.qualification.session import compare_packed

    settings = judge_of(config)
    policies = list(load_policies(_named(files, settings, config)).values())
    _require_several(policies, config)
    sets = labelled_sets(labelled, policies)

    async def work(tell: Callable[[News], None]) -> None:
        await compare_packed(settings, policies, tell, sets)

    with scratch() as folder:
        raise typer.Exit(_run(work, folder, _pack_screen(as_json=json)))


_COMMANDS = (
    ("lint", lint_policies),
    ("test", ask_examples),
    ("look-test", ask_looks),
    ("pack-test", ask_packed),
    ("import", import_policies),
)
for _name, _command in _COMMANDS:
    policy.command(_name, help=reflowed(_command))(_command)


def _named(files: list[Path] | None, settings: JudgeSettings, config: Path) -> Sequence[Path]:
    """The files that are named here, or else there. Raises ConfigError where none are."""
    from stream_guard.errors import ConfigError, Place

    if not (named := files or settings.policies):
        raise ConfigError(
            (Place(str(config)), "names no policies, and neither does the command: name files or folders of them")
        )
    return named


def _require_several(policies: Sequence[Policy], config: Path) -> None:
    """Raises ConfigError where there is nothing to pack."""
    from stream_guard.errors import ConfigError, Place

    if len(policies) < 2:  # noqa: PLR2004
        raise ConfigError((Place(str(config)), "it takes two policies to pack: name them, or a folder of them"))


def _test(
    settings: JudgeSettings,
    policies: list[Policy],
    labelled: Mapping[PolicyId, LabelledSet] | None,
    folder: Path,
    screen_on: Callable[[Streams], Screen],
) -> int:
    async def work(tell: Callable[[News], None]) -> None:
        from stream_guard.qualification.session import qualify

        await qualify(settings, policies, tell, labelled)

    return _run(work, folder, screen_on)


def _run(
    work: Work[News],
    folder: Path,
    screen_on: Callable[[Streams], AskingScreen[Any]],
) -> int:
    """Runs what asks a model, and shows it. Returns the exit code."""

    async def logged(tell: Callable[[News], None]) -> None:
        from stream_guard.telemetry.logs import configure_logging

        configure_logging()
        await work(tell)

    inbox: Inbox[News] = Inbox()
    with signals_to(inbox), own_streams(folder / "log") as streams:
        screen = screen_on(streams)
        code = watch(logged, screen, inbox, folder)
    return code or (ExitCode.OK if screen.qualified else ExitCode.START_REFUSED)


def _screen(*, as_json: bool) -> Callable[[Streams], Screen]:
    from stream_guard.cli.policy_screen import JsonScreen, TableScreen

    return JsonScreen if as_json else TableScreen


def _look_screen(*, as_json: bool) -> Callable[[Streams], Screen]:
    from stream_guard.cli.policy_look_screen import JsonLookScreen, TableLookScreen

    return JsonLookScreen if as_json else TableLookScreen


def _pack_screen(*, as_json: bool) -> Callable[[Streams], PackScreen]:
    from stream_guard.cli.policy_pack_screen import JsonPackScreen, TablePackScreen

    return JsonPackScreen if as_json else TablePackScreen
