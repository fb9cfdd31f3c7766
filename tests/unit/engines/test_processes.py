"""The processes that an engine starts."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import NamedTuple

import pytest

from stream_guard.engines.processes import ProcessTree, in_words

_PREFIX = "EngineUnderTest"


def _sleep_with_child(pids: multiprocessing.SimpleQueue[int]) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pids.put(child.pid)
    time.sleep(60)


class Family(NamedTuple):
    """A child process, its own child, and the tree that was made before them."""

    parent: BaseProcess
    grandchild: int
    tree: ProcessTree
    other: ProcessTree


@pytest.fixture
def family() -> Iterator[Family]:
    """A child process with a child of its own."""
    trees = ProcessTree(_PREFIX), ProcessTree("Another")
    spawn = multiprocessing.get_context("spawn")
    pids = spawn.SimpleQueue()
    parent = spawn.Process(target=_sleep_with_child, args=(pids,), name=f"{_PREFIX}_0", daemon=False)
    parent.start()
    grandchild = pids.get()
    yield Family(parent, grandchild, *trees)
    for tree in trees:
        tree.close()
    parent.kill()
    parent.join()
    pids.close()
    if _alive(grandchild):
        os.kill(grandchild, signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(met: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10.0
    while not met():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_child_and_its_descendants_are_ended(family: Family) -> None:
    """An engine core takes its workers with it."""
    family.tree.find()
    assert family.tree.pids == (family.parent.pid, family.grandchild)
    family.tree.kill()
    _until(lambda: not family.parent.is_alive() and not _alive(family.grandchild))


def test_a_worker_whose_parent_died_is_still_known(family: Family) -> None:
    """It was adopted by another process, and is ended all the same."""
    family.tree.find()
    family.parent.kill()
    family.parent.join()
    assert _alive(family.grandchild)
    family.tree.kill()
    _until(lambda: not _alive(family.grandchild))


def test_other_children_are_left_alone(family: Family) -> None:
    """Only processes of the stated name, and younger than the tree, are the engine's."""
    younger = ProcessTree(_PREFIX)
    for tree in (family.other, younger):
        tree.find()
        tree.kill()
        assert tree.pids == ()
    assert family.parent.is_alive()
    assert _alive(family.grandchild)


def test_killing_twice_and_nobody_is_harmless(family: Family) -> None:
    """What is gone is gone."""
    family.tree.kill()
    family.tree.find()
    family.tree.kill()
    family.parent.join()
    family.tree.kill()
    family.tree.close()
    assert family.tree.pids == ()


async def test_an_end_is_told_at_once_and_once(family: Family) -> None:
    """With how it came, whether it was reaped before or not."""
    told: list[int] = []
    family.tree.find()
    family.tree.watch(asyncio.get_running_loop(), told.append)
    await asyncio.sleep(0.05)
    parent, child = family.tree.pids
    assert (told, family.tree.exit_code(parent)) == ([], None)
    os.kill(parent, signal.SIGKILL)
    async with asyncio.timeout(2):
        while not told:  # noqa: ASYNC110 - it is told to a callback
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert (told, family.tree.exit_code(parent)) == ([parent], -signal.SIGKILL)
    family.parent.join()
    assert (family.tree.exit_code(parent), family.tree.exit_code(child)) == (-signal.SIGKILL, None)


async def test_nothing_is_told_once_nobody_watches(family: Family) -> None:
    """What is ended on purpose is no news."""
    told: list[int] = []
    family.tree.find()
    family.tree.watch(asyncio.get_running_loop(), told.append)
    family.tree.unwatch()
    family.tree.kill()
    family.parent.join()
    await asyncio.sleep(0.05)
    assert told == []


def test_an_end_is_told_in_words() -> None:
    """As an operator looks for it."""
    said = [in_words(code) for code in (None, 0, 3, -9, -15, -99)]
    assert said == [
        "ended", "exited with 0", "exited with 3", "was killed by SIGKILL", "was killed by SIGTERM",
        "was killed by signal 99",
    ]  # fmt: skip


def test_processes_that_sleep_take_no_time(family: Family) -> None:
    """What starting them took is there; nothing is added."""
    assert family.tree.cpu_seconds() == 0.0
    family.tree.find()
    took = family.tree.cpu_seconds()
    time.sleep(0.2)
    assert 0.0 <= family.tree.cpu_seconds() - took < 0.1
    family.tree.kill()


def _share(names: multiprocessing.SimpleQueue[str]) -> None:
    memory = SharedMemory(create=True, size=10_000)
    resource_tracker.unregister(memory._name, "shared_memory")  # type: ignore[attr-defined]  # as if its tracker were killed
    names.put(memory.name)
    time.sleep(60)


def test_shared_memory_of_an_engine_is_known(tmp_path: Path) -> None:
    """One that is killed can't take it away; what was asked stands in it."""
    tree, spawn = ProcessTree(_PREFIX), multiprocessing.get_context("spawn")
    names: multiprocessing.SimpleQueue[str] = spawn.SimpleQueue()
    core = spawn.Process(target=_share, args=(names,), name=f"{_PREFIX}_0")
    core.start()
    name = names.get()
    tree.find()
    shared = tree.shared_memory()
    core.kill()
    core.join()
    names.close()
    (file,) = shared
    assert file.name == name
    assert file.exists()
    file.unlink()
    assert tree.shared_memory() == frozenset()
    tree.close()
