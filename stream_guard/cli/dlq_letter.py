"""What is seen of one dead letter: all it says, and its record where that was asked for."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from stream_guard.cli.console import STYLES
from stream_guard.cli.dlq_screen import show_parts, write_line
from stream_guard.dlq.reading import Found
from stream_guard.records import moment
from stream_guard.verdicts.model import Entry

_ELSEWHERE = (
    "id", "scope", "reason", "detail", "contract", "entries", "cluster", "topic_id", "policy_id", "policy_version",
    "prompt_version",
)  # fmt: skip
"""Fields that have a row of their own, or say nothing to a person."""
_TIME = "_at_ms"


def show_letters(found: Sequence[Found], *, reveal: bool, as_json: bool) -> None:
    """Writes them. Content stands in `record` alone, and only where it is to be revealed."""
    if as_json:
        for each in found:
            write_line(as_value(each, reveal=reveal))
        return
    show_parts(part for number, each in enumerate(found) for part in _parts(each, number, reveal=reveal))


def as_value(found: Found, *, reveal: bool) -> dict[str, Any]:
    """A dead letter, for machines: bytes in base64, for they need not be text."""
    record = found.record
    shown = {
        "key": _base64(record.key),
        "value": _base64(record.value),
        "headers": [[name, _base64(value)] for name, value in record.headers],
    }
    said: dict[str, Any] = msgspec.to_builtins(found.said)
    return {
        **said,
        "origin": {
            **found.letter.origin._asdict(),
            "cluster": found.said.cluster,
            "topic_id": found.said.topic_id,
            "timestamp_ms": record.timestamp_ms,
            "timestamp_type": record.timestamp_type,
            "leader_epoch": record.leader_epoch,
        },
        "dead_letter": found.letter.at._asdict(),
        "bytes": record.size,
        **({"record": shown} if reveal else {}),
    }


def _parts(found: Found, number: int, *, reveal: bool) -> Iterator[RenderableType]:
    if number:
        yield Text()
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(found, reveal=reveal):
        table.add_row(name, value)
    yield table


def _rows(found: Found, *, reveal: bool) -> Iterator[tuple[str, str | Text]]:
    said, record = found.said, found.record
    yield "dead letter", Text(said.id, "bold")
    yield "stands at", str(found.letter.at)
    yield "reason", Text(said.reason, "yellow")
    if said.detail:
        yield "detail", said.detail
    yield "scope", f"case of policy {said.policy_id}" if said.policy_id else "the record"
    yield "record", f"{found.letter.origin} in cluster {said.cluster}"
    yield "topic id", said.topic_id or "-"
    if record.timestamp_ms is not None:
        yield "written", f"{_time(record.timestamp_ms)} ({record.timestamp_type})"
    yield from (
        (field.replace(_TIME, "").replace("_", " "), _field(field, value))
        for field, value in ((f, getattr(said, f)) for f in said.__struct_fields__ if f not in _ELSEWHERE)
        if value is not None
    )
    yield from (("said so far" if not n else "", _entry(entry)) for n, entry in enumerate(said.entries))
    yield "key", _content(record.key, reveal=reveal)
    yield "value", _content(record.value, reveal=reveal)
    for number, (name, value) in enumerate(record.headers):
        shown = Text.assemble(_printable(name) if reveal else "••••", " = ", _content(value, reveal=reveal))
        yield ("headers" if not number else ""), shown
    if not reveal:
        yield "", Text("--reveal shows key, value and headers", "dim")


def _field(name: str, value: object) -> str:
    if name.endswith(_TIME) and isinstance(value, int):
        return _time(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _entry(entry: Entry) -> Text:
    return Text.assemble(f"{entry.policy_id}: ", (entry.decision.value, STYLES[entry.decision]), f" ({entry.rank})")


def _time(unix_ms: int) -> str:
    return f"{moment(unix_ms):%Y-%m-%d %H:%M:%S} UTC"


def _content(value: bytes | None, *, reveal: bool) -> Text:
    if value is None:
        return Text("null", "dim")
    if not reveal:
        return Text(f"•••• {len(value):,} bytes", "dim")
    try:
        return Text(_printable(value.decode()))
    except UnicodeDecodeError:
        return Text.assemble(("not UTF-8, in hex: ", "dim"), value.hex())


def _printable(text: str) -> str:
    """A control character could move the cursor."""
    return "".join(each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in text)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
