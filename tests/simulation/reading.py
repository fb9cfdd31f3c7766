"""Reads outputs as a subscriber would, and finds the record that each is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream_guard.delivery.ports import Output
from stream_guard.escalation.record import restored
from stream_guard.records import Headers, Lease, Record
from stream_guard.verdicts.model import Rationale, Ruling, Verdict
from tests.simulation.corpus import DEAD_LETTERS, ESCALATIONS
from tests.simulation.log import Letter, Parsed, SentOn
from tests.simulation.rig import read_as

if TYPE_CHECKING:
    from tests.simulation.world import World

_verdict = msgspec.json.Decoder(Verdict).decode
_ruling = msgspec.json.Decoder(Ruling).decode
_rationale = msgspec.json.Decoder(Rationale).decode


def read_output(world: World, output: Output) -> Parsed:
    """What an output says, of which record, and under which lease it was made."""
    read = read_as(output)
    if output.topic == DEAD_LETTERS:
        return _read_letter(world, output, read)
    if output.topic == "rationale":
        rationale = _rationale(output.value or b"")
        return Parsed(world.by_slot[rationale.slot], read.lease, read.offset, rationale)
    if output.topic == ESCALATIONS:
        return _read_sent_on(world, output, read)
    says = _verdict(output.value or b"") if output.topic == "verdicts" else _ruling(output.value or b"")
    source = says.sources[0]
    return Parsed(world.record(source.topic, source.partition, source.offset), read.lease, read.offset, says)


def _read_sent_on(world: World, output: Output, read: Record) -> Parsed:
    """What goes on elsewhere, as the other deployment reads it."""
    sent = restored(Record(Lease(output.topic, 0, 0), 0, output.value, output.key, output.headers))
    if (origin := sent.origin) is None or origin.escalated is None:
        world.fail(f"nobody can tell of what goes on elsewhere which record it is: {sent.flaw}")
        raise LookupError(sent.flaw)
    record = world.record(origin.topic, origin.partition, origin.offset)
    if sent.value != record.content.value or sent.headers != record.content.headers:
        world.fail(f"what goes on elsewhere of {record!r} is not the record")
    says = SentOn(origin.escalated.policy_id, origin.escalated.verdict_id, output)
    return Parsed(record, read.lease, read.offset, says)


def _read_letter(world: World, output: Output, read: Record) -> Parsed:
    headers = _first_of_each(output.headers)
    position = headers["sg-dl-topic"], int(headers["sg-dl-partition"]), int(headers["sg-dl-offset"])
    record = world.record(*position)
    if (output.value or b"") != (record.content.value or b""):
        world.fail(f"the dead letter of {record!r} does not hold its bytes")
    letter = Letter(headers["sg-dl-scope"], headers.get("sg-dl-policy-id"), headers["sg-dl-reason"], output)
    return Parsed(record, read.lease, read.offset, letter)


def _first_of_each(headers: Headers) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in reversed(headers)}
