"""The `read:` section of a route: how its records are read, with what speaks for each field behind its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stream_guard.proposal.fields import Found
from stream_guard.proposal.propose import Proposal, Sort
from stream_guard.proposal.shapes import Shape
from stream_guard.proposal.yaml_text import Comments, block, commented, items


def read_lines(proposal: Proposal) -> list[str]:
    """The lines of the section, and of what is to be said of it."""
    notes = [f"    # Note: {note}." for note in proposal.notes]
    return [*notes, *_LINES.get(proposal.sort, _mapped)(proposal)]


def _section(proposal: Proposal, *comments: str) -> list[str]:
    section = block(proposal.read, 6) if proposal.read else []
    return [*(f"    # {comment}" for comment in comments), *(["    read:", *section] if section else [])]


def _mapped(proposal: Proposal) -> list[str]:
    outer = {name: value for name, value in proposal.read.items() if name != "mapping"}
    comment = "the first shape whose `when` holds; paths are JSONPath (RFC 9535)"
    lines = [f"    # {_measured(proposal)}", "    read:", *block(outer, 6), commented("      mapping:", comment)]
    lines += items([shape.mapping for shape in proposal.shapes], 8, [_comments(shape) for shape in proposal.shapes])
    lines += [
        f"        # Not judged, although it may be text too: {each.path} ({each.looks})" for each in _unjudged(proposal)
    ]
    if any(shape.when for shape in proposal.shapes):
        lines.append(
            "        # A record of any other shape is a dead letter that says so: nothing is passed over unseen."
        )
    return lines


def _canonical(proposal: Proposal) -> list[str]:
    if not proposal.read and proposal.records:
        return ["    # The records are stream-guard's own events (stream-guard schema event): no `read:` is needed."]
    return _section(proposal, "Inside, the records are stream-guard's own events (stream-guard schema event).")


def _openai(proposal: Proposal) -> list[str]:
    return _section(
        proposal, _measured(proposal), "openai_chat reads requests to and responses of OpenAI's chat completions."
    )


def _text(proposal: Proposal) -> list[str]:
    return _section(proposal, _measured(proposal), "Each value is the text of one message.")


_EXAMPLE = [
    "    #   mapping:                               # where things are; paths are JSONPath (RFC 9535)",
    "    #     - message:",
    '    #         text: "$.body"',
    '    #         id: "$.id"',
    '    #         author: "$.user.id"',
]


def _framed(proposal: Proposal) -> list[str]:
    return [
        "    # The values carry the id of a schema. Set schema_registry.url above, then say which format it is:",
        "    # avro, or protobuf. `stream-guard try` then shows what is read.",
        *_section(proposal),
        "      # Where the text is, by the fields of the schema. Without a mapping, stream-guard's own events are expected.",
        *[line.replace("    #   ", "      # ", 1) for line in _EXAMPLE],
    ]


def _unmapped(proposal: Proposal) -> list[str]:
    return [
        "    # CHANGE THIS: no text was found in the records, so that all of them would be dead letters. Say where it is:",
        "    # read:",
        *_EXAMPLE,
        *_section(proposal),
    ]


def _blank(_: Proposal) -> list[str]:
    return [
        "    # Nothing was looked at: this reads stream-guard's own events (stream-guard schema event).",
        "    # For a topic of another form, run `stream-guard init` when it holds records, or say where things are:",
        "    # read:",
        *_EXAMPLE,
    ]


_LINES: Mapping[Sort, Callable[[Proposal], list[str]]] = {
    Sort.CANONICAL: _canonical,
    Sort.OPENAI: _openai,
    Sort.TEXT: _text,
    Sort.FRAMED: _framed,
    Sort.UNMAPPED: _unmapped,
    Sort.BINARY: _unmapped,
    Sort.EMPTY: _blank,
}


def _measured(proposal: Proposal) -> str:
    tally = proposal.tally
    ignored = f", {tally.ignored} passed over" if tally.ignored else ""
    lost = f"{tally.lost} would be dead letters" if tally.lost else "none would be a dead letter"
    return f"Of {proposal.valued} sampled records this reads {tally.read}{ignored}; {lost}."


def _unjudged(proposal: Proposal) -> list[Found]:
    return [found for found in proposal.found if found.what == "not judged"]


def _comments(shape: Shape) -> Comments:
    """What speaks for each field, behind its line; of a chat's text, of the turns'."""
    if shape.body is None:
        return {
            "ignore": "nothing that somebody wrote was found in these",
            "reject": "CHANGE THIS: map them, or ignore: true",
        }
    comments: dict[str, str] = {}
    for found in shape.body.found:
        comments.setdefault(_key(found), f"in {found.share:.0%}: {found.looks}")
    comments[shape.body.kind] = ""
    return comments


def _key(found: Found) -> str:
    return {"room": "attributes"}.get(found.what, found.what.removeprefix("- "))
