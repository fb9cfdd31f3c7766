"""What the pages of docs/ and the README show is what the command takes: a page that rots fails here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from stream_guard.cli import cli
from stream_guard.policy.load import parse_policy

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")


def commands() -> Iterator[tuple[str, str]]:
    """Every call of our command in a page's shell blocks, continued lines joined."""
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                call, _, _ = line.partition("#")
                call = call.rpartition(" -- ")[2].strip()  # in a pod: kubectl exec POD -- stream-guard ...
                if call.startswith("stream-guard"):
                    yield page.name, call


@pytest.mark.parametrize(("page", "call"), list(commands()))
def test_a_command_of_a_page_is_taken_by_the_command_line(page: str, call: str) -> None:
    """The subcommand, its options and its arguments exist."""
    del page
    command: Any = get_command(cli)  # typer has no public name for its commands' classes
    words = shlex.split(call)[1:]
    while subcommands := getattr(command, "commands", None):
        name, *words = words
        command = subcommands[name]
    command.make_context(command.name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_of_a_page_leads_somewhere(page: Path) -> None:
    """Files of the repository are there."""
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_policy_of_the_page_is_one() -> None:
    """An author can begin with it as it stands."""
    text = (ROOT / "docs" / "first-policy.md").read_text(encoding="utf-8")
    (document,) = re.findall(r"```markdown\n(.*?)```", text, re.DOTALL)
    policy = parse_policy(str(document), "docs/first-policy.md")
    assert (policy.id, len(policy.examples)) == ("house-rules", 6)
