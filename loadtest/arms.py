"""Runs the arms: each in a process of its own, the two of a pair one after the other, first the one and then the other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from loadtest.broker import PARTITIONS, Published, fill, job, published
from loadtest.job import Cost
from loadtest.messages import samples
from loadtest.saturated import Plan, Round
from tests.fixtures_kafka import Kafka

_ARMS = ("service", "handwritten")
_COMPARED = 500
_ROOT = Path(__file__).parent.parent
_T = TypeVar("_T")


class Pair(Struct, frozen=True):
    """The service and the hand-written loop on the same topic."""

    service: Cost
    handwritten: Cost


class Scripted(Struct, frozen=True):
    """All pairs, and how many outputs of both arms were found equal byte for byte, but for times."""

    pairs: tuple[Pair, ...]
    equal: int


def scripted(kafka: Kafka, pairs: int, records: int) -> Scripted:
    """The service with the scripted engine beside the hand-written loop. Raises RuntimeError where outputs differ."""
    topic = kafka.topic(PARTITIONS)
    fill(kafka, topic, samples(1, records))
    found, equal = [], 0
    for number in range(pairs):
        costs, outputs = {}, {}
        for arm in _ARMS if number % 2 else reversed(_ARMS):
            with job(kafka, topic, records) as work:
                costs[arm] = _child(f"loadtest.{arm}", work, Cost)
                if not number:
                    outputs[arm] = [published(kafka, each, _COMPARED) for each in (work.verdicts, work.rulings)]
        found.append(Pair(**costs))
        equal += sum(_equal(*both) for both in zip(*outputs.values(), strict=True))
    return Scripted(tuple(found), equal)


def saturated(kafka: Kafka, rounds: int, cases: int, concurrencies: tuple[int, ...]) -> list[Round]:
    """The pipeline with the small model beside the bare engine."""
    return _child("loadtest.saturated", Plan(kafka.bootstrap, rounds, cases, concurrencies), list[Round])


def _child(module: str, told: Struct, returns: type[_T]) -> _T:
    """Runs a module as a program. Its log goes to our stderr."""
    command = [sys.executable, "-m", module, msgspec.json.encode(told).decode()]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own modules
    return msgspec.json.decode(done.stdout, type=returns)


def _equal(one: Published, other: Published) -> int:
    """How many outputs both have. What both have must be the same."""
    common = one.keys() & other.keys()
    differing = sum(one[key] != other[key] for key in common)
    if differing or not common:
        raise RuntimeError(f"of {len(common)} outputs that both arms published, {differing} differ")
    return len(common)
