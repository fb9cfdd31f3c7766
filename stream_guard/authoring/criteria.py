"""What is wrong with the rules themselves: ids that name nothing or two things, contradictions, what is never said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stream_guard.authoring.catalogue import Found, found
from stream_guard.authoring.outline import Line, outline
from stream_guard.authoring.passages import declared_place, passages, sections
from stream_guard.policy.document import OutputForm, Policy
from stream_guard.policy.load import Draft
from stream_guard.prompting.criteria import criteria_text

_NUMBERED = re.compile(r"([A-Za-z]+)[0-9]")
_TERM = re.compile(r"^[ \t]*(?:[-*][ \t]+)?(?:\*\*)?(?P<term>[^*:\n]{2,60}?)(?:\*\*)?[ \t]*:", re.MULTILINE)
_UNCLEAR = re.compile(
    r"\b(?:unclear|not clear|ambigu\w+|in doubt|uncertain|unsure|borderline|can(?:'t|not) (?:tell|be told)|cannot be told|"
    r"undecided|escalat\w+|a person (?:looks|decides)|(?:human|manual) review)\b",
    re.IGNORECASE,
)
_PRECEDENCE = re.compile(
    r"\b(?:precedence|takes? priority|(?:goes|go|comes|come|counts?) before|overrides?|outweighs?|prevails?|"
    r"where (?:two|both|several|more than one)|(?:if|when) (?:two|both|several|more than one)|"
    r"the (?:one with the )?(?:higher|highest|graver|gravest|stricter|strictest|severer|severest|more severe|most severe)|"
    r"the first (?:one )?that)\b",
    re.IGNORECASE,
)


def unknown_references(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Ids in the text that look like the policy's and name nothing."""
    known = {category.id for category in policy.categories} | {line.id for line in outline(draft, policy) if line.id}
    prefixes = sorted({numbered[1] for each in known if (numbered := _NUMBERED.match(each))})
    if not prefixes:
        return
    named = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, prefixes))})[0-9]+[A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*")
    for passage in passages(draft):
        for hit in named.finditer(passage.text):
            if hit[0] not in known:
                yield found(
                    "reference.unknown",
                    passage.place(hit.start()),
                    f"{passage.where} names {hit[0]}, which is nothing here",
                )


def unmentioned_categories(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Categories that no rule says anything of. In the binary form a model never reads their ids."""
    if policy.output is OutputForm.BINARY:
        return
    text = f"{policy.instruction}\n{policy.definitions}\n{criteria_text(policy)}"
    for index, category in enumerate(policy.categories):
        if not re.search(rf"(?<!\w){re.escape(category.id)}(?!\w)", text):
            place = declared_place(draft, "categories", index, "id")
            yield found("category.unmentioned", place, f"no rule says what falls in {category.id}")


def unused_definitions(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Terms that are defined and never used, told by the beginnings of their words."""
    definitions = next(passage for passage in sections(draft) if passage.where == "Definitions")
    lines = definitions.text.split("\n")
    others = [
        policy.title,
        policy.instruction,
        criteria_text(policy),
        *(category.title for category in policy.categories),
    ]
    at = 0
    for number, line in enumerate(lines):
        term = _TERM.match(line)
        if term is not None:
            rest = "\n".join([*others, *lines[:number], *lines[number + 1 :]]).casefold()
            if not all(re.search(rf"\b{re.escape(stem)}", rest) for stem in _stems(term["term"])):
                place = definitions.place(at + term.start("term"))
                yield found("definition.unused", place, f"the term {term['term']} is defined and never used")
        at += len(line) + 1


def _stems(term: str) -> list[str]:
    words = re.findall(r"\w+", re.sub(r"\(.*?\)|`", "", term).casefold())
    return [word[: max(4, len(word) - 3)] for word in words]


def clashing_rules(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Two rules with one id, or in the same words."""
    ids: dict[str, Line] = {}
    said: dict[tuple[str, ...], Line] = {}
    for line in outline(draft, policy):
        if line.id is not None and line.id in ids:
            where = "in the front matter" if ids[line.id].declared else f"at line {ids[line.id].place.line}"
            yield found("rules.duplicate_id", line.place, f"{line.id} names a rule already, {where}")
        elif line.id is not None:
            ids[line.id] = line
        if line.words and (earlier := said.setdefault(line.words, line)) is not line:
            yield _same_words(line, earlier)


def _same_words(line: Line, earlier: Line) -> Found:
    one, other = earlier.category, line.category
    if one is not None and other is not None and bool(one.severity) is not bool(other.severity):
        permitted, forbidden = (one, other) if other.severity else (other, one)
        return found(
            "contradiction.allow_and_forbid",
            line.place,
            f"the same is permitted by {permitted.id} and violates by {forbidden.id}",
        )
    return found("rules.repeated", line.place, f"says the same as {earlier.name}")


def undeclared_rules(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Rules with ids that only the text knows, in the form that cites rules."""
    if policy.output is OutputForm.RATIONALE and not policy.rule_ids:
        written = [line for line in outline(draft, policy) if line.id is not None]
        if written:
            sentence = f"{written[0].id} and the other rules are not declared: a verdict may cite what is none of them"
            yield found("rules.undeclared", written[0].place, sentence)


def missing_paths(draft: Draft) -> Iterator[Found]:
    """What a policy has to say of the cases that its rules don't settle."""
    told = "\n".join(passage.unquoted for passage in passages(draft))
    place = draft.body.starts["Criteria"]
    if not _UNCLEAR.search(told):
        yield found("ambiguity.missing", place, "nothing says what to do where it is unclear")
    if not _PRECEDENCE.search(told):
        yield found("precedence.missing", place, "nothing says which rule counts where two apply")


def milder_decisions(draft: Draft, policy: Policy) -> Iterator[Found]:
    """Categories that are graver than another and ask for less."""
    for index, category in enumerate(policy.categories):
        milder = [
            other
            for other in policy.categories
            if other.severity < category.severity and other.decision.strictness > category.decision.strictness
        ]
        if milder:
            place = declared_place(draft, "categories", index, "decision")
            sentence = f"{category.id} is graver than {milder[0].id}, and asks for {category.decision} instead of {milder[0].decision}"
            yield found("severity.milder", place, sentence)
