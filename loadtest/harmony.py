"""Ways of getting a verdict from a model that speaks harmony, side by side on real vLLM, with a tiny random gpt-oss.

    python -m loadtest.harmony

Free: one ask without a constraint. Grammar: one ask that a structural tag binds. A + B: reasoning by itself, then the label by
its raw probability. A + B + C: and then the answer as JSON that agrees with the label. These steps are the service's own; all go
through its own engine, and what they come to through its own parser. Two engines are loaded, which differ in what vLLM's prefix cache keeps of
layers with a sliding window (`prefix_cache_retention_interval`): 0, vLLM's default, and None, all of it.

Weights are random: the model never stops by itself and writes no harmony unbidden, so every reply is as long as it may be, and
what is compared is what each way costs, not how well it judges. Windows of all arms take turns, at another place in every round.
On a busy machine the CPU time of the engine's processes says more than the seconds. There OMP_NUM_THREADS=1 and
VLLM_CPU_OMP_THREADS_BIND=nobind help: threads that wait for each other are slow where each waits for a core.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from loadtest.desk import Desk, open_desk
from loadtest.harmony_arms import ARMS, Question, Verdict, make_renderer
from loadtest.harmony_report import First, Row, tables
from loadtest.messages import texts
from stream_guard.engines.vllm import VllmEngine, vllm_engine
from stream_guard.engines.vllm_settings import VllmSettings
from stream_guard.events.model import Message, View
from stream_guard.events.render import judged
from stream_guard.policy.document import Effort, OutputForm, Policy
from stream_guard.policy.load import load_policy
from stream_guard.prompting.answer import violating_category
from tests.models import tiny_gpt_oss_folder

_ROOT: Final = Path(__file__).parent.parent
_POLICY, _ANOTHER = _ROOT / "policies" / "spam.md", _ROOT / "policies" / "harassment.md"
RETENTIONS: Final[Mapping[str, int | None]] = {"0": 0, "None": None}
_FIRST_BUDGET = 4
"""Tokens of reasoning where it is the first use of a grammar that counts."""
_LATER = 3
"""Asks that the first one is compared with."""


class Plan(Struct, frozen=True):
    """So many rounds of windows of so many cases, so many at once; how many tokens each effort may reason."""

    rounds: int
    cases: int
    at_once: int
    budgets: Mapping[Effort, int]
    form: OutputForm
    retentions: tuple[str, ...]


class Questions:
    """Questions under one policy, about contents that never repeat, so that none is found whole in the prefix cache."""

    def __init__(self, policy: Policy, budget: int, seed: int) -> None:
        renderer = make_renderer(budget)
        template = renderer.template(policy, View.MESSAGE)
        contents = (judged(Message(content=text), View.MESSAGE) for text in texts(seed))
        self._made = (
            Question(template, tuple(renderer.render(template, [content])[0].prompt), budget) for content in contents
        )

    def take(self, count: int) -> list[Question]:
        """The next ones."""
        return list(islice(self._made, count))


def in_form(policy: Policy, form: OutputForm) -> Policy:
    """The policy with another form of answers. The binary one tells two categories apart, and takes no more."""
    if form is not OutputForm.BINARY:
        return replace(policy, output=form)
    permitted, violates = policy.permitted, violating_category(policy)
    examples = (
        replace(each, expect=each.expect if each.expect == permitted.id else violates.id) for each in policy.examples
    )
    return replace(policy, output=form, categories=(permitted, violates), examples=tuple(examples))


class Loaded(NamedTuple):
    """An engine with its desk."""

    desk: Desk
    engine: VllmEngine

    @property
    def cpu_s(self) -> float:
        """CPU time of the engine's own processes so far."""
        stats = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2] for pid in self.engine.pids]
        return sum(sum(map(int, stat.split()[11:13])) for stat in stats) / os.sysconf("SC_CLK_TCK")


async def window(desk: Desk, arm: str, questions: Sequence[Question], at_once: int) -> tuple[float, list[Verdict]]:
    """Asks all, so many at once. The seconds that it took, and what came of it."""
    waiting, verdicts = iter(questions), list[Verdict]()

    async def ask_on_and_on() -> None:
        for question in waiting:
            verdicts.append(await ARMS[arm](desk, question))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(ask_on_and_on())
    return time.perf_counter() - began, verdicts


async def first_uses(desk: Desk) -> list[First]:
    """What the first of its kind takes longer than those after it, on an engine that has not done it before."""
    spam, another = load_policy(_POLICY), load_policy(_ANOTHER)
    kinds = [
        ("kernels", "free", spam),
        ("label read", "A + B", spam),
        ("grammar of JSON alone (C)", "A + B + C", spam),
        *((f"structural tag, {form}", "grammar", in_form(spam, form)) for form in OutputForm),
        ("structural tag, another policy", "grammar", another),
    ]
    found: list[First] = []
    for seed, (what, arm, policy) in enumerate(kinds):
        questions = Questions(policy, _FIRST_BUDGET, 1_000 + seed).take(1 + _LATER)
        first, *later = [(await ARMS[arm](desk, question)).engine_s for question in questions]
        found.append(First(what, first, statistics.median(later)))
    return found


@asynccontextmanager
async def engines(retentions: Sequence[str]) -> AsyncIterator[dict[str, Loaded]]:
    """An engine for each, all loaded at once, so that they can take turns."""
    folder = str(tiny_gpt_oss_folder())
    async with AsyncExitStack() as stack:
        loaded: dict[str, Loaded] = {}
        for name in retentions:
            settings = VllmSettings(
                model=folder,
                dtype="float32",
                max_model_len=8192,
                cpu_kv_cache_gib=1,
                extra={"prefix_cache_retention_interval": RETENTIONS[name]},
            )
            engine = await stack.enter_async_context(vllm_engine(settings))
            loaded[name] = Loaded(await stack.enter_async_context(open_desk(engine)), engine)
            _tell(f"engine with retention {name} is loaded")
        yield loaded


def _turns(round_number: int) -> Iterator[str]:
    names = list(ARMS)
    start = round_number % len(names)
    yield from (*names[start:], *names[:start])


async def measure(plan: Plan) -> tuple[list[Row], dict[str, list[First]]]:
    """All windows of all rounds; the first uses on each engine before them."""
    policy = in_form(load_policy(_POLICY), plan.form)
    rows: list[Row] = []
    async with engines(plan.retentions) as loaded:
        firsts = {name: await first_uses(each.desk) for name, each in loaded.items()}
        _tell("first uses are measured")
        made = {
            effort: Questions(replace(policy, effort=effort), budget, seed)
            for seed, (effort, budget) in enumerate(plan.budgets.items())
        }
        for number in range(plan.rounds):
            for effort, questions in made.items():
                for arm in _turns(number):
                    for name, each in loaded.items():
                        before_s = each.cpu_s
                        seconds, verdicts = await window(each.desk, arm, questions.take(plan.cases), plan.at_once)
                        rows.append(Row.of(number, name, effort, arm, seconds, each.cpu_s - before_s, verdicts))
            _tell(f"round {number + 1} of {plan.rounds} is done")
    return rows, firsts


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of windows (%(default)s)")
    parser.add_argument("--cases", type=int, default=32, metavar="N", help="cases in each window (%(default)s)")
    parser.add_argument("--at-once", type=int, default=16, metavar="N", help="cases open at once (%(default)s)")
    parser.add_argument(
        "--budgets", type=int, nargs=3, default=(32, 64, 128), metavar="N", help="tokens of reasoning, low to high"
    )
    parser.add_argument("--form", type=OutputForm, default=OutputForm.CATEGORY, help="binary, category, rationale")
    parser.add_argument("--retention", nargs="+", choices=RETENTIONS, default=tuple(RETENTIONS), help="the engines")
    chosen = parser.parse_args(arguments)
    budgets = dict(zip(Effort, chosen.budgets, strict=True))
    plan = Plan(chosen.rounds, chosen.cases, chosen.at_once, budgets, chosen.form, tuple(chosen.retention))
    rows, firsts = asyncio.run(measure(plan))
    print(tables(rows, firsts, plan.budgets, plan.at_once))


if __name__ == "__main__":
    main()
