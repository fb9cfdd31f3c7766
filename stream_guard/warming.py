"""Asks an engine, before it counts, whatever it can be asked: prefixes are cached then, and grammars compiled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from stream_guard.engines.port import Ask, AskId, Completion, Engine, Failure, FailureKind, LabelRead, TextRead
from stream_guard.engines.vllm import VllmEngine
from stream_guard.errors import EngineUnavailable, ModelError
from stream_guard.events.content import Coverage, Judged
from stream_guard.judging.course import in_steps, rehearsed
from stream_guard.judging.fitting import fixed_tokens
from stream_guard.policy.document import PolicyId
from stream_guard.prompting.port import Rendered, Renderer, Template

_WARM_TEXT = "Warm-up."
_WARM_IDS = count(-1, -1)
"""No two warm-ups share an id: the one before may still be under way."""
_AGAIN_S = 5.0
"""How long after an engine was away it is asked again."""


async def warm_up(engine: VllmEngine, renderer: Renderer, templates: Sequence[Template]) -> None:
    """Asks once whatever the templates can lead to, now and whenever the engine was loaded again.

    Raises ModelError where the engine does not take one of these asks: it would take no content under that policy.
    EngineUnavailable where it is away: then it is warmed up once it is back.
    """
    asks, policies = _rehearsal(renderer, templates)
    _check_rehearsal(await engine.warm(asks), policies)


def _rehearsal(renderer: Renderer, templates: Sequence[Template]) -> tuple[list[Ask], dict[AskId, PolicyId]]:
    """The asks of a warm-up, each with the policy it is about."""
    asks: list[Ask] = []
    policies: dict[AskId, PolicyId] = {}
    for template in templates:
        for prompt, read in rehearsed(template, _warm_prompt(renderer, template).prompt):
            ask = Ask(AskId(next(_WARM_IDS)), prompt, read)
            asks.append(ask)
            policies[ask.id] = template.asked.id
    return asks, policies


def require_room(templates: Sequence[Template], context_tokens: int) -> None:
    """Raises ModelError where the model's context leaves no room for any content."""
    needed: dict[PolicyId, int] = {}
    for template in templates:
        taken = fixed_tokens(template) + template.reply_tokens
        needed[template.asked.id] = max(taken, needed.get(template.asked.id, 0))
    if wrong := {policy: tokens for policy, tokens in needed.items() if tokens >= context_tokens}:
        raise ModelError(
            *(
                f"policy {policy}: prompt and reply take {tokens} tokens, and the engine's context has {context_tokens}: "
                "raise engine.max_model_len, or lower the profile's budget and max_tokens"
                for policy, tokens in wrong.items()
            )
        )


def in_words(templates: Sequence[Template]) -> str:
    """What there is to ask, for a person who waits for it."""
    reads = [read for template in templates for _, read in rehearsed(template, [])]
    grammars = sum(isinstance(read, TextRead) and bool(read.json_schema or read.structural_tag) for read in reads)
    labels = sum(isinstance(read, LabelRead) for read in reads)
    return f"{len(templates)} prefixes, {grammars} grammars, {labels} reads of labels"


def _check_rehearsal(completions: Sequence[Completion], policies: Mapping[AskId, PolicyId]) -> None:
    refused = {
        f"policy {policies[completion.ask_id]}: the engine does not take its prompt: {completion.reply.detail}": None
        for completion in completions
        if isinstance(completion.reply, Failure)
        and completion.reply.kind in (FailureKind.REJECTED, FailureKind.TOO_LONG)
    }
    if refused:
        raise ModelError(*refused)


class Warming:
    """Warms an engine up for other templates, in the background: what is asked meanwhile is only slower."""

    def __init__(
        self, engine: Engine, renderer: Renderer, log: Callable[..., None], *, again_s: float = _AGAIN_S
    ) -> None:
        self._engine, self._renderer, self._log, self._again_s = engine, renderer, log, again_s
        self._task: asyncio.Task[None] | None = None
        self._refused: Sequence[str] = ()

    def begin(self, templates: Sequence[Template]) -> None:
        """Begins. These templates are warmed from now on after a restart of the engine too, and no others."""
        self.end()
        self._refused = ()
        self._task = asyncio.get_running_loop().create_task(self._warm(templates))

    async def _warm(self, templates: Sequence[Template]) -> None:
        if not isinstance(self._engine, VllmEngine):
            return
        self._log("engine.warming", prompts=in_words(templates))
        away = False
        while True:
            try:
                await warm_up(self._engine, self._renderer, templates)
            except EngineUnavailable as error:  # once it is back it warms itself up, but does not tell what it refuses
                if not away:
                    self._log("engine.not_warmed", reason=str(error))
                away = True
                await asyncio.sleep(self._again_s)
            except ModelError as error:
                self._log("engine.not_warmed", reason=str(error))
                self._refused = error.problems
                return
            else:
                return

    def note(self) -> str | None:
        """Which policies of those begun last the engine refuses, and why. None where it takes all, or was not asked yet."""
        return f"refused by the engine: {'; '.join(self._refused)}" if self._refused else None

    def end(self) -> None:
        """Ends what is under way."""
        if self._task is not None:
            self._task.cancel()


def trial_ask(renderer: Renderer, templates: Sequence[Template]) -> Ask | None:
    """A small ask about a harmless content, by which an engine shows that it works. None where no policy is asked about."""
    shortest = min(templates, key=lambda template: len(template.prefix), default=None)
    if shortest is None:
        return None
    rendered = _warm_prompt(renderer, shortest)
    if in_steps(shortest):  # the quickest of its steps
        prompt, read = min(rehearsed(shortest, rendered.prompt), key=lambda ask: isinstance(ask[1], TextRead))
        return Ask(AskId(0), prompt, read)
    return Ask(AskId(0), rendered.prompt, shortest.read, rendered.turns)


def _warm_prompt(renderer: Renderer, template: Template) -> Rendered:
    (rendered,) = renderer.render(template, [Judged(template.view, "", _WARM_TEXT, Coverage(1, (), 0, complete=True))])
    return rendered
