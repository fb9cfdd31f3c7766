from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka.consumer import topic_ids
from stream_guard.kafka.consumer.topic_ids import TopicIds, bookmark, of_another_topic
from tests.members import LogBook

OLD, NEW = "old-id", "new-id"


class Cluster:
    """Topics and their ids; it does not answer the first `deaf` questions."""

    def __init__(self, deaf: int = 0, **ids: str | None) -> None:
        """Holds these topics."""
        self.ids, self.deaf = ids, deaf

    def __call__(self, topics: Collection[str]) -> Mapping[str, str | None]:
        """The ids of those that exist."""
        if self.deaf:
            self.deaf -= 1
            raise StartRefused("no answer")
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_ids, "_ASK_AGAIN_S", 0.0)


def test_a_cluster_that_does_not_answer_at_once_is_asked_again() -> None:
    """Twice it may be deaf; the third time that is told."""
    ids = TopicIds(Cluster(deaf=2, chat=OLD), LogBook())
    ids.learn(["chat"])
    assert (ids.of("chat"), ids.known("chat")) == (OLD, True)
    with pytest.raises(StartRefused, match="no answer"):
        TopicIds(Cluster(deaf=3, chat=OLD), LogBook()).learn(["chat"])


def test_a_topic_that_is_not_there_is_not_known_until_it_is() -> None:
    """It is logged, and found to have changed once it is there."""
    cluster, log = Cluster(mail=OLD), LogBook()
    ids = TopicIds(cluster, log)
    ids.learn(["mail", "chat"])
    assert log.lines == [("kafka.topic_ids_unknown", {"topics": ["chat"]})]
    assert (ids.known("mail"), ids.known("chat"), ids.of("chat")) == (True, False, None)
    assert ids.changed() == set()
    cluster.ids["chat"] = NEW
    assert ids.changed() == {"chat"}
    ids.learn(["chat"])
    assert (ids.known("chat"), ids.of("chat"), ids.changed()) == (True, NEW, frozenset())


def test_another_id_is_a_change_and_is_not_kept_before_it_is_learned() -> None:
    """A topic that is gone for now did not change; one that has no id never does."""
    cluster = Cluster(chat=OLD, mail=OLD, none=None)
    ids = TopicIds(cluster, LogBook())
    ids.learn(["chat", "mail", "none"])
    cluster.ids["chat"] = NEW
    del cluster.ids["mail"]
    assert ids.changed() == ids.changed() == {"chat"}
    assert ids.of("chat") == OLD


@pytest.mark.parametrize(
    ("metadata", "topic_id", "expected"),
    [
        (bookmark(OLD), NEW, True),
        (bookmark(OLD), OLD, False),
        (bookmark(None), NEW, False),
        (None, NEW, False),
        (bookmark(OLD), None, False),
        ("\x01{another's \u00e9", NEW, False),
    ],
)
def test_only_what_names_another_topic_speaks_of_another(
    metadata: str | None, topic_id: str | None, expected: bool
) -> None:
    """What others wrote, and what was written where no id was known, means nothing."""
    assert of_another_topic(metadata, topic_id) is expected
