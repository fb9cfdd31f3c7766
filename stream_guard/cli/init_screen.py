"""What is seen of `stream-guard init`: what was looked at, what was found, what was written, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stream_guard.cli.console import READABLE, console_on
from stream_guard.kafka.cluster.tail import Tail
from stream_guard.proposal.configuration import Attachment, create_commands, outputs_of
from stream_guard.proposal.fields import Found, Sureness
from stream_guard.proposal.propose import Proposal, Sort
from stream_guard.proposal.shapes import Shape
from stream_guard.records import moment

_STYLES: Mapping[Sureness, str] = {Sureness.SURE: "green", Sureness.LIKELY: "yellow", Sureness.GUESS: "bold magenta"}
_MOMENT_MS = 1000
"""A span that is no longer is one moment."""
_REASONS = 4
"""Kinds of failures that are shown."""
_SORTS: Mapping[Sort, str] = {
    Sort.CANONICAL: "stream-guard's own events",
    Sort.OPENAI: "OpenAI's chat completions, as requests, responses or both",
    Sort.MAPPED: "JSON",
    Sort.UNMAPPED: "JSON, but no text was found in it",
    Sort.TEXT: "plain text",
    Sort.FRAMED: "Avro or Protobuf, with the id of a schema that a registry keeps",
    Sort.BINARY: "of no format that stream-guard knows",
    Sort.EMPTY: "not looked at",
}


class Written(NamedTuple):
    """What `init` did."""

    attachment: Attachment
    proposal: Proposal
    tail: Tail | None
    paths: tuple[Path, ...]
    variables: tuple[str, ...]
    """Variables of the environment that stand for secrets in the configuration."""

    @property
    def config(self) -> str:
        """The configuration's path, as a shell takes it."""
        return shlex.quote(str(self.paths[0]))

    @property
    def next(self) -> tuple[tuple[str, str], ...]:
        """The commands to go on with, and what each is for."""
        return (
            (f"stream-guard check -c {self.config} --live", "is the cluster ready?"),
            (f"stream-guard try -c {self.config} --last 200", "what it would say"),
            (f"stream-guard policy test -c {self.config}", "is the model good enough?"),
            (f"stream-guard run -c {self.config} --attach", "the service itself"),
        )


def show(done: Written) -> None:
    """Writes it for a person."""
    console = console_on(width=READABLE)
    for part in _parts(done):
        console.print(part)


def as_document(done: Written) -> dict[str, Any]:
    """The same for machines."""
    proposal, tally = done.proposal, done.proposal.tally
    return {
        "topic": done.attachment.topic,
        "holds": str(proposal.sort),
        "sampled": {"records": proposal.records, **{each.name.lower(): n for each, n in proposal.sampled.items()}},
        "read": dict(proposal.read),
        "judge": list(proposal.judge),
        "fields": [_row(number, found) for number, found in _rows(proposal)],
        "reads": {
            "events": dict(tally.events),
            "ignored": tally.ignored,
            "rejected": [{"reason": r, "detail": d, "records": n} for (r, d), n in tally.rejected.items()],
        },
        "notes": list(proposal.notes),
        "files": [str(path) for path in done.paths],
        "environment": list(done.variables),
        "outputs": outputs_of(done.attachment.topic),
        "create": create_commands(done.attachment),
        "next": [command for command, _ in done.next],
    }


def _rows(proposal: Proposal) -> Iterator[tuple[int, Found]]:
    for number, shape in enumerate(proposal.shapes, start=1):
        for found in shape.body.found if shape.body else ():
            yield number, found


def _row(number: int, found: Found) -> dict[str, Any]:
    return {
        "shape": number,
        "what": found.what,
        "path": found.path,
        "share": round(found.share, 3),
        "looks": found.looks,
        "sure": str(found.sure),
        "why": found.why,
    }


# -- for a person ----------------------------------------------------------------------------------------------------------


def _parts(done: Written) -> Iterator[RenderableType]:
    yield Text()
    if done.tail is not None:
        yield _looked_at(done, done.tail)
        yield from _unread(done.tail)
        if done.proposal.shapes:
            yield Text()
            yield _table(done.proposal)
        yield Text()
        yield from _reads(done.proposal)
        yield from (Text(f"note: {note}", "yellow") for note in done.proposal.notes)
        yield Text()
    yield Text.assemble("Wrote ", *_listed([str(path) for path in done.paths]), ".")
    yield from _before(done)
    yield Text()
    yield Text("Next:", "bold")
    yield _commands(done)
    yield Text()


def _looked_at(done: Written, tail: Tail) -> Text:
    proposal, count = done.proposal, len(tail.partitions)
    span = tail.span_ms
    when = f", {_span(*span)}" if span else ""
    partitions = f"{count} partition{'s' * (count != 1)}"
    forms = sorted(proposal.sampled.items(), key=lambda each: -each[1])
    others = [f"{n} {form}" for form, n in forms] if len(forms) > 1 else []
    mixed = f" ({', '.join(others)})" if others else ""
    enveloped = f" in CloudEvents ({proposal.envelope})" if proposal.envelope else ""
    return Text.assemble(
        f"Looked at the newest {proposal.records} records of ",
        (done.attachment.topic, "bold"),
        f" ({partitions}{when}).\nThey are ",
        (_SORTS[proposal.sort] + enveloped, "bold"),
        f"{mixed}.",
    )


def _span(first: int, last: int) -> str:
    """From when to when, in the time of this machine; a day that is the same is said once."""
    begin, end = (moment(each).astimezone() for each in (first, last))
    if last - first < _MOMENT_MS:
        return f"of {begin:%Y-%m-%d %H:%M:%S}"
    return f"{begin:%Y-%m-%d %H:%M:%S} to {end:{'%H:%M:%S' if begin.date() == end.date() else '%Y-%m-%d %H:%M:%S'}}"


def _unread(tail: Tail) -> Iterator[Text]:
    for partition in tail.partitions:
        if partition.unread:
            yield Text(f"Partition {partition.partition} was not read to its end: {partition.unread}", "yellow")


def _table(proposal: Proposal) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("field", no_wrap=True)
    table.add_column("path", style="cyan", overflow="fold")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("looks like")
    table.add_column("sure", no_wrap=True)
    several = len(proposal.shapes) > 1
    for shape in proposal.shapes:
        if several:
            table.add_row(
                Text(_heading(shape), "bold"), Text(_condition(shape)), str(shape.documents), _count(shape), ""
            )
        for found in shape.body.found if shape.body else ():
            table.add_row(
                Text(f"{'  ' * several}{found.what}", "dim" if found.what == "not judged" else ""),
                Text(found.path),
                f"{found.share:.0%}",
                Text(found.looks, "dim"),
                Text(str(found.sure), _STYLES[found.sure]),
            )
    return table


def _heading(shape: Shape) -> str:
    if shape.body is not None:
        return shape.body.kind
    return "rejected" if shape.reject else "ignored"


def _condition(shape: Shape) -> str:
    when = shape.when or {}
    return (
        f"{when.get('path', '')} = {' or '.join(when['any_of'])}"
        if "any_of" in when
        else f"{when.get('path', '')} is there"
    )


def _count(shape: Shape) -> str:
    if shape.reject:
        return "records, in which no text was found: say where it is, or ignore them"
    return "records" + (", without any text" if shape.body is None and shape.documents else "")


def _reads(proposal: Proposal) -> Iterator[Text]:
    tally, total = proposal.tally, proposal.valued
    if proposal.sort is Sort.FRAMED:
        yield Text("How many of them can be read, only the registry's schemas can say: `try` will show it.")
        return
    if proposal.sort in {Sort.UNMAPPED, Sort.BINARY}:
        yield Text("No event can be made of them yet.", "bold yellow")
        yield Text("Say where the text is: the place in the configuration is marked CHANGE THIS.")
        return
    kinds = ", ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in tally.events.items())
    good = tally.read + tally.ignored == total
    yield Text.assemble(
        f"Of {total} records ",
        (f"{tally.read} become events", "bold green" if good else "bold yellow"),
        f"{f' ({kinds})' if kinds else ''}{f', {tally.ignored} are passed over' if tally.ignored else ''}, "
        f"{tally.lost or 'none'} would be {'dead letters' if tally.lost > 1 else 'a dead letter'}.",
    )
    worst = sorted(tally.rejected.items(), key=lambda each: -each[1])
    for (reason, detail), count in worst[:_REASONS]:
        yield Text(f"  {count} x {reason}: {detail}", "yellow")


def _listed(names: list[str]) -> Iterator[tuple[str, str] | str]:
    for number, name in enumerate(names):
        yield "" if number == 0 else " and "
        yield name, "bold"


def _before(done: Written) -> Iterator[Text]:
    if done.variables:
        yield Text.assemble("It refers to secrets: set ", *_listed(list(done.variables)), " before you go on.")
    yield Text("`run` needs three topics for its results: the file has the commands that create them.", "dim")


def _commands(done: Written) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="dim")
    for command, purpose in done.next:
        table.add_row(Text(f"  {command}", "cyan"), Text(purpose))
    return table
