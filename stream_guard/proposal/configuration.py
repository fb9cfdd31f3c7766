"""The configuration that a proposal becomes: valid as it stands, with comments that say what to change and when."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from stream_guard.proposal.first_policy import POLICY_ID
from stream_guard.proposal.propose import Proposal, Sort
from stream_guard.proposal.reading_text import read_lines
from stream_guard.proposal.yaml_text import commented, inline, scalar

POLICY_FILE = "policies/first-policy.md"
_MAX_TOPIC = 249
DEFAULT_MESSAGE_BYTES = 1_048_588
"""max.message.bytes of a topic where nobody set it."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


class Attachment(Struct, frozen=True):
    """Where the topic is, and how it is reached. `options` are librdkafka's; their secrets are references already."""

    topic: str
    bootstrap: str
    group: str = "stream-guard"
    options: Mapping[str, str] = {}
    insecure: bool = False
    """Whether options that verify nothing, or send secrets readable, are insisted on: for a test."""
    partitions: int = 1
    dead_letter_bytes: int = DEFAULT_MESSAGE_BYTES + 65_536
    """What the dead-letter topic must take: the topic's largest record, and room for what a dead letter adds."""


def configuration_text(attachment: Attachment, proposal: Proposal) -> str:
    """The whole file."""
    sections = (
        _head(attachment, proposal),
        _kafka(attachment),
        _registry(proposal),
        _ENGINE,
        ["policies: [" + POLICY_FILE + "]", "# or a whole folder: [policies]"],
        _routes(attachment, proposal),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def outputs_of(topic: str) -> dict[str, str]:
    """The topics that results go to. A very long name is cut, since Kafka allows 249 characters."""
    names = {"verdicts": "verdicts", "rulings": "rulings", "dead_letters": "dead-letters"}
    return {output: f"{topic[: _MAX_TOPIC - len(suffix) - 1]}.{suffix}" for output, suffix in names.items()}


def create_commands(attachment: Attachment) -> list[str]:
    """The commands that make the output topics, for whoever may."""
    outputs = outputs_of(attachment.topic)
    secured = " --command-config client.properties" if attachment.options else ""
    start = f"kafka-topics.sh --bootstrap-server {attachment.bootstrap}{secured} --create"
    plain = [
        f"{start} --topic {outputs[name]} --partitions {attachment.partitions}" for name in ("verdicts", "rulings")
    ]
    letters = (
        f"{start} --topic {outputs['dead_letters']} --partitions 1 "
        f"--config cleanup.policy=compact,delete --config max.message.bytes={attachment.dead_letter_bytes}"
    )
    return [*plain, letters]


def _head(attachment: Attachment, proposal: Proposal) -> list[str]:
    looked = f"from the newest {proposal.records} records" if proposal.records else "without looking at any record"
    return [
        f"# Judges what comes in on {attachment.topic}. Written by `stream-guard init` {looked}.",
        "# Every setting there is: stream-guard schema config",
        "# ${NAME} stands for an environment variable. Any setting can come from one: STREAM_GUARD_KAFKA__GROUP=...",
    ]


def _kafka(attachment: Attachment) -> list[str]:
    lines = [
        "kafka:",
        f"  bootstrap_servers: {_reference(attachment.bootstrap)}",
        commented(f"  group: {scalar(attachment.group)}", "the consumer group; all replicas share it"),
        "  # Where the group begins when it has no offsets yet; decided once, then never looked at again.",
        "  # latest: with what comes in from then on (needs `run --attach` once, since it skips what is there).",
        "  # earliest: with the oldest record that is kept; `check --live` says how many hours of work that is.",
        "  # Or a time: 2026-01-31T00:00:00Z",
        "  start: latest",
    ]
    if attachment.insecure:
        lines.append(commented("  allow_insecure_tls: true", "FOR A TEST ALONE: take this out before you rely on it"))
    if not attachment.options:
        return [*lines, "  # client: {security.protocol: SASL_SSL, ...}   # librdkafka's options, for every client"]
    options = [f"    {scalar(name)}: {_reference(value)}" for name, value in attachment.options.items()]
    return [*lines, "  client:                                    # librdkafka's options, for every client", *options]


def _reference(value: str) -> str:
    """A text that may hold references to variables on purpose."""
    return scalar(value).replace("$${", "${")


def _registry(proposal: Proposal) -> list[str]:
    if "format" not in proposal.read or proposal.sort is Sort.TEXT:
        return []
    return [
        "schema_registry:",
        commented("  url: http://localhost:8081", "CHANGE THIS: the registry that keeps the topic's schemas"),
    ]


_ENGINE = [
    "engine:",
    "  kind: vllm",
    "  # A tiny model that runs on a CPU: it shows that everything works, and does not moderate.",
    "  model: small",
    "  # For real work, on a GPU (install the extra `gpu`), a folder with the model:",
    "  # model: /models/gpt-oss-safeguard-20b",
    "  # Or a server that speaks OpenAI's API instead:",
    "  # kind: openai",
    "  # base_url: http://localhost:8000/v1",
    "  # model: gpt-oss-safeguard-20b",
    "  # profile: gpt-oss",
]


def _routes(attachment: Attachment, proposal: Proposal) -> list[str]:
    lines = ["routes:"]
    lines += [f"  - name: {scalar(_route_name(attachment.topic))}"]
    lines += [commented(f"    topic: {scalar(attachment.topic)}", "or pattern: 'chat\\..*' for several topics")]
    lines += read_lines(proposal)
    lines += [commented(f"    judge: {inline(list(proposal.judge))}", _judge_comment(proposal))]
    lines += [commented(f"    policies: [{POLICY_ID}]", "ids of policies; each gives one verdict")]
    lines += _outputs(attachment)
    lines += _options(proposal)
    return lines


def _judge_comment(proposal: Proposal) -> str:
    if {"chat", "last_turn"}.isdisjoint(proposal.judge):
        return "what of an event is judged"
    return "of a chat: `chat` is all of it, `last_turn` its last turn, with the others as context"


def _route_name(topic: str) -> str:
    name = _NOT_IN_NAMES.sub("-", topic)[:100].lstrip("._-")
    return name or "route"


# -- what comes after ------------------------------------------------------------------------------------------------------


def _outputs(attachment: Attachment) -> list[str]:
    outputs = outputs_of(attachment.topic)
    return [
        "    outputs:",
        commented(f"      verdicts: {scalar(outputs['verdicts'])}", "one for each event and policy"),
        commented(f"      rulings: {scalar(outputs['rulings'])}", "one for each event"),
        commented(
            f"      dead_letters: {scalar(outputs['dead_letters'])}", "records that could not be judged, kept whole"
        ),
        "    # These topics must exist. They can be made so (a dead letter needs 64 KiB more than the largest record):",
        *(f"    #   {command}" for command in create_commands(attachment)),
    ]


_PARTS = commented("    # allow_unsupported: true", "judge the text alone where there is more (parts), or abstain")


def _has_parts(proposal: Proposal) -> bool:
    return any("parts" in fields for shape in proposal.shapes if shape.body for fields in shape.body.mapping.values())


def _options(proposal: Proposal) -> list[str]:
    has_room = any(found.what == "room" for found in proposal.found)
    has_author = any(found.what == "author" for found in proposal.found)
    by, whose = "attributes.room" if has_room else "key", "author" if has_author else "key"
    context = f"    # context: {{last: 5, by: {by}}}"
    return [
        "    # More, where you need it:",
        *(
            [commented(context, "show the messages before each; they must share a partition")]
            if "message" in proposal.judge
            else []
        ),
        *([_PARTS] if _has_parts(proposal) else []),
        commented("    # long: {over: split}", "too long for one ask: judge in pieces, or abstain"),
        commented(f"    # quota: {{tokens: 20000, per: 1m, by: {whose}}}", "no one may keep the engine busy alone"),
    ]
