"""A policy pack as the ROOST Model Community lays them out, about nothing that hurts."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = """\
# Loud Evenings Policy (#LE)

## Goal

Find what is loud in the evening. Classify each example as `VALID` or `INVALID`.

## Definitions

- Evening: from eight to midnight.

## Allowed Content (LE0 - Quiet evenings)

Content that nobody else hears.

Examples:

- LE0.a Reading: "I read until ten."; "Ten pages: a quiet evening."
- LE0.b Planning, with a comma

Output: `VALID`

## Music (LE1 - Music)

Content that neighbours hear.

Examples:

- LE1.a Drums: "The street heard my drums."

Output: `INVALID`

## Parties (LE2)

### When
After eight.

## Tone

Jokes count as said.

## Label Format

Each item gets one label.

- `LE0`: Quiet, or quiet enough.
- `LE1`: Music: all of it.
- `LE3`: Fireworks.

Examples:

- "I read, alone: it was quiet." -> `LE0`
- "Drums until eleven" -> `LE1`

## Ambiguity and Escalation

- If it is unclear, treat it as `LE1`.
"""
TABLE = """\
"These texts were made up for a test, and mean nothing.",,,
Example Prompt,Prompt label,Example Generation,Generation Label
I practise at noon,LE0,"Good idea, nobody minds.",LE0
Drums until eleven,LE1,,
"""


def put(path: Path, text: str) -> None:
    """Writes a file, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_pack(folder: Path) -> Path:
    """A pack of one policy, with its labelled contents."""
    put(folder / "README.md", "# A pack\n")
    put(folder / "example_policies" / "README.md", "# The policies\n")
    put(folder / "example_policies" / "loud-evenings" / "policy.md", DOCUMENT)
    put(folder / "datasets" / "loud-evenings.csv", TABLE)
    return folder


def decide(text: str) -> str:
    """A document of which every TODO is decided somehow."""
    for what, decided in (("severity", "2"), ("decision", "review"), ("yes_means", "LE1"), ("owner", "me")):
        text = text.replace(f"{what}: TODO", f"{what}: {decided}")
    return text
