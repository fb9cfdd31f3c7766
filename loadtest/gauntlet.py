"""What each hostile content goes through, as the service does it: decode, normalise, frame, render, split, and parse a reply.

What comes out is checked by other means than what made it, and nothing that fails is passed over: a failed check is counted, and
so is any exception.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final, NamedTuple

from msgspec import Struct, field

from loadtest.hostilities import Hostile, hostile
from loadtest.replies import harmony_may_allow, harmony_reply, may_allow, text_reply
from stream_guard.engines.port import Text
from stream_guard.engines.small_model import SMALL_MODEL, small_model_folder
from stream_guard.errors import ModelError
from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Completion, Event, Turn, View
from stream_guard.events.normalising import normalised
from stream_guard.events.outcome import Ignored, Rejection
from stream_guard.events.reader import CANONICAL
from stream_guard.events.render import judged
from stream_guard.events.splitting import split
from stream_guard.events.text import TEXT
from stream_guard.judging.judgement import Judgement
from stream_guard.judging.reply import read_reply
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.chat import Answer, ChatTemplateRenderer
from stream_guard.prompting.frame import CONTEXT_LINE, JUDGE_LINE, LONE_MESSAGE_LINE, NORMALISED_LINE, frame
from stream_guard.prompting.harmony import HarmonyRenderer
from stream_guard.prompting.harmony_tokens import ORDINARY_TOKENS
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Renderer, Template
from stream_guard.prompting.tokenizer import ModelTokenizer
from stream_guard.records import Lease, Record
from tests.prompts import PERMITTED, make_policy

_RECORD: Final = Record(Lease("events", 0, 1), 0, b"")
_MAX_BYTES, _MAX_DEPTH, _MAX_CHARS = 1_048_576, 32, 100_000
_SPLIT_SHARE: Final = 0.05
_FORMS: Final = tuple(OutputForm)


class Fates(Struct):
    """What became of contents, by what they are checked for. The last four must stay 0."""

    contents: int = 0
    decoded: int = 0
    rejected: int = 0
    normalised: int = 0
    allowed: int = 0
    """Replies that allow, and may."""
    control_tokens: int = 0
    """Prompts in which something other than the template is a control token, or the template is not as it was."""
    forged: int = 0
    """Prompts that a reader who knows only our own lines takes for something else than they are."""
    unsound: int = 0
    """Replies that allow, and may not."""
    crashes: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    causes: Counter[str] = field(default_factory=Counter)
    """The classes of exceptions."""
    first_failure: int | None = None
    """The number of a content for which a check failed."""

    @property
    def failures(self) -> int:
        """Failed checks of all kinds."""
        return self.control_tokens + self.forged + self.unsound + self.crashes

    def add(self, other: Fates) -> None:
        """Adds those of other contents."""
        for name in self.__struct_fields__:
            ours, theirs = getattr(self, name), getattr(other, name)
            if name == "slowest_s":
                self.slowest_s = max(ours, theirs)
            elif name == "first_failure":
                self.first_failure = theirs if ours is None else ours
            else:
                setattr(self, name, ours + theirs)


class Prompts(NamedTuple):
    """A renderer, its templates, and which ids are text to its model."""

    name: str
    renderer: Renderer
    templates: dict[View, Template]
    are_text: Callable[[Sequence[int]], bool]

    def are_safe(self, content: Judged) -> bool:
        """Whether a content's prompt is its template, with nothing but text where the content stands."""
        template = self.templates[content.view]
        [rendered] = self.renderer.render(template, [content])
        start, end = len(template.prefix), len(rendered.prompt) - len(template.suffix)
        around = tuple(rendered.prompt[:start]), tuple(rendered.prompt[end:])
        return around == (template.prefix, template.suffix) and self.are_text(rendered.prompt[start:end])


def prompts_of(name: str, renderer: Renderer, are_text: Callable[[Sequence[int]], bool]) -> Prompts:
    """With a template for each view."""
    policy = make_policy()
    return Prompts(name, renderer, {view: renderer.template(policy, view) for view in View}, are_text)


def _harmony_prompts() -> Prompts:
    return prompts_of(
        "harmony",
        HarmonyRenderer(harmony_vocabulary(), "hostile"),
        lambda ids: not ids or (min(ids) >= 0 and max(ids) < ORDINARY_TOKENS),
    )


def _chat_prompts(folder: Path) -> Prompts:
    renderer = ChatTemplateRenderer(folder, "hostile", answer=Answer.TEXT)
    return prompts_of(f"chat template of {SMALL_MODEL}", renderer, ModelTokenizer(folder).ordinary_ids.issuperset)


def all_prompts() -> list[Prompts]:
    """Those that every content is rendered by: harmony, and the small model's where its package is installed (made at once)."""
    try:
        folder = small_model_folder()
    except ModelError:
        return [_harmony_prompts()]
    return [_harmony_prompts(), _chat_prompts(folder)]


class Gauntlet:
    """`renderers` are those that every content is rendered by."""

    def __init__(self, renderers: Sequence[Prompts]) -> None:
        self.renderers = renderers
        self._vocabulary = harmony_vocabulary()
        harmony, plain = HarmonyRenderer(self._vocabulary, "hostile"), PlainRenderer()
        self._replies = {
            form: tuple(each.template(make_policy(form), View.MESSAGE) for each in (harmony, plain))
            for form in OutputForm
        }

    def run(self, seed: int, numbers: range) -> dict[str, Fates]:
        """What became of the contents with these numbers, by generator."""
        fates: dict[str, Fates] = {}
        for number in numbers:
            made, random = content_of(seed, number)
            self._try(made, random, fates.setdefault(made.generator, Fates()), number)
        return fates

    def _try(self, made: Hostile, random: Random, fates: Fates, number: int) -> None:
        before, start = fates.failures, perf_counter()
        fates.contents += 1
        try:
            self._pass(made, random, fates)
        except Exception as error:  # noqa: BLE001  any at all is what is looked for, and it is counted
            fates.crashes += 1
            fates.causes[type(error).__name__] += 1
        took = perf_counter() - start
        fates.seconds += took
        fates.slowest_s = max(fates.slowest_s, took)
        if fates.failures > before and fates.first_failure is None:
            fates.first_failure = number

    def _pass(self, made: Hostile, random: Random, fates: Fates) -> None:
        reader = TEXT if made.as_text else CANONICAL
        event = reader.read(made.value, _RECORD, max_bytes=_MAX_BYTES, max_depth=_MAX_DEPTH)
        shown = ""
        if isinstance(event, Ignored | Rejection):
            fates.rejected += 1
        else:
            fates.decoded += 1
            content = normalised(_judged(event, random), _MAX_CHARS)
            fates.normalised += bool(content.normalised)
            self._look_at(content, fates)
            if random.random() < _SPLIT_SHARE:
                for segment in split(content, random.randint(2, 5), random.randint(0, 40)):
                    self._look_at(normalised(segment), fates)
            shown = content.text
        self._read_replies(random, shown, fates)

    def _look_at(self, content: Judged, fates: Fates) -> None:
        read = unframed(frame(content), content.view)
        fates.forged += read != (content.context, content.normalised, content.text)
        fates.control_tokens += sum(not each.are_safe(content) for each in self.renderers)

    def _read_replies(self, random: Random, content: str, fates: Fates) -> None:
        form = random.choice(_FORMS)
        in_harmony, plain = self._replies[form]
        pieces = harmony_reply(random, form, content)
        ids = [
            token
            for piece in pieces
            for token in ([piece] if isinstance(piece, int) else self._vocabulary.encode(piece))
        ]
        finished = random.random() < 0.95
        allows = finished and harmony_may_allow(ids, self._vocabulary.decode, form)
        self._read(in_harmony, Text(tuple(ids), None, finished), allows, fates)
        text = text_reply(random, form, content)
        self._read(plain, Text((), text, finished), finished and may_allow(text, form), fates)

    def _read(self, template: Template, reply: Text, may_allow: bool, fates: Fates) -> None:
        result = read_reply(template, reply, self._vocabulary.decode)
        if isinstance(result, Judgement) and result.category == PERMITTED.id:
            fates.allowed += may_allow
            fates.unsound += not may_allow


def content_of(seed: int, number: int) -> tuple[Hostile, Random]:
    """The content of a number, and what drew it, from which all further choices are drawn."""
    random = Random(f"{seed}/{number}")
    return hostile(random, number), random


def _judged(event: Event, random: Random) -> Judged:
    """An event under a view of its kind."""
    if isinstance(event, Completion):
        return judged(event, View.COMPLETION)
    if isinstance(event, Chat):
        return judged(event, random.choice((View.LAST_TURN, View.CHAT)))
    if random.random() < 0.5:
        return judged(event, View.MESSAGE)
    earlier = [Turn("user", event.content, event.author)] * random.randint(0, 3)
    return judged(event, View.MESSAGE_IN_CONTEXT, earlier)


def unframed(text: str, view: View) -> tuple[str, str, str]:
    """Context, normalised view and what is judged, as a reader finds them who knows only our own lines."""
    context, text = ("", text) if view is View.MESSAGE else _lines_after(CONTEXT_LINE, text)
    view_lines, text = _lines_after(NORMALISED_LINE, text)
    return context, view_lines, text.removeprefix(JUDGE_LINE[view] or LONE_MESSAGE_LINE)


def _lines_after(ours: str, text: str) -> tuple[str, str]:
    if not text.startswith(ours):
        return "", text
    lines: list[str] = []
    text = text.removeprefix(ours)
    while text.startswith("{"):
        line, _, text = text.partition("\n")
        lines.append(line)
    return "\n".join(lines), text.removeprefix("\n")
