"""What is seen of a purge: what would go, and what went."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from stream_guard.attaching import kafka_settings
from stream_guard.checkup.words import counted
from stream_guard.cli.dlq_screen import plain_table, show_parts, write_line
from stream_guard.cli.interruptible import interruptibly
from stream_guard.cli.output import ExitCode
from stream_guard.cli.progress import waiting
from stream_guard.config import Settings
from stream_guard.kafka.cluster.purging import Doomed, Purging
from stream_guard.records import TopicPartition


def purge(settings: Settings, topics: Sequence[str], before_ms: int | None, *, execute: bool, as_json: bool) -> int:
    """Deletes, or says what would be deleted. Returns the exit code."""
    logging.getLogger("stream_guard").addHandler(logging.NullHandler())  # the client's words are in the error
    purging = Purging(kafka_settings(settings))
    doomed = interruptibly(lambda: purging.doomed(topics, before_ms), waiting("asking the cluster"))
    left = interruptibly(lambda: purging.purge(doomed), waiting("deleting")) if execute else {}
    if as_json:
        write_line(_value(doomed, left, executed=execute))
    else:
        show_parts(_parts(doomed, left, executed=execute))
    return ExitCode.START_REFUSED if left else ExitCode.OK


def _parts(doomed: Sequence[Doomed], left: Mapping[TopicPartition, str], *, executed: bool) -> Iterator[RenderableType]:
    concerned = [each for each in doomed if each.records]
    if concerned:
        table = plain_table(("topic", "fold"), ("partition", "right"), ("from offset", "right"), ("up to", "right"),
                            ("records", "right"), ("kept", "right"))  # fmt: skip
        for each in concerned:
            table.add_row(
                each.where.topic, str(each.where.partition), str(each.begin), str(each.until - 1), f"{each.records:,}",
                f"{each.end - each.until:,}",
            )  # fmt: skip
        yield table
        yield Text()
    yield from (Text(f"{at.topic}[{at.partition}] was left as it is: {why}", "bold red") for at, why in left.items())
    records = sum(each.records for each in concerned if each.where not in left)
    what = f"up to {counted(records, 'record')}"
    if not concerned:
        yield Text("Nothing to delete.", "bold")
    elif executed:
        yield Text(f"Deleted: {what}. They can't be had back.", "bold")
    else:
        yield Text(f"Nothing was deleted. With --execute, {what} would be.", "bold")
        yield Text(
            "That can't be undone: what is deleted is never judged. Its ruling, an abstention, stands for good.",
            "yellow",
        )


def _value(doomed: Sequence[Doomed], left: Mapping[TopicPartition, str], *, executed: bool) -> dict[str, Any]:
    return {
        "executed": executed,
        "partitions": [
            {**each.where._asdict(), "begin": each.begin, "until": each.until, "end": each.end, "records": each.records,
             "left": left.get(each.where)}
            for each in doomed
        ],
        "records": sum(each.records for each in doomed if each.where not in left),
    }  # fmt: skip
