"""Programs that judge manifests without a cluster, in an environment of their own: checkov, and the schemas of Kubernetes.

They are pinned by hash in checkov.txt, and lie in a folder that is named after it, so that every checkout shares them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.kept import kept

KUBERNETES = "1.37.0"
_PINNED = Path(__file__).with_name("checkov.txt")
_UV = Path(sys.executable).with_name("uv")
"""The uv that constraints.txt pins."""
_INSTALL_S = 900
_SCHEMAS = "schemas"


class StaticChecks:
    """The environment; made on first use."""

    def __init__(self) -> None:
        self._folder = kept("checkov", [sys.version.encode(), _PINNED.read_bytes()], _install)

    @property
    def schemas(self) -> Path:
        """JSON schemas of this Kubernetes, strict, as kubeconform finds them."""
        return self._folder / _SCHEMAS

    def checkov(self, folder: Path) -> Mapping[str, Any]:
        """What checkov says of the manifests in a folder; it asks nobody on the network."""
        done = subprocess.run(
            [self._folder / "bin" / "checkov", "--compact", "--skip-download", "--framework", "kubernetes", "--output", "json", "--directory", folder],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        told: Mapping[str, Any] = json.loads(done.stdout)
        return told


def _install(folder: Path) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    commands: tuple[list[str | Path], ...] = (
        [_UV, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder],
        [_UV, "pip", "sync", "--quiet", "--python", folder / "bin" / "python", "--require-hashes", _PINNED],
    )
    for command in commands:
        subprocess.run(command, env=environment, timeout=_INSTALL_S, check=True)
    found = next(folder.glob("lib/*/site-packages/kubernetes_validate/kubernetes-json-schema"))
    _made_fit(found, folder / _SCHEMAS)


def _made_fit(source: Path, target: Path) -> None:
    """The package's schemas refer to each other as a server would serve them; kubeconform reads files."""
    target.mkdir(exist_ok=True)
    for file in (source / f"v{KUBERNETES}-local-strict").glob("*.json"):
        schema = json.loads(file.read_text(encoding="utf-8"))
        schema.pop("$id", None)
        text = json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')
        (target / file.name).write_text(text, encoding="utf-8")


def write_custom_schemas(definitions: Iterable[Path], folder: Path) -> None:
    """Makes a strict JSON schema of each version of each custom resource."""
    for file in definitions:
        for definition in yaml.load_all(file.read_text(encoding="utf-8"), yaml.CSafeLoader):
            if not definition or definition["kind"] != "CustomResourceDefinition":
                continue
            kind = definition["spec"]["names"]["kind"].lower()
            for version in definition["spec"]["versions"]:
                schema = version["schema"]["openAPIV3Schema"]
                schema["properties"]["metadata"] = {"type": "object"}
                (folder / f"{kind}_{version['name']}.json").write_text(json.dumps(_strict(schema)), encoding="utf-8")


def _strict(node: Any) -> Any:
    """The same, so that a field it does not name is an error, as in a server that validates strictly."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _strict(each) for key, each in node.items()}
    if "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if made.pop("x-kubernetes-int-or-string", False):
        made.pop("type", None)
        made.pop("anyOf", None)
        made["oneOf"] = [{"type": "string"}, {"type": "integer"}]
    return made
