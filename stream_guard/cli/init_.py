"""`stream-guard init`: looks at a topic that nobody prepared, and writes what is needed to judge it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_guard.cli.interruptible import interruptibly

if TYPE_CHECKING:
    from stream_guard.config import Settings
    from stream_guard.kafka.cluster.tail import Tail
    from stream_guard.proposal.configuration import Attachment
    from stream_guard.proposal.propose import Proposal

_MOST = 10_000
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def init(
    *,
    bootstrap: Annotated[
        str,
        typer.Option("--bootstrap-servers", "-b", help="Where Kafka is.", metavar="HOST:PORT,...", show_default=False),
    ],
    topic: Annotated[str, typer.Option("--topic", "-t", help="The topic to judge.", show_default=False)],
    sample: Annotated[
        int,
        typer.Option("--sample", "-n", min=1, max=_MOST, help="How many records to look at, the newest.", metavar="N"),
    ] = 200,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.", metavar="DIR")] = Path(),
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-X",
            metavar="NAME=VALUE",
            show_default=False,
            help="An option for librdkafka (security.protocol, sasl.*, ssl.*); may be repeated. ${NAME} in it stands for a "
            "variable of the environment.",
        ),
    ] = None,
    allow_insecure_tls: Annotated[
        bool, typer.Option("--allow-insecure-tls", help="For a test: accept -X that verify nothing or show secrets.")
    ] = False,
    group: Annotated[
        str, typer.Option("--group", help="The consumer group to write.", metavar="NAME")
    ] = "stream-guard",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    blank: Annotated[
        bool, typer.Option("--blank", help="Look at nothing: write a configuration for stream-guard's own events.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write what was found as one JSON object.")] = False,
) -> None:
    """Look at a topic, propose how to read it, and write a configuration, a first policy and its examples.

    No consumer group is joined and nothing is published; reading the topic is the only right it needs. The files hold
    nothing of what stands in the records but names of fields, and of kinds and roles.

    Exit codes: 0 done, 1 unexpected, 2 wrong command line or the files exist, 3 no such topic, no answer or
    nothing in it, 130 interrupted.
    """
    if _TOPIC.fullmatch(topic) is None:
        raise typer.BadParameter("is no name of a topic", param_hint="--topic")
    given = _options(option or [])
    from stream_guard.proposal.configuration import Attachment
    from stream_guard.proposal.files import options_of
    from stream_guard.proposal.propose import BLANK

    options = options_of(given)
    attachment = Attachment(topic, bootstrap, group, options.written, allow_insecure_tls)
    env = {**os.environ, **options.secrets}
    _refuse_existing(out, force)
    settings = _settings(attachment, BLANK, env)
    tail, proposal = None, BLANK
    if not blank:
        from stream_guard.cli.progress import waiting

        looking = waiting(f"reading the newest records of {topic}")
        tail, proposal, attachment = interruptibly(lambda: _look(settings, attachment, sample), looking)
        _settings(attachment, proposal, env)
    paths = _write(attachment, proposal, out)
    _show(attachment, proposal, tail, paths, sorted(options.secrets), as_json=json)


def _options(given: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise typer.BadParameter("must be NAME=VALUE, as in security.protocol=SASL_SSL", param_hint="-X")
        options[name.strip()] = value
    return options


def _refuse_existing(out: Path, force: bool) -> None:
    """Before anything is asked of Kafka: nobody waits for a sample that can't be used."""
    from stream_guard.proposal.configuration import POLICY_FILE
    from stream_guard.proposal.files import CONFIG_FILE

    there = [str(path) for name in (CONFIG_FILE, POLICY_FILE) if (path := out / name).exists()]
    if there and not force:
        raise typer.BadParameter(
            f"exists already: {' and '.join(there)}. Choose another folder, or --force to overwrite", param_hint="--out"
        )


def _settings(attachment: Attachment, proposal: Proposal, env: Mapping[str, str]) -> Settings:
    """What would be written, as the service would load it: so its options are refused here as they would be there."""
    from stream_guard.config.security import INSIST
    from stream_guard.errors import ConfigError
    from stream_guard.proposal.files import files_of, loaded

    try:
        return loaded(files_of(attachment, proposal), env)
    except ConfigError as error:
        # Its place is in a file that does not exist: the command line is what to look at.
        said = "; ".join(what.replace(INSIST, "give --allow-insecure-tls") for _, what in error.findings)
        raise typer.BadParameter(said) from error


def _look(settings: Settings, attachment: Attachment, sample: int) -> tuple[Tail, Proposal, Attachment]:
    from msgspec.structs import replace

    from stream_guard.attaching import kafka_settings
    from stream_guard.errors import StartRefused
    from stream_guard.kafka.cluster.admin import Admin
    from stream_guard.kafka.cluster.tail import read_tail
    from stream_guard.kafka.cluster.topics import DEAD_LETTER_ROOM
    from stream_guard.proposal.propose import Sort, propose

    logging.getLogger("stream_guard").addHandler(logging.NullHandler())  # the client's words are in the error
    kafka = kafka_settings(settings)
    tail = read_tail(kafka, attachment.topic, sample)
    proposal = propose(tail.records)
    if proposal.sort is Sort.EMPTY:
        what = f"holds nothing but {proposal.records} empty records" if tail.records else "holds no records"
        raise StartRefused(
            f"topic {attachment.topic!r} {what}: there is nothing to look at\n"
            "Run init again when something was written to it, or now with --blank, which writes a configuration for\n"
            "stream-guard's own events."
        )
    largest = Admin(kafka).max_message_bytes([attachment.topic]).get(attachment.topic)
    known = {} if largest is None else {"dead_letter_bytes": largest + DEAD_LETTER_ROOM}
    return tail, proposal, replace(attachment, partitions=len(tail.partitions), **known)


def _write(attachment: Attachment, proposal: Proposal, out: Path) -> list[Path]:
    from stream_guard.proposal.files import files_of, written

    try:
        return written(files_of(attachment, proposal), out)
    except OSError as error:
        raise typer.BadParameter(
            f"{error.filename or out} can't be written: {error.strerror}", param_hint="--out"
        ) from error


def _show(
    attachment: Attachment,
    proposal: Proposal,
    tail: Tail | None,
    paths: list[Path],
    variables: list[str],
    *,
    as_json: bool,
) -> None:
    from stream_guard.cli.init_screen import Written, as_document, show
    from stream_guard.cli.output import print_json

    done = Written(attachment, proposal, tail, tuple(paths), tuple(variables))
    if as_json:
        print_json(as_document(done))
    else:
        show(done)
