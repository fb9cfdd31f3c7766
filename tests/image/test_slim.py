"""The target `slim`, really built and really run: by whom, on what it can't write to, and what is in it."""

from __future__ import annotations

import json
import random
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from stream_guard.cli import cli
from tests import images
from tests.containers import Container
from tests.images import ROOT, Image
from tests.service import POLICY

pytestmark = [
    pytest.mark.image,
    pytest.mark.slow,
    pytest.mark.timeout(images.BUILD_S + 120),
]

CONFIGURATION = """\
kafka:
  bootstrap_servers: 127.0.0.1:9092
  group: guard
  start: earliest
engine: {kind: scripted}
policies: [policies/]
routes:
  - name: chat
    topic: chat.messages
    judge: [message]
    policies: [adverts]
    outputs: {verdicts: guard.verdicts, rulings: guard.rulings, dead_letters: guard.dead-letters}
"""
_WHO = """
import getpass, json, os
def refused(path):
    try:
        open(path, "w")
    except OSError as error:
        return error.strerror
told = {"uid": os.getuid(), "gid": os.getgid(), "name": getpass.getuser(), "home": os.path.expanduser("~")}
places = ("/x", "/etc/stream-guard/x", "/opt/stream-guard/x", "/var/lib/stream-guard/x")
open("/tmp/x", "w")
print(json.dumps({**told, "refused": {place: refused(place) for place in places}}))
"""
_INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps({d.name: d.version for d in distributions()}))
"""


@pytest.fixture(scope="module")
def image() -> Image:
    """The image, built where it is not kept from before."""
    if reason := images.why_not():
        pytest.skip(reason)
    return images.slim()


@pytest.fixture(scope="module")
def bill(image: Image) -> Any:
    """The bill of materials that lies in the image."""
    return json.loads((image.files / "usr" / "share" / "stream-guard" / "sbom.cdx.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def installed(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Every distribution that the image's own Python finds, with its version."""
    ended = Container(image, tmp_path_factory.mktemp("installed")).python(_INSTALLED)
    assert ended.code == 0, ended.stderr
    return {canonicalize_name(name): version for name, version in json.loads(ended.stdout).items()}


@pytest.fixture(params=["uid 2000", "any uid"])
def container(request: pytest.FixtureRequest, image: Image, tmp_path: Path) -> Container:
    """For the image's own user, and for one that no password file knows, as OpenShift would choose."""
    (tmp_path / "bundles").mkdir()
    uid = 2000 if request.param == "uid 2000" else random.randrange(1_000_000_000, 2_000_000_000)
    return Container(image, tmp_path / "bundles", uid, {"/etc/stream-guard": make_configuration(tmp_path)})


def make_configuration(folder: Path) -> Path:
    """A folder as the chart mounts it."""
    (folder / "etc" / "policies").mkdir(parents=True)
    (folder / "etc" / "guard.yaml").write_text(CONFIGURATION, encoding="utf-8")
    (folder / "etc" / "policies" / "adverts.md").write_text(POLICY, encoding="utf-8")
    return folder / "etc"


def project_version() -> str:
    """What pyproject.toml says."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def test_it_tells_its_version(container: Container) -> None:
    """The entrypoint is the command, and the wheel in it is of this version."""
    ended = container.run("--version")
    assert (ended.code, ended.stdout.strip(), ended.stderr) == (0, f"stream-guard {project_version()}", "")


def test_it_explains_a_mounted_configuration(container: Container, tmp_path: Path) -> None:
    """It says the same as outside of the image, to the edition's hash."""
    ended = container.run("explain", "-c", "/etc/stream-guard/guard.yaml", "--json")
    assert ended.code == 0, ended.stderr
    outside = CliRunner().invoke(cli, ["explain", "-c", str(tmp_path / "etc" / "guard.yaml"), "--json"])
    here, there = json.loads(ended.stdout), json.loads(outside.stdout)
    assert (here["edition"], here["routes"]) == (there["edition"], there["routes"])


def test_it_can_write_to_nothing_but_tmp(container: Container) -> None:
    """Root is read-only, and nothing asks for a name that the password file lacks."""
    ended = container.python(_WHO)
    assert ended.code == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["uid"], told["gid"], told["name"], told["home"]) == (container.uid, 0, "stream-guard", "/tmp")  # noqa: S108
    assert set(told["refused"].values()) == {"Read-only file system"}


def test_how_it_is_run_stands_in_the_image(image: Image) -> None:
    """Its user, its entrypoint without a shell, its signal, and labels that say what it is."""
    config = image.config
    assert (config["User"], config["Entrypoint"], config["StopSignal"]) == ("2000:0", ["stream-guard"], "SIGTERM")
    assert config["ExposedPorts"] == {"9464/tcp": {}}
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["version"] == project_version()
    assert labels["base.name"] == images.BASE
    assert {"title", "description", "licenses", "revision"} <= labels.keys()


def test_what_is_installed_is_what_is_pinned(installed: Mapping[str, str]) -> None:
    """Every line of the list and nothing besides, at the version of constraints.txt: no pip, no engine, no tool."""
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", constraints))
    names = (ROOT / "image" / "runtime.txt").read_text(encoding="utf-8").split()
    assert installed == {name: pinned[name] for name in names} | {"stream-guard": project_version()}


def test_there_is_no_model_in_it(image: Image) -> None:
    """No weights, no vocabulary folder: they are mounted."""
    assert list((image.files / "models").iterdir()) == []
    weights = {".safetensors", ".gguf", ".bin", ".pt", ".pth"}
    ours = image.files / "opt" / "stream-guard"
    assert [path for path in ours.rglob("*") if path.suffix in weights] == []


def test_nothing_in_it_raises_rights(image: Image) -> None:
    """None of our files is setuid, setgid or writable by others; none belongs to the user that runs."""
    files = [path for path in (image.files / "opt" / "stream-guard").rglob("*") if not path.is_symlink()]
    assert files
    assert [path for path in files if path.stat().st_mode & 0o6002 or path.stat().st_uid] == []


def test_the_bill_of_materials_names_every_distribution(bill: Any, installed: Mapping[str, str]) -> None:
    """Ours too, and nothing that is not there."""
    libraries = [
        c for c in bill["components"] if c["type"] == "library" and not c.get("purl", "").startswith("pkg:deb/")
    ]
    assert {canonicalize_name(c["name"]): c["version"] for c in libraries} == installed
    assert len(libraries) == len(installed)


def test_the_bill_of_materials_names_every_package_of_the_system(bill: Any, image: Image) -> None:
    """All that dpkg knows of as installed."""
    named = {(c["name"], c["version"]) for c in bill["components"] if c.get("purl", "").startswith("pkg:deb/debian/")}
    assert ("python3", next(version for name, version in named if name == "python3")) in named
    assert named == set(packages(image.files / "var" / "lib" / "dpkg" / "status"))


def packages(status: Path) -> Iterator[tuple[str, str]]:
    """Names and versions of dpkg's own file."""
    for paragraph in status.read_text(encoding="utf-8").split("\n\n"):
        found = dict(re.findall(r"(?m)^(Package|Version|Status): (.*)$", paragraph))
        if found.get("Status", "").endswith(" installed"):
            yield found["Package"], found["Version"]


def test_the_bill_of_materials_is_one(image: Image) -> None:
    """CycloneDX's own validator, in its strict mode, finds nothing wrong with it."""
    check = (
        "import sys; from cyclonedx.validation.json import JsonStrictValidator; from cyclonedx.schema import SchemaVersion;"
        "sys.exit((JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) or 0))"
    )
    file = image.files / "usr" / "share" / "stream-guard" / "sbom.cdx.json"
    done = subprocess.run([images.tools() / "python", "-c", check, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
