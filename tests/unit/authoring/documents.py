"""A policy that the lint has nothing to say of, and what it finds once something is changed."""

from __future__ import annotations

from stream_guard.authoring.lint import Linted, lint
from stream_guard.policy.load import parse_draft

GOOD = """\
---
id: noise
revision: 1
owner: house-rules
title: Noise in a shared house
output: category
categories:
  - {id: N0, title: quiet, severity: 0, decision: allow}
  - id: N2
    title: loud
    severity: 2
    decision: flag
    rules:
      N2.a: Music that the neighbours hear.
      N2.b: A party that was not announced.
  - {id: N4, title: alarm, severity: 4, decision: block}
yes_means: N2
examples:
  - {content: I practise with headphones on., expect: N0, shown: true}
  - {content: The whole street heard my drums last night., expect: N2, rule: N2.a, shown: true}
  - {content: We bake at ten and will be done by noon., expect: N0, shown: true}
  - {content: I pulled the fire alarm for fun., expect: N4, shown: true}
  - {content: "Could you turn it down please?", expect: N0}
  - {content: Forty guests are on their way and nobody knows., expect: N2}
---
## Instruction

Decide whether the content tells of noise.

## Definitions

- **Neighbours**: people who live in the house.
- **Party**: more than six guests.

## Criteria

N0, quiet:
- N0.a Whatever the neighbours can't hear.
- Requests to be quiet.

N4, alarm:
- N4.a A false alarm.

N0 goes before N2. Where it is unclear who heard it, choose N2.
"""


def make_lint(text: str, tokens: int = 500) -> Linted:
    """What is found in a document. The policy counts as so many tokens, an example as one a word."""
    return lint(parse_draft(text, "p.md"), lambda part: tokens if "\n\n" in part else len(part.split()))


def changed(*changes: tuple[str, str]) -> str:
    """The good document with some of its texts replaced."""
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def found_in(*changes: tuple[str, str], tokens: int = 500) -> list[str]:
    """What is found in the changed document, `line:column rule sentence`."""
    findings = make_lint(changed(*changes), tokens).findings
    return [
        f"{str(each.place).removeprefix('p.md').removeprefix(':')} {each.rule} {each.sentence}" for each in findings
    ]
