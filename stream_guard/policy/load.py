"""Policy documents from files: Markdown with YAML front matter, one policy a file.

A document is taken as a whole or not at all; everything found wrong in it is reported at once, with line and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from stream_guard.errors import ConfigError, Place, PolicyError
from stream_guard.identity import PolicyVersion, digest
from stream_guard.marked_yaml import Finding, parse
from stream_guard.policy.body import parse_body
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.front_matter import FrontMatter

MAX_BYTES = 65_536
"""A policy of the size that models follow best has about 3 KiB."""

_FENCE = "---"
_TOO_LARGE = f"a policy may have at most {MAX_BYTES} bytes"


class _Document(NamedTuple):
    front: str
    body: str
    body_line: int


def parse_policy(text: str, file: str) -> Policy:
    """The policy in a document; `file` names it in findings.

    The version is the hash of the whole document, its line ends written as newlines and without a byte order mark.
    Raises PolicyError with everything that is wrong.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise PolicyError((Place(file), _TOO_LARGE))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    document = _split(text, file)
    body = parse_body(document.body, file, document.body_line)
    front, findings = _front_matter(document.front, file)
    if front is None or findings or body.findings:
        raise PolicyError(*findings, *body.findings)
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
        min_accuracy=front.min_accuracy,
    )


def load_policy(path: Path) -> Policy:
    """The policy in a file. Raises PolicyError where it can't be read or is wrong."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError((Place(str(path)), f"can't be read: {error.strerror}")) from error
    if len(raw) > MAX_BYTES:
        raise PolicyError((Place(str(path)), _TOO_LARGE))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyError((Place(str(path), line), "is not UTF-8")) from error
    return parse_policy(text, str(path))


def load_policies(paths: Sequence[Path]) -> dict[PolicyId, Policy]:
    """The policies in these files and directories, by id, in the order found.

    Of a directory, every `*.md` but a README counts; hidden entries, such as the `..data` by which Kubernetes swaps a
    mounted directory, do not. Raises PolicyError with the findings of all files; an id in two files is one.
    """
    policies: dict[PolicyId, Policy] = {}
    origins: dict[PolicyId, Path] = {}
    findings: list[Finding] = []
    for path in _files(paths, findings):
        try:
            policy = load_policy(path)
        except PolicyError as error:
            findings += error.findings
            continue
        if policy.id in policies:
            findings.append((Place(str(path)), f"the id {policy.id} is taken by {origins[policy.id]}"))
        else:
            policies[policy.id], origins[policy.id] = policy, path
    if findings:
        raise PolicyError(*findings)
    return policies


def _files(paths: Sequence[Path], findings: list[Finding]) -> Iterator[Path]:
    """Every file once, however many of the paths lead to it."""
    seen: set[Path] = set()
    for path in paths:
        found = _in_directory(path) if path.is_dir() else [path]
        if not found:
            findings.append((Place(str(path)), "no policies (*.md) in this directory"))
        for file in found:
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield file


def _in_directory(directory: Path) -> list[Path]:
    entries = sorted(directory.glob("*.md"))
    return [e for e in entries if not e.name.startswith(".") and e.stem.lower() != "readme" and e.is_file()]


def _split(text: str, file: str) -> _Document:
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        raise PolicyError((Place(file, 1, 1), f"must begin with front matter between lines of {_FENCE}"))
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise PolicyError((Place(file, 1, 1), f"the front matter has no closing line of {_FENCE}"))
    return _Document("\n".join(lines[1:end]) + "\n", "\n".join(lines[end + 1 :]), end + 2)


def _front_matter(text: str, file: str) -> tuple[FrontMatter | None, list[Finding]]:
    try:
        document = parse(text, file, first_line=2, aliases=False)  # an author has no use for them, a bomb has
    except ConfigError as error:
        return None, list(error.findings)
    try:
        front = FrontMatter.model_validate(document.values)
    except ValidationError as error:
        items = error.errors(include_input=False)
        return None, [document.finding(item["loc"], item["type"], item["msg"]) for item in items]
    return front, [(document.place(loc), what) for loc, what in front.flaws()]
