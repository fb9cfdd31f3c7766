"""A proposal can be made of anything, and what is proposed can be read and written."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_guard.proposal.configuration import Attachment
from stream_guard.proposal.files import files_of, loaded
from stream_guard.proposal.measure import reader_of
from stream_guard.proposal.propose import propose
from stream_guard.records import Headers, Record
from tests.unit.proposal.samples import make_record

NAMES = st.sampled_from(
    ["text", "body", "id", "user", "type", "messages", "role", "content", "data", "op", "after", "before", "specversion", "source",
     "choices", "kind", "turns", "title", "response", "prompt", "attachments", "ts", "${A}", "it's", "", "\n", "payload"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(
    ["user", "message", "See you at nine then", "1.0", "c", "d", "2026-01-01T00:00:00Z", "en"]
)  # fmt: skip
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)
HEADERS: st.SearchStrategy[Headers] = st.lists(
    st.tuples(
        st.sampled_from(["ce_id", "ce_type", "ce_source", "ce_specversion", "content-type"]),
        st.none() | st.binary(max_size=5),
    ),
    max_size=4,
).map(tuple)
BYTES = st.none() | st.binary(max_size=40) | st.binary(max_size=20).map(lambda raw: b"\0\0\0\0\7" + raw)


def encoded(value: Any) -> bytes:
    """JSON as others write it: with numbers that are none, and any text."""
    import json  # noqa: PLC0415 - beside its only use

    return json.dumps(value).encode()


ANY: st.SearchStrategy[list[Record]] = st.lists(
    st.builds(lambda value, headers: make_record(value, 0, headers), BYTES | JSON.map(encoded), HEADERS), max_size=12
)
ALIKE: st.SearchStrategy[list[Record]] = (
    st.dictionaries(
        NAMES, st.sampled_from([SCALARS, JSON, st.just("post"), st.sampled_from(["post", "like"])]), max_size=6
    )
    .flatmap(lambda fields: st.lists(st.fixed_dictionaries(dict(fields)), min_size=4, max_size=12))
    .map(lambda documents: [make_record(encoded(document)) for document in documents])
)
"""Documents that share their fields, as those of a topic do."""
RECORDS = ANY | ALIKE


@settings(max_examples=300)
@given(RECORDS)
def test_a_proposal_is_made_of_anything(records: list[Record]) -> None:
    """`propose` never raises; what it proposes makes a reader; and every record is counted once."""
    proposal = propose(records)
    reader_of(proposal.read)
    assert proposal.records == len(records)
    counted = proposal.tally.read + proposal.tally.ignored + proposal.tally.lost
    assert counted in {0, proposal.valued}


@settings(max_examples=60)
@given(RECORDS)
def test_what_is_proposed_loads(records: list[Record]) -> None:
    """The files mean what was proposed, whatever the names of the fields."""
    proposal = propose(records)
    settings_ = loaded(files_of(Attachment("topic", "localhost:9092"), proposal), {})
    assert settings_.routes[0].judge == proposal.judge
