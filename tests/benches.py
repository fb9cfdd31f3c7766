"""A bench whose tokens are characters, and what passes through it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from math import inf

from stream_guard.engines.port import Ask, AskId, Completion, Failure, FailureKind, Text, TextRead, Usage
from stream_guard.events.content import Coverage, Judged
from stream_guard.events.model import View
from stream_guard.identity import PolicyVersion, PromptVersion
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.case import Case, Dues
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.judging.terms import DEFAULT_TERMS, Terms
from stream_guard.policy.document import Category, Decision, Effort, OutputForm, Policy
from stream_guard.policy.packed import Asked
from stream_guard.prompting.port import Rendered, Template, TextReading


def make_policy(*decisions: Decision) -> Policy:
    """A policy under which A permits, and B, C and so on are what these decisions follow from."""
    categories = [Category("A", "Fine", 0, Decision.ALLOW)]
    categories += [Category(chr(66 + n), "Not fine", n + 1, decision) for n, decision in enumerate(decisions)]
    return Policy(
        id="graded",
        version=PolicyVersion("v1"),
        revision=1,
        owner="team",
        title="Graded",
        output=OutputForm.CATEGORY,
        effort=Effort.LOW,
        categories=tuple(categories),
        yes_means=None,
        examples=(),
        instruction="",
        definitions="",
        criteria="",
    )


POLICY = Policy(
    id="spam",
    version=PolicyVersion("v1"),
    revision=1,
    owner="team",
    title="Spam",
    output=OutputForm.BINARY,
    effort=Effort.LOW,
    categories=(Category("SP0", "Fine", 0, Decision.ALLOW), Category("SP2", "Spam", 2, Decision.FLAG)),
    yes_means="SP2",
    examples=(),
    instruction="",
    definitions="",
    criteria="",
)


CONTROL = 0xE000
"""The first of the control tokens."""


class Letters:
    """A renderer whose tokens are characters."""

    def template(self, asked: Asked, view: View) -> Template:
        """One template."""
        return make_template(asked.id)

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """Prefix, context, normalised view and text."""
        shown = [content.context + content.normalised + content.text for content in contents]
        return [Rendered([*template.prefix, *map(ord, text)]) for text in shown]

    def text(self, token_ids: Sequence[int]) -> str:
        """The characters; what is private use to Unicode is a control token here."""
        return "".join(chr(i) for i in token_ids if not CONTROL <= i < CONTROL + 6400)


def make_template(prompt: str = "p1", policy: Policy = POLICY, view: View = View.MESSAGE) -> Template:
    """A template of a prompt version: two tokens before the content, one for the reply."""
    read = TextRead(max_tokens=1, stop_ids=())
    return Template(policy, view, PromptVersion(prompt), read, TextReading(), (1, 2), ())


P1, P2 = make_template("p1"), make_template("p2")


def make_bench(**bounds: float) -> Bench[str]:
    """A bench of two attempts."""
    retry = Retry(RetryPolicy(attempts=2, stumbling_for_s=10.0, stumbles=1, timeouts=1), random.Random(0))
    return Bench(Letters(), retry, BenchBounds(**bounds))  # type: ignore[arg-type]  # ints and floats by keyword


def make_case(
    owner: str,
    template: Template = P1,
    terms: Terms = DEFAULT_TERMS,
    dues: Dues | None = None,
    flow: int = 0,
    deadline: float = inf,
) -> Case[str]:
    """A case whose content is its owner."""
    judged = Judged(View.MESSAGE, "", owner, Coverage(1, (), 0, complete=True))
    return Case(owner, template, judged, 0.0, None, terms, dues, flow, deadline)


def reply(ask_id: AskId, text: str) -> Completion:
    """A completion that says `text`."""
    return Completion(ask_id, Text(tuple(map(ord, text)), None, finished=True), Usage(3, 2, 1, 0.5, 0.001))


def failure(ask_id: AskId, kind: FailureKind) -> Completion:
    """A completion that failed."""
    return Completion(ask_id, Failure(kind, "why"))


def answer(ask: Ask, category: str) -> Completion:
    """The completion of an ask under a graded policy."""
    return reply(ask.id, json.dumps({"violation": int(category != "A"), "policy_category": category}))


def content_of(ask: Ask) -> str:
    """The text that an ask is about."""
    return "".join(map(chr, ask.prompt[2:]))
