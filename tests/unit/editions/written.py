"""Files of an edition, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream_guard.config import load_config
from stream_guard.editions.edition import Edition, compose
from stream_guard.editions.loading import ConfigFile
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Renderer
from tests.inspections import make_route
from tests.service import POLICY


def make_document(policy: str = "spam", revision: int = 1) -> str:
    """A policy's file."""
    return POLICY.replace("id: adverts", f"id: {policy}").replace("revision: 1", f"revision: {revision}")


class Written:
    """A configuration and a folder of policies, written anew as often as a test wants."""

    def __init__(self, folder: Path) -> None:
        """Writes one route under one policy."""
        self.folder = folder
        self.path = folder / "guard.yaml"
        (folder / "policies").mkdir(parents=True, exist_ok=True)
        self.policy()
        self.config()

    @property
    def file(self) -> ConfigFile:
        """The configuration file."""
        return ConfigFile(self.path, {})

    def policy(self, policy: str = "spam", revision: int = 1, text: str | None = None) -> Path:
        """Writes a policy's file, whole."""
        path = self.folder / "policies" / f"{policy}.md"
        path.write_text(make_document(policy, revision) if text is None else text, encoding="utf-8")
        return path

    def config(self, *routes: Mapping[str, Any], **more: Any) -> None:
        """Writes the configuration: JSON is YAML."""
        values: dict[str, Any] = {
            "kafka": {"bootstrap_servers": "localhost:9092", "group": "guard", "start": "earliest"},
            "engine": {"kind": "scripted"},
            "policies": ["policies"],
            "routes": list(routes) or [make_route()],
            **more,
        }
        self.path.write_text(json.dumps(values, indent=1), encoding="utf-8")

    def edition(self, renderer: Renderer | None = None) -> Edition:
        """What the files come to."""
        settings = load_config(self.path, {})
        return compose(settings, load_policies(settings.policies), renderer or PlainRenderer())
