"""The Dockerfile as a text: what a linter says, and what it says of our version."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from tests import images
from tests.images import ROOT


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hadolint_finds_nothing() -> None:
    """Of any severity; what is ignored says why beside it. It does find something in a bad file."""
    hadolint = images.tools() / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    bad = subprocess.run([hadolint, "-"], input="FROM debian\nRUN cd /\n", capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert "DL3006" in bad.stdout


def test_its_version_is_ours() -> None:
    """The label's default is what pyproject.toml says."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.findall(r"(?m)^ARG VERSION=(.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8")) == [version]
