"""What the pages of docs/, the READMEs and their like show is what the command takes and the chart makes: a page that rots fails here."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from stream_guard.cli import cli
from stream_guard.policy.load import parse_policy
from tests.chart.rendering import Chart

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "helm" / "stream-guard" / "README.md", ROOT / "loadtest" / "README.md"]
)  # fmt: skip
_FENCED = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MANIFEST = "apiVersion: "


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(page: Path, language: str) -> list[str]:
    return [body for tag, body in _FENCED.findall(page.read_text(encoding="utf-8")) if tag == language]


def _prose(page: Path) -> str:
    """Without the blocks of code, whose lines may look like headings."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def _own(line: str) -> str:
    """The call of our command in a line, also one that is made in a pod (kubectl exec POD -- stream-guard ...); empty if there is none."""
    call = line.partition("#")[0].rpartition(" -- ")[2].strip()
    return call if call.startswith("stream-guard ") else ""


def calls() -> Iterator[tuple[str, str]]:
    """Every call of our command in a page's shell blocks, continued lines joined, and every one with options in its sentences."""
    for page in PAGES:
        for block in _blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                if call := _own(line):
                    yield _name(page), call
        for code in _INLINE.findall(_prose(page)):
            call = _own(" ".join(code.split()))
            if " -" in call and "..." not in call:  # without options it is but a name
                yield _name(page), call


def _manifests() -> Iterator[dict[str, Any]]:
    for page in PAGES:
        for block in _blocks(page, "yaml"):
            if re.search(f"^{_MANIFEST}", block, re.MULTILINE):
                yield yaml.safe_load(block)


def _pods() -> Iterator[dict[str, Any]]:
    for manifest in _manifests():
        yield manifest["spec"] if manifest["kind"] == "Pod" else manifest["spec"]["template"]["spec"]


def _take(words: list[str]) -> None:
    """Raises what the command line raises of a subcommand, option or argument that does not exist."""
    command: Any = get_command(cli)  # typer has no public name for its commands' classes
    while subcommands := getattr(command, "commands", None):
        name, *words = words
        command = subcommands[name]
    command.make_context(command.name, words)


def _anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and those like it make them."""
    met: Counter[str] = Counter()
    anchors = set[str]()
    for heading in _HEADING.findall(_prose(page)):
        plain = re.sub(r"\]\([^)]*\)", "", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        anchors.add(f"{slug}-{met[slug]}" if met[slug] else slug)
        met[slug] += 1
    return anchors


@pytest.mark.parametrize(("page", "call"), list(calls()))
def test_a_command_of_a_page_is_taken_by_the_command_line(page: str, call: str) -> None:
    """The subcommand, its options and its arguments exist."""
    del page
    _take(shlex.split(call)[1:])


def test_commands_of_blocks_sentences_and_pods_are_looked_at() -> None:
    """Of each sort there are some."""
    found = {call for _, call in calls()}
    assert {
        "stream-guard top",
        "stream-guard dlq ls -c /etc/stream-guard/guard.yaml --since 2h",
        "stream-guard dlq redrive -c guard.yaml --reason failed",
    } <= found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_link_of_a_page_leads_somewhere(page: Path) -> None:
    """Files of the repository are there, and the headings that are meant in them."""
    for target, anchor in _LINK.findall(_prose(page)):
        there = page.parent / target if target else page
        assert there.exists(), target
        if anchor:
            assert anchor in _anchors(there), f"{target}#{anchor}"


def test_the_policy_of_the_page_is_one() -> None:
    """An author can begin with it as it stands."""
    (document,) = _blocks(DOCS / "first-policy.md", "markdown")
    policy = parse_policy(document, "docs/first-policy.md")
    assert (policy.id, len(policy.examples)) == ("house-rules", 6)


def test_a_pod_of_a_page_runs_what_the_command_line_takes() -> None:
    """Its arguments are those of a subcommand."""
    runs = [container["args"] for pod in _pods() for container in pod["containers"] if "args" in container]
    assert runs
    for words in runs:
        _take(words)


@pytest.mark.kubernetes
def test_what_pages_name_is_what_an_install_by_the_page_makes(kubernetes_tools: Path, tmp_path: Path) -> None:
    """Deployments, ConfigMaps, claims, Secrets and mounts: pods of the pages start beside the release, and kubectl finds what it is told."""
    (example,) = _blocks(DOCS / "install.md", "yaml")
    values = tmp_path / "values.yaml"
    values.write_text(example, encoding="utf-8")
    policy = f"policies.spam\\.md={ROOT}/policies/spam.md"
    keda = ("--set", "scaling.by=keda,scaling.recordsPerSecond=20")
    told = (
        "template",
        "guard",
        str(ROOT / "helm" / "stream-guard"),
        "-n",
        "guard",
        "-f",
        str(values),
        "--set-file",
        policy,
    )
    made = [
        each
        for more in ((), keda)
        for each in yaml.safe_load_all(Chart(kubernetes_tools).helm(3, *told, *more))
        if each is not None
    ]
    names = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in made}
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = {
        f"{kind}/{name}"
        for kind, name in re.findall(r"\b(deployment|deploy|configmap|scaledobject)[/ ]([\w-]*guard[\w-]*)", text)
    }
    assert len(named) >= 3
    assert named <= names
    (pod,) = (
        each["spec"]["template"]["spec"] for each in made if each["kind"] == "Deployment" and "replicas" in each["spec"]
    )
    own = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    claims = [volume["persistentVolumeClaim"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    for theirs in _pods():
        for volume in theirs["volumes"]:
            if "configMap" in volume:
                assert f"configmap/{volume['configMap']['name']}" in names
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"] in claims
        (container,) = theirs["containers"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} <= own
        assert theirs["securityContext"].items() <= pod["securityContext"].items()
        assert container["securityContext"] == pod["containers"][0]["securityContext"]
