"""Judges that know Kubernetes: kubeconform by its schemas, checkov by its rules of security, Helm's own lint."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import CI, NAMESPACE, Chart, Refused, ci_manifests
from tests.chart.static_checks import KUBERNETES, StaticChecks, write_custom_schemas
from tests.charts import CHART, MAJORS
from tests.kubernetes.custom_resources import KEDA, PROMETHEUS_OPERATOR

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1200)]  # a cold cache installs checkov
JUSTIFIED = {"CKV_K8S_11", "CKV_K8S_35", "CKV_K8S_40"}
"""Rules that are not followed, each with its reason in an annotation of the object."""

WRONG = "wrong.yaml"
SLIPS = {
    "namespace: keda\n": "namespace: wrong\n",
    "pollingInterval:": "poolingInterval:",
    "progressDeadlineSeconds:": "progressDeadline:",
    "readOnlyRootFilesystem: true": "readOnlyRootFilesystem: false",
}
"""What is wrong in one more file: who does not find that does not look."""


@pytest.fixture(scope="module")
def checks() -> StaticChecks:
    """The programs."""
    return StaticChecks()


@pytest.fixture(scope="module")
def rendered(kubernetes_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every shape, each in a namespace of its own, so that none is taken for another's; and one with slips in it."""
    folder = tmp_path_factory.mktemp("rendered")
    for file in CI:
        name = file.name.removesuffix("-values.yaml")
        text = ci_manifests(kubernetes_tools, file, MAJORS[0]).text
        (folder / f"{name}.yaml").write_text(text.replace(f"namespace: {NAMESPACE}\n", f"namespace: {name}\n"), "utf-8")
    wrong = (folder / "keda.yaml").read_text(encoding="utf-8")
    for right, slip in SLIPS.items():
        assert right in wrong
        wrong = wrong.replace(right, slip)
    (folder / WRONG).write_text(wrong, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def conformity(
    kubernetes_tools: Path, checks: StaticChecks, rendered: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Any]:
    """What kubeconform says of them."""
    custom = tmp_path_factory.mktemp("custom")
    write_custom_schemas([*KEDA.files(), *PROMETHEUS_OPERATOR.files()], custom)
    done = subprocess.run(
        [
            kubernetes_tools / "kubeconform", "-strict", "-summary", "-output", "json", "-kubernetes-version", KUBERNETES,
            "-schema-location", f"{checks.schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
            "-schema-location", f"{custom}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json", rendered,
        ],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    told: Mapping[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def security(checks: StaticChecks, rendered: Path) -> Mapping[str, Any]:
    """What checkov says of them."""
    return checks.checkov(rendered)


def test_every_manifest_conforms_strictly(conformity: Mapping[str, Any]) -> None:
    """With the schemas of KEDA and of the Prometheus operator: nothing is skipped, and a slip is found."""
    found = {(Path(each["filename"]).name, each["kind"]) for each in conformity["resources"]}
    assert found == {(WRONG, "ScaledObject"), (WRONG, "Deployment")}
    summary = conformity["summary"]
    assert (summary["errors"], summary["skipped"]) == (0, 0)
    assert summary["valid"] > 8 * len(CI)


def test_checkov_finds_nothing_that_is_not_justified(security: Mapping[str, Any], rendered: Path) -> None:
    """No rule is broken but those with a reason; and checkov did look, at every shape, for it found what was planted."""
    results = security["results"]
    failed = {(Path(each["file_path"]).name, each["check_id"]) for each in results["failed_checks"]}
    assert failed == {(WRONG, "CKV_K8S_22")}
    assert security["summary"]["parsing_errors"] == 0
    passed = Counter(Path(each["file_path"]).name for each in results["passed_checks"])
    assert set(passed) == {file.name for file in rendered.iterdir()}
    assert min(passed.values()) > 70
    assert {each["check_id"] for each in results["skipped_checks"]} == JUSTIFIED
    assert all(len(each["check_result"]["suppress_comment"]) > 20 for each in results["skipped_checks"])


@pytest.mark.parametrize("major", MAJORS)
def test_lint_is_content(chart: Chart, major: int) -> None:
    """Helm's own, strict."""
    said = chart.helm(major, "lint", CHART, "--strict", "--values", CI[0])
    assert "0 chart(s) failed" in said


@pytest.mark.parametrize("major", MAJORS)
def test_an_older_kubernetes_is_refused(chart: Chart, major: int) -> None:
    """Before 1.27 a budget would not know what to do with pods that are not ready."""
    with pytest.raises(Refused, match="kubeVersion"):
        chart.helm(major, "template", "r", CHART, "--values", CI[0], "--kube-version", "1.26.0")
