"""The criteria as the model reads them."""

from __future__ import annotations

from msgspec.structs import replace

from stream_guard.policy.document import Aspect, Rule
from stream_guard.prompting.criteria import ASPECTS_LINE, criteria_text
from tests.prompts import LIKELY, MALICIOUS, PERMITTED, make_policy

RULES = (Rule("SP2.a", "Promotion nobody asked for."), Rule("SP2.b", "Chain messages."))


def test_a_policy_that_declares_nothing_reads_as_it_was_written() -> None:
    """So that its prompt version stays what it was."""
    policy = make_policy()
    assert criteria_text(policy) == policy.criteria


def test_declared_rules_stand_under_their_category() -> None:
    """Before what the author says of all; the heading says whether the category violates."""
    policy = make_policy(
        categories=(replace(PERMITTED, rules=(Rule("SP0.a", "Small talk."),)), replace(LIKELY, rules=RULES), MALICIOUS)
    )
    assert criteria_text(policy) == (
        "SP0, ordinary messages (does not violate):\n- SP0.a Small talk.\n\n"
        "SP2, unasked advertising (violates):\n- SP2.a Promotion nobody asked for.\n- SP2.b Chain messages.\n\n" + policy.criteria
    )  # fmt: skip


def test_what_a_category_applies_to_is_explained_once() -> None:
    """One fixed sentence, then a word beside each category that says so."""
    request = replace(LIKELY, applies_to=(Aspect.REQUEST,))
    both = replace(MALICIOUS, rules=(Rule("SP4.a", "Fraud."),), applies_to=(Aspect.DEPICTION, Aspect.REQUEST))
    policy = make_policy(categories=(PERMITTED, request, both))
    assert criteria_text(policy) == (
        f"{ASPECTS_LINE}\n\nSP2, unasked advertising (violates; request)\n\n"
        f"SP4, fraud (violates; depiction or request):\n- SP4.a Fraud.\n\n{policy.criteria}"
    )  # fmt: skip
