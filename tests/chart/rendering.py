"""The chart, rendered by a real Helm, and what comes out of it.

manifests = Chart(kubernetes_tools).render(make_values(scaling={"replicas": 2}))
manifests.only("Deployment")["spec"]["replicas"]
"""

from __future__ import annotations

import copy
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tests.charts import CHART

Values: TypeAlias = Mapping[str, Any]
Manifest: TypeAlias = dict[str, Any]

NAMESPACE = "guard"
RELEASE = "r"
CI = tuple(sorted(CHART.glob("ci/*-values.yaml")))
"""A file for each shape that is installed."""
POLICY = """\
---
id: spam
revision: 1
owner: tests
title: Spam
output: binary
effort: low
categories:
  - {id: FINE, title: not spam, severity: 0, decision: allow}
  - {id: SPAM, title: an unwanted advert, severity: 2, decision: flag}
yes_means: SPAM
examples:
  - {content: "See you at seven.", expect: FINE, shown: true}
  - {content: "WIN a free cruise!", expect: SPAM, shown: true}
---
## Instruction
Decide whether the text is an unwanted advert.
## Definitions
An advert praises goods to strangers.
## Criteria
Offers are spam. Everyday talk is not.
"""


class Refused(Exception):
    """Helm would not render it; its words are the message."""


@dataclass(frozen=True)
class Manifests:
    """What a release consists of."""

    text: str
    all: tuple[Manifest, ...]

    def of(self, *kinds: str) -> list[Manifest]:
        """Those of these kinds."""
        return [each for each in self.all if each["kind"] in kinds]

    def only(self, kind: str) -> Manifest:
        """The one of this kind."""
        (found,) = self.of(kind)
        return found

    def named(self, kind: str, name: str) -> Manifest:
        """The one of this kind and name."""
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    @property
    def workloads(self) -> list[Manifest]:
        """What runs the service."""
        return self.of("Deployment", "StatefulSet")

    @property
    def workload(self) -> Manifest:
        """The only one."""
        (found,) = self.workloads
        return found

    @property
    def pod(self) -> Manifest:
        """Its pod's spec."""
        spec: Manifest = self.workload["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Manifest:
        """The service's container."""
        return container(self.pod)

    @property
    def pods(self) -> Iterator[Manifest]:
        """The pod specs of everything that has pods, hooks included."""
        yield from (each["spec"]["template"]["spec"] for each in self.of("Deployment", "StatefulSet", "Job"))

    @property
    def guard(self) -> Any:
        """The configuration that the only deployment gets."""
        return yaml.safe_load(
            self.named("ConfigMap", f"{self.workload['metadata']['name']}-config")["data"]["guard.yaml"]
        )


class Chart:
    """The chart, and the programs that render it."""

    def __init__(self, programs: Path, folder: Path = CHART) -> None:
        self._programs = programs
        self._folder = folder

    def render(
        self, values: Values | Path, major: int = 3, release: str = RELEASE, flags: Sequence[str] = ()
    ) -> Manifests:
        """What Helm makes of these values. Raises Refused."""
        with tempfile.TemporaryDirectory() as folder:
            file = values if isinstance(values, Path) else _written(Path(folder, "values.json"), values)
            told = ("--namespace", NAMESPACE, "--values", file)
            text = self.helm(major, "template", release, self._folder, *told, *flags)
        return Manifests(text, tuple(each for each in yaml.load_all(text, yaml.CSafeLoader) if each))

    def helm(self, major: int, *arguments: str | Path) -> str:
        """What it prints. Raises Refused with what it complains of."""
        done = subprocess.run(
            [self._programs / f"helm{major}", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise Refused(done.stderr.strip())
        return done.stdout


@cache
def ci_manifests(programs: Path, file: Path, major: int) -> Manifests:
    """What a file of ci/ comes to; rendered once a session."""
    return Chart(programs).render(file, major)


def container(pod: Manifest, name: str = "stream-guard") -> Manifest:
    """A pod's container of this name."""
    (found,) = (each for each in pod["containers"] if each["name"] == name)
    found_of: Manifest = found
    return found_of


def make_values(over: Values | None = None, **more: Any) -> dict[str, Any]:
    """The least that can be installed, with `over` and `more` laid over it."""
    route = {
        "name": "chat",
        "topic": "chat.messages",
        "judge": ["message"],
        "policies": ["spam"],
        "outputs": {"verdicts": "guard.verdicts", "rulings": "guard.rulings", "dead_letters": "guard.dead-letters"},
    }
    least = {
        "image": {"repository": "registry.example/stream-guard"},
        "config": {
            "kafka": {"bootstrap_servers": "kafka:9092", "start": "earliest"},
            "engine": {"kind": "scripted"},
            "routes": [route],
        },
        "policies": {"spam.md": POLICY},
        "gpu": {"enabled": False},
    }
    return laid(laid(least, over or {}), more)


def make_gpu_values(over: Values | None = None, **more: Any) -> dict[str, Any]:
    """The same with a model on a GPU."""
    model = {"config": {"engine": {"kind": "vllm", "model": "/models/m"}}, "gpu": {"enabled": True}}
    return laid(make_values(model), laid(over or {}, more))


def laid(base: Values, over: Values) -> dict[str, Any]:
    """`over` laid over `base`, maps merged."""
    merged = copy.deepcopy(dict(base))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = laid(merged[key], value) if both else value
    return merged


def _written(path: Path, values: Values) -> Path:
    path.write_text(json.dumps(values), encoding="utf-8")  # YAML, in which no two readers differ
    return path
