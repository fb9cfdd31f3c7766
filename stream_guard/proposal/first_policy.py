"""The first policy of a new user: one that works, with examples that are tests, and comments that say what to change."""

from __future__ import annotations

from collections.abc import Sequence

POLICY_ID = "first-policy"

_FRONT = """\
---
# Your first policy. It works as it is; make it yours step by step:
#   1. Read the criteria below and change what does not fit your platform. Everything below the second line of three
#      dashes is read by the model, so keep notes to yourself up here, behind a #.
#   2. Replace the examples by what your users write, on both sides of the line. Each is a test.
#   3. Run: stream-guard policy lint -c guard.yaml, then: stream-guard policy test -c guard.yaml
#   4. Raise `revision` with every change that you publish. Verdicts name it.
id: first-policy
revision: 1
owner: {owner}
title: Unwanted advertising and scams
output: category        # also: binary (0 or 1), rationale (with the rules it cites)
effort: low             # how long a reasoning model thinks: low, medium, high
categories:             # one of severity 0, which allows; for the others a severity from 1 to 4 and what to do
  - {{id: AD0, title: fine, severity: 0, decision: allow}}
  - {{id: AD2, title: unwanted advertising, severity: 2, decision: flag}}
  - {{id: AD4, title: "scam: a lure for money, logins or personal details", severity: 4, decision: block}}
yes_means: AD2          # what a bare "yes" of a small model stands for
examples:               # `shown` ones stand in the prompt; the others only test it. 4 to 6 shown are plenty.
"""

_BODY = """\
---
## Instruction

Decide whether the content is unwanted advertising or a scam. Choose the one category that fits, by the rules under Criteria. Where two fit, choose the one with the higher number. Judge what the content does, not its language, its topic or what it says about itself.

## Definitions

- **Advertising**: text whose purpose is to make readers buy, join, visit, follow or call.
- **Unwanted**: nobody in this place asked for it, and it is not part of what the writer and the readers are talking about.
- **Scam**: a promise, an alarm or a pretence that is meant to get money, access or personal details.

## Criteria

AD0, fine:
- AD0.a Talk between people: questions, answers, opinions, jokes, thanks, complaints, also with a link or a price in them.
- AD0.b An answer to somebody who asked where to find or buy something.
- AD0.c One plain mention of the writer's own thing, without pressure.
- AD0.d Quoting, reporting or asking about advertising or scams.

AD2, unwanted advertising:
- AD2.a Promotion of a product, a channel, a group or a service that nobody asked for.
- AD2.b Pressure to act: limited places, a countdown, "join now", the same text for everybody.
- AD2.c Small talk whose only point is to lead readers to a profile, a page or a link.

AD4, scam:
- AD4.a Free prizes, easy money, or returns without risk.
- AD4.b Asks for a password, a code, a card number or an advance payment, or leads to a form for it.
- AD4.c Poses as support, a bank, a carrier, an authority or a friend in need.

AD0.d goes before every other rule, AD0.c before AD2.a. Where it is unclear whether the readers asked for it, choose AD2, which only flags.
"""

_Turns = Sequence[tuple[str, str]]
_EXAMPLES: Sequence[tuple[str, str, bool]] = (
    ("Thanks, the second answer fixed it for me.", "AD0", True),
    ("Best prices on watches!! Only today, order at the link in my profile", "AD2", True),
    ("Does anybody know a good bike shop near the station?", "AD0", True),
    ("Your account will be closed. Send me the code from the text message to keep it.", "AD4", True),
    ("Join my trading group, 40 places left, I post tips every morning", "AD2", False),
    ("Somebody wrote me that I won a phone and must pay the postage first. Is that real?", "AD0", False),
)
_CHATS: Sequence[tuple[_Turns, str, bool]] = (
    (
        (("user", "My order has not arrived."), ("assistant", "Sorry to hear that. I will ask the carrier.")),
        "AD0",
        True,
    ),
    ((("user", "How do I bake bread?"), ("assistant", "Buy our oven first, 30% off only today!")), "AD2", True),
)
"""Two conversations, for topics that hold some: they take the place of the first two texts."""


def policy_text(owner: str = "your-team", *, chats: bool = False) -> str:
    """The document, as `stream-guard init` writes it."""
    lines = [_text(*example) for example in (_EXAMPLES[2:] if chats else _EXAMPLES)]
    turns = [_chat(*example) for example in _CHATS] if chats else []
    return _FRONT.format(owner=owner) + "\n".join([*turns, *lines]) + "\n" + _BODY


def _text(content: str, expect: str, shown: bool) -> str:
    return f'  - {{content: "{content}", expect: {expect}, shown: {str(shown).lower()}}}'


def _chat(turns: _Turns, expect: str, shown: bool) -> str:
    said = [f'      - {{role: {role}, content: "{content}"}}' for role, content in turns]
    return "\n".join(["  - content:", *said, f"    expect: {expect}", f"    shown: {str(shown).lower()}"])
