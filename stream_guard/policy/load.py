"""Policy documents from files: Markdown with YAML front matter, one policy a file.

A document is taken as a whole or not at all; everything found wrong in it is reported at once, with line and column.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from pydantic import ValidationError

from stream_guard.errors import ConfigError, Place, PolicyError
from stream_guard.identity import PolicyVersion, digest
from stream_guard.marked_yaml import Document, Finding, parse
from stream_guard.policy.body import NO_BODY, Body, parse_body
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.fields import within
from stream_guard.policy.files import IN_A_PACK, policy_files
from stream_guard.policy.front_matter import FrontMatter
from stream_guard.policy.reading import read_text

MAX_BYTES = 65_536
"""A policy of the size that models follow best has about 3 KiB."""

TOO_LARGE = f"a policy may have at most {MAX_BYTES} bytes"
FENCE = "---"
"""The line before and after the front matter."""

_NO_FRONT = f"must begin with front matter between lines of {FENCE}"
_IMPORT = "; for a policy pack's own documents, `stream-guard policy import` writes it"


class Draft(Struct, frozen=True):
    """A document as far as it could be read: the policy, or else all that is wrong, and where everything stands.

    `front` holds the front matter's values with their places, `ignored` the rules of the lint that it switches off.
    """

    file: str
    policy: Policy | None = None
    findings: tuple[Finding, ...] = ()
    front: Document | None = None
    body: Body = NO_BODY
    ignored: tuple[str, ...] = ()

    def loaded(self) -> Policy:
        """The policy. Raises PolicyError with everything that is wrong."""
        if self.policy is None:
            raise PolicyError(*self.findings)
        return self.policy


class _Split(NamedTuple):
    front: str
    body: str
    body_line: int


def parse_policy(text: str, file: str) -> Policy:
    """The policy in a document; `file` names it in findings.

    The version is the hash of the whole document, its line ends written as newlines and without a byte order mark.
    Raises PolicyError with everything that is wrong.
    """
    return parse_draft(text, file).loaded()


def load_policy(path: Path) -> Policy:
    """The policy in a file. Raises PolicyError where it can't be read or is wrong."""
    return load_draft(path).loaded()


def load_policies(paths: Sequence[Path]) -> dict[PolicyId, Policy]:
    """The policies in these files and folders (see `policy_files`), by id, in the order found.

    Raises PolicyError with the findings of all files; an id in two files is one.
    """
    policies: dict[PolicyId, Policy] = {}
    origins: dict[PolicyId, Path] = {}
    findings: list[Finding] = []
    for path in policy_files(paths, findings):
        policy = (draft := load_draft(path)).policy
        if policy is None:
            findings += draft.findings
        elif policy.id in policies:
            findings.append((Place(str(path)), f"the id {policy.id} is taken by {origins[policy.id]}"))
        else:
            policies[policy.id], origins[policy.id] = policy, path
    if findings:
        raise PolicyError(*findings)
    return policies


def load_draft(path: Path) -> Draft:
    """The document in a file, as far as it could be read."""
    try:
        return parse_draft(read_text(path, MAX_BYTES, TOO_LARGE), str(path))
    except PolicyError as error:
        return Draft(str(path), findings=error.findings)


def parse_draft(text: str, file: str) -> Draft:
    """The document in a text, as far as it could be read."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        return Draft(file, findings=((Place(file), TOO_LARGE),))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    split = _split(text)
    if isinstance(split, str):
        return Draft(file, findings=((Place(file, 1, 1), split + (_IMPORT if Path(file).name == IN_A_PACK else "")),))
    body = parse_body(split.body, file, split.body_line)
    try:
        values = parse(split.front, file, first_line=2, aliases=False)  # an author has no use for them, a bomb has
    except ConfigError as error:
        return Draft(file, findings=(*error.findings, *body.findings), body=body)
    front, findings = _front_matter(values)
    if front is None or findings or body.findings:
        return Draft(file, findings=(*findings, *body.findings), front=values, body=body)
    return Draft(file, _policy(front, body, text), (), values, body, tuple(front.lint.ignore))


def _policy(front: FrontMatter, body: Body, text: str) -> Policy:
    return Policy(
        id=front.id,
        version=PolicyVersion(digest("policy", text)),
        revision=front.revision,
        owner=front.owner,
        title=front.title,
        output=front.output,
        effort=front.effort,
        categories=front.category_values(),
        yes_means=front.violating_yes(),
        examples=tuple(entry.example() for entry in front.examples),
        instruction=body.sections["Instruction"],
        definitions=body.sections["Definitions"],
        criteria=body.sections["Criteria"],
        quick_look=front.quick_look.value() if front.quick_look is not None else None,
        min_accuracy=front.min_accuracy,
        document=text,
    )


def _split(text: str) -> _Split | str:
    """Front matter and text, or what is wrong."""
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        return _NO_FRONT
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
    if end is None:
        return f"the front matter has no closing line of {FENCE}"
    return _Split("\n".join(lines[1:end]) + "\n", "\n".join(lines[end + 1 :]), end + 2)


def _front_matter(document: Document) -> tuple[FrontMatter | None, list[Finding]]:
    try:
        front = FrontMatter.model_validate(document.values)
    except ValidationError as error:
        items = error.errors(include_input=False)
        return None, [document.finding(within(item["loc"]), item["type"], item["msg"]) for item in items]
    return front, [(document.place(loc), what) for loc, what in front.flaws()]
