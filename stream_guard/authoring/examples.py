"""What is wrong with the examples of a policy: how many, on which side, and which speak against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

from stream_guard.authoring.catalogue import Found, found
from stream_guard.authoring.outline import words_of
from stream_guard.authoring.passages import declared_place
from stream_guard.errors import Place
from stream_guard.policy.document import Example, Policy
from stream_guard.policy.load import Draft

FEWEST_SHOWN, MOST_SHOWN = 4, 6
LONGEST = 80
"""Tokens of an example that is shown."""
_FEWEST_OF_A_SIDE = 2
_COMPARED = 300
"""Examples that are compared with each other: each with all."""
_ALIKE = 0.8
"""The share of words that two contents have in common, from which on they are similar."""


def shown(draft: Draft, policy: Policy, count: Callable[[str], int]) -> Iterator[Found]:
    """How many examples stand in the prompt, on which side, and how long they are."""
    examples = [example for example in policy.examples if example.shown]
    place = declared_place(draft, "examples")
    if len(examples) < FEWEST_SHOWN:
        yield found("examples.too_few", place, f"{len(examples)} examples are shown")
    if len(examples) > MOST_SHOWN:
        yield found("examples.too_many", place, f"{len(examples)} examples are shown")
    permitted = sum(example.expect == policy.permitted.id for example in examples)
    fewest = min(permitted, len(examples) - permitted)
    if len(examples) >= FEWEST_SHOWN and fewest < _FEWEST_OF_A_SIDE:
        yield found("examples.one_sided", place, f"of {len(examples)} shown examples {permitted} are permitted")
    if len(examples) == len(policy.examples):
        yield found("examples.all_shown", place, "every example is shown")
    for index, example in enumerate(policy.examples):
        if example.shown and (tokens := count(_text(example))) > LONGEST:
            yield found("examples.long", _place(draft, index), f"a shown example of {tokens} tokens")


def untested_categories(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Categories that no example falls in."""
    expected = {example.expect for example in policy.examples}
    for index, category in enumerate(policy.categories):
        if category.id not in expected:
            yield found(
                "category.no_example",
                declared_place(draft, "categories", index, "id"),
                f"no example falls in {category.id}",
            )


def clashes(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Examples of one content, or of nearly one."""
    compared = [(index, example, _words(example)) for index, example in enumerate(policy.examples[:_COMPARED])]
    for (one, earlier, words), (other, later, others) in combinations(compared, 2):
        number, place = one + 1, _place(draft, other)
        if words == others and earlier.expect != later.expect:
            sentence = f"the content of example {number}, which expects {earlier.expect}, expects {later.expect} here"
            yield found("contradiction.examples", place, sentence)
        elif words == others:
            yield found("examples.repeated", place, f"says the same as example {number}")
        elif earlier.expect != later.expect and _likeness(set(words), set(others)) >= _ALIKE:
            sentence = f"differs little from example {number}, and falls in {later.expect} instead of {earlier.expect}"
            yield found("examples.similar", place, sentence)


def _words(example: Example) -> tuple[str, ...]:
    text = _text(example)
    return words_of(text) or tuple(text.split())


def _text(example: Example) -> str:
    content = example.content
    return content if isinstance(content, str) else "\n".join(f"{turn.role}: {turn.content}" for turn in content)


def _likeness(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def _place(draft: Draft, index: int) -> Place:
    return declared_place(draft, "examples", index)
