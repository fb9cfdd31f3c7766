from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.topic_ids import TopicIds, differ

OLD, NEW = "old-id", "new-id"


class Cluster:
    """Topics and their ids."""

    def __init__(self, **ids: str | None) -> None:
        """Holds these topics."""
        self.ids, self.deaf = ids, False

    def __call__(self, topics: Collection[str]) -> Mapping[str, str | None]:
        """The ids of those that exist."""
        if self.deaf:
            raise StartRefused("no answer")
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}


def make_ids(cluster: Cluster, *topics: str, name: str = "c1") -> TopicIds:
    """Ids that were learned of these topics, which are held."""
    ids = TopicIds(cluster, lambda: name)
    ids.learn(topics)
    ids.held = frozenset(topics)
    return ids


def test_a_topic_that_is_not_there_is_named() -> None:
    """Once it is, its id is known."""
    cluster = Cluster(mail=OLD)
    ids = make_ids(cluster, "mail")
    assert ids.learn(["mail", "chat"]) == {"chat"}
    cluster.ids["chat"] = NEW
    assert ids.learn(["chat"]) == frozenset()
    assert (ids.of("mail"), ids.of("chat")) == (OLD, NEW)


def test_a_cluster_that_does_not_answer_changes_nothing() -> None:
    """It is told, and what was known stays known."""
    cluster = Cluster(mail=OLD)
    ids = make_ids(cluster, "mail")
    cluster.ids["mail"], cluster.deaf = NEW, True
    with pytest.raises(StartRefused):
        ids.learn(["mail"])
    with pytest.raises(StartRefused):
        ids.changed()
    assert ids.of("mail") == OLD


def test_another_id_is_a_change_and_is_not_kept_before_it_is_learned() -> None:
    """A topic that is not there did not change; nor one that has no id, or gives one for the first time."""
    cluster = Cluster(chat=OLD, mail=OLD, none=None, late=None)
    ids = make_ids(cluster, "chat", "mail", "none", "late")
    cluster.ids |= {"chat": NEW, "late": NEW}
    del cluster.ids["mail"]
    assert ids.changed() == ids.changed() == {"chat"}
    assert ids.of("chat") == OLD


def test_an_id_that_was_outlived_does_not_come_back() -> None:
    """A broker that lags behind still tells of it; and one that tells of none is not believed either."""
    cluster = Cluster(chat=OLD)
    ids = make_ids(cluster, "chat")
    for told, known in ((NEW, NEW), (OLD, NEW), (None, NEW), ("third", "third")):
        cluster.ids["chat"] = told
        assert ids.learn(["chat"]) == frozenset()
        assert ids.of("chat") == known


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ("topic-id:c1:old-id", OLD),
        ("topic-id:c2:old-id", None),
        ("topic-id:c1", None),
        ("", None),
        (None, None),
        ("\x01{another's: \u00e9:", None),
    ],
)
def test_only_what_was_written_for_this_cluster_names_a_topic(metadata: str | None, named: str | None) -> None:
    """What others wrote, and what a mirror brought along, means nothing."""
    assert (make_ids(Cluster(), "chat").named(metadata) or None) == named


def test_a_bookmark_names_cluster_and_topic() -> None:
    """Without an id there is nothing to name."""
    ids = make_ids(Cluster(), "chat")
    assert (ids.bookmark(OLD), ids.bookmark(None)) == ("topic-id:c1:old-id", "")
    assert ids.named(ids.bookmark(OLD)) == OLD


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(OLD, NEW, True), (OLD, OLD, False), (None, NEW, False), (OLD, None, False)]
)
def test_what_has_no_id_is_not_told_from_anything(one: str | None, other: str | None, expected: bool) -> None:
    """Only two ids can differ."""
    assert differ(one, other) is expected
