"""The fixture `secured_kafka`: one real broker with SASL, TLS and ACLs for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.secured import Secured, SecuredKafka


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One secured Apache Kafka for all tests, beside the plain one."""
    with SecuredKafka(tmp_path_factory.mktemp("secured")) as secured:
        yield secured
