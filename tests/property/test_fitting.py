"""Whatever is too long: it is asked in prompts that fit and have all of it between them, or it abstains."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.engines.port import Ask, Completion, Text
from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Message, Turn, View
from stream_guard.events.normalising import normalised
from stream_guard.events.render import judged
from stream_guard.events.splitting import turns_in
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.case import Case
from stream_guard.judging.fitting import fixed_tokens
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.judging.terms import Terms
from stream_guard.prompting.port import Template
from tests.cases import RENDERER, make_policy
from tests.property.test_event_rendering import turn_lists
from tests.property.test_prompt_frame import unframed
from tests.property.test_splitting import written_in

long_texts = st.lists(
    st.sampled_from(["word ", "\U0001f600", "\n", "e\u0301", "x" * 30, '"', "\u2028", "fr\u200bee "]),
    min_size=1,
    max_size=120,
)
contents = st.one_of(
    long_texts.map(lambda found: judged(Message(content="".join(found)), View.MESSAGE)),
    turn_lists.map(lambda turns: judged(Chat(turns=turns), View.LAST_TURN)),
    st.tuples(turn_lists, long_texts).map(
        lambda found: judged(Chat(turns=(*found[0], Turn("user", "".join(found[1])))), View.LAST_TURN)
    ),
    turn_lists.map(lambda turns: judged(Chat(turns=turns), View.CHAT)),
).map(normalised)
terms = st.builds(
    Terms, content_tokens=st.integers(1, 400), overlap=st.integers(0, 40), segments=st.integers(2, 40)
)  # fmt: skip


def asked_about(ask: Ask, template: Template) -> str:
    """What an ask shows as to be judged."""
    content = bytes(ask.prompt[len(template.prefix) : -len(template.suffix)]).decode()
    return unframed(content, template.view)[2]


def said_in(content: Judged, text: str) -> str:
    """What is said in a text of the content's view."""
    return text if content.view is View.MESSAGE else written_in(turns_in(text))


def covered_in_any_order(whole: str, segments: Sequence[str]) -> bool:
    """Whether the segments have all of a text between them, each laid once: what was divided twice is asked later."""
    left, reached = list(segments), 0

    def reach(segment: str) -> int:
        starts = (start for start in range(reached, -1, -1) if whole.startswith(segment, start))
        return next((start + len(segment) for start in starts), -1)

    while reached < len(whole) and left:
        best = max(left, key=reach)
        left.remove(best)
        reached = max(reached, reach(best))
    return reached == len(whole)


@given(contents, terms, st.randoms(use_true_random=False))
def test_all_of_it_is_asked_in_prompts_that_fit_or_it_abstains(
    content: Judged, given_terms: Terms, order: random.Random
) -> None:
    """Exactly one outcome, an allow only where every character was seen, whatever the order of the replies."""
    template = RENDERER.template(make_policy(), content.view)
    bench: Bench[str] = Bench(RENDERER, Retry(RetryPolicy(), random.Random(0)), BenchBounds())
    bench.add([Case("owner", template, content, 0.0, None, given_terms)], 0.0)
    admitted = bench.admit(0.0)
    asks, outcomes = list(admitted.asks), list(admitted.outcomes)
    room = given_terms.content_tokens or 0
    assert all(len(ask.prompt) - fixed_tokens(template) <= room for ask in asks)
    assert len(asks) <= given_terms.segments
    shown = [said_in(content, asked_about(ask, template)) for ask in asks]
    for ask in order.sample(asks, len(asks)):
        outcomes += bench.completed([Completion(ask.id, Text((), "0", finished=True))], 0.0).outcomes
    (outcome,) = outcomes
    assert len(bench) == bench.tokens == 0
    if isinstance(outcome.result, Judgement):
        assert covered_in_any_order(said_in(content, content.text), shown)
        assert ("split" in outcome.case.judged.signals) is (len(asks) > 1)
    else:
        assert isinstance(outcome.result, Abstention)
        assert outcome.result.reason is AbstentionReason.TOO_LONG
