"""The examples of the chart's README and of docs/install.md, as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.load import load_policies
from tests.chart.rendering import Chart
from tests.charts import CHART, MAJORS

pytestmark = pytest.mark.kubernetes

ROOT = CHART.parents[1]
README = (CHART / "README.md").read_text(encoding="utf-8")
INSTALL = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def _blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("major", MAJORS)
def test_the_example_installs_with_a_policy_from_its_file(chart: Chart, tmp_path: Path, major: int) -> None:
    """Values and commands are those of the README; only the digest is filled in."""
    (example,) = _blocks("yaml")
    values = tmp_path / "guard-values.yaml"
    values.write_text(example.replace("sha256:...", f"sha256:{'a' * 64}"), encoding="utf-8")
    install, with_policy = (shlex.split(each) for each in _blocks("sh"))
    assert install[:4] == with_policy[:4] == ["helm", "install", "guard", "helm/stream-guard"]
    named = {
        "guard-values.yaml": str(values),
        "policies.spam\\.md=policies/spam.md": f"policies.spam\\.md={ROOT}/policies/spam.md",
    }
    told = [named.get(each, each) for each in with_policy[4:] if each != "..."]
    rendered = list(yaml.safe_load_all(chart.helm(major, "template", "guard", CHART, "--namespace", "guard", *told)))
    (policies,) = (each for each in rendered if each["metadata"]["name"] == "guard-stream-guard-policies")
    (tmp_path / "spam.md").write_text(policies["data"]["spam.md"], encoding="utf-8")
    assert _versions(load_policies([tmp_path / "spam.md"])) == _versions(load_policies([ROOT / "policies" / "spam.md"]))


@pytest.mark.parametrize("major", MAJORS)
def test_the_page_about_installing_does_install(chart: Chart, tmp_path: Path, major: int) -> None:
    """Its values and its command; names that later commands use are those that come out."""
    (example,) = _blocks("yaml", INSTALL)
    values = tmp_path / "values.yaml"
    values.write_text(example, encoding="utf-8")
    (command,) = re.findall(r"^helm install guard helm/stream-guard (.*)$", INSTALL, re.MULTILINE)
    named = {
        "values.yaml": str(values),
        "policies.spam\\.md=policies/spam.md": f"policies.spam\\.md={ROOT}/policies/spam.md",
    }
    told = [named.get(each, each) for each in shlex.split(command)]
    rendered = list(yaml.safe_load_all(chart.helm(major, "template", "guard", CHART, *told)))
    found = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in rendered}
    assert set(re.findall(r"deployment/[a-z-]+", INSTALL)) == {each for each in found if each.startswith("deployment/")}
    assert found >= {"podmonitor/guard-stream-guard", "job/guard-stream-guard-attach"}


def _versions(policies: Mapping[PolicyId, Policy]) -> dict[PolicyId, str]:
    return {name: policy.version for name, policy in policies.items()}


def test_every_link_leads_somewhere() -> None:
    """To files of this repository."""
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert (CHART / target).exists(), target
