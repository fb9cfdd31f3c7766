"""The target `gpu`, on a base that has vLLM by name alone: what it adds, and what it leaves as it was. No CUDA base is to be had here."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import images
from tests.containers import Container
from tests.images import ROOT, BuildFailed, Image, Store
from tests.unit.image.planted import plant

pytestmark = [
    pytest.mark.image,
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.timeout(images.BUILD_S + 120),
]

_OF_THE_BASE = "usr/local/lib/python3.11/dist-packages"
_HAD = ("annotated_types", "pydantic-2", "pydantic_core", "typing_extensions")
"""Wheels that this base has already, so that nothing may take their place."""
_OF_ANOTHER_PYTHON = "templates_of_python_2.py"
_PLACES = """
import json, attrs, pydantic, stream_guard, typing_extensions
print(json.dumps({module.__name__: module.__file__ for module in (attrs, pydantic, stream_guard, typing_extensions)}))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """With two bases that are one: by a name of our own, and by a tag of somebody else's."""
    if reason := images.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("gpu")
    plant(folder, "vllm", "0.32.0")
    for start in _HAD:
        (wheel,) = images.wheels().glob(f"{start}*.whl")
        zipfile.ZipFile(wheel).extractall(folder)
    (folder / _OF_ANOTHER_PYTHON).write_text('print "Hello"\n', encoding="utf-8")
    made = Store(tmp_path_factory.mktemp("store"))
    made.import_base()
    container = made.buildah("from", images.BASE).strip()
    made.buildah("copy", "--quiet", container, str(folder), f"/{_OF_THE_BASE}/")
    made.buildah("commit", "--quiet", "--rm", container, "localhost/engine:1")
    made.buildah("tag", "localhost/engine:1", "base.test/engine:1")
    return made


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile copies."""
    return images.make_context(tmp_path_factory.mktemp("context"))


def test_only_what_the_base_lacks_is_added(store: Store, context: Path, tmp_path: Path) -> None:
    """What it has stays where it is and is what ours imports; the bill of materials names both, each once."""
    store.build(context, "gpu", "localhost/gpu:dev", on="localhost/engine:1")
    image = Image(tmp_path / "image")
    image.folder.mkdir()
    store.unpack("localhost/gpu:dev", image)
    container = Container(image, tmp_path, uid=1_234_567_890)
    assert container.run("--version").code == 0
    ended = container.python(_PLACES)
    assert ended.code == 0, ended.stderr
    places = json.loads(ended.stdout)
    ours = {name for name, file in places.items() if file.startswith("/opt/stream-guard/lib/")}
    theirs = {name for name, file in places.items() if file.startswith(f"/{_OF_THE_BASE}/")}
    assert (ours, theirs) == ({"attrs", "stream_guard"}, {"pydantic", "typing_extensions"})
    # Without bytecode, by uv, is how the base came; an engine's processes have it, and that of the very files.
    assert sorted(_uncompiled(image.files / _OF_THE_BASE)) == [_OF_ANOTHER_PYTHON]
    bill = json.loads((image.files / "usr" / "share" / "stream-guard" / "sbom.cdx.json").read_text(encoding="utf-8"))
    names = (ROOT / "image" / "runtime.txt").read_text(encoding="utf-8").split()
    assert distributions(bill) >= {*names, "stream-guard", "vllm"}


def _uncompiled(folder: Path) -> Iterator[str]:
    """Modules that each process would compile anew: there is no bytecode, or it is of another file."""
    for source in folder.rglob("*.py"):
        status = source.stat()
        made_of = struct.pack("<LL", int(status.st_mtime), status.st_size)
        compiled = source.parent.glob(f"__pycache__/{source.stem}.cpython-*.pyc")
        if made_of not in (file.read_bytes()[8:16] for file in compiled):
            yield str(source.relative_to(folder))


def distributions(bill: Any) -> set[str]:
    """Names of what is Python's; fails where one is named twice."""
    found = [c["name"].lower().replace("_", "-").replace(".", "-") for c in bill["components"]
             if c["type"] == "library" and not c.get("purl", "").startswith("pkg:deb/")]  # fmt: skip
    assert len(found) == len(set(found))
    return set(found)


def test_a_base_by_its_tag_alone_is_refused(store: Store, context: Path) -> None:
    """A tag can be something else tomorrow: the build says what to write instead, before it does anything."""
    with pytest.raises(BuildFailed, match="exit status 2") as failed:
        store.build(context, "gpu", on="base.test/engine:1")
    assert "BASE=base.test/engine:1: name the base with its digest (NAME@sha256:DIGEST)" in str(failed.value)
