"""The lines that an image takes of constraints.txt."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from image.pins import lacking, pins

_CONSTRAINTS = """\
attrs==26.1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
boolean-py==5.0 \\
    --hash=sha256:cc
zstd==1.0 \\
    --hash=sha256:dd
"""


def test_a_pin_comes_with_all_of_its_hashes() -> None:
    """Whole, in the order asked for, and nothing of its neighbours."""
    assert pins(_CONSTRAINTS, ["zstd", "attrs"]) == (
        "zstd==1.0 \\\n    --hash=sha256:dd\nattrs==26.1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    )


def test_a_name_without_a_pin_is_said() -> None:
    """An image is never built without one of its distributions."""
    with pytest.raises(LookupError, match="does not pin attr, zst: run `make constraints`"):
        pins(_CONSTRAINTS, ["attr", "boolean-py", "zst"])


def test_lacking_is_what_this_python_does_not_have() -> None:
    """Spelt in whatever way."""
    assert version("prometheus_client")
    assert lacking(["prometheus-client", "no-such-distribution", "pytest"]) == ["no-such-distribution"]
