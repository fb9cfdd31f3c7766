"""A place for what libraries leave in the temporary folder: sockets and file stores of engines that are killed, say."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "sg-demo-"
"""Short: a socket's path may have 107 bytes."""
_COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"


@contextmanager
def scratch() -> Iterator[Path]:
    """Makes a folder the temporary one of this process and of those it starts; it goes with all it holds.

    What torch compiles stays where it would be without us, for the next time.
    """
    usual = tempfile.gettempdir()
    changed = {"TMPDIR": "", _COMPILER_CACHE: os.environ.get(_COMPILER_CACHE, f"{usual}/torchinductor_{os.getuid()}")}
    before = {name: os.environ.get(name) for name in changed}
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        try:
            os.environ.update(changed | {"TMPDIR": folder})
            tempfile.tempdir = folder
            yield Path(folder)
        finally:
            tempfile.tempdir = usual
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
