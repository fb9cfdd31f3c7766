"""`check --live` on a secured broker: each right that is missing is one sentence, and the list of rights is enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stream_guard.checkup.finding import Finding, Report, Severity
from stream_guard.checkup.live import check_live
from stream_guard.checkup.question import Plan
from tests.cases import make_policy
from tests.certificates import Authority
from tests.inspections import make_route, make_settings, only
from tests.secured import Mechanism, Resource, Secured, User, group, topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]
POLICIES = {"spam": make_policy("spam")}


class Site(NamedTuple):
    """A user's own topics and group on the secured broker."""

    secured: Secured
    user: User
    source: str
    outputs: dict[str, str]
    group: str

    async def check(
        self,
        mechanism: Mechanism = Mechanism.SCRAM_512,
        *,
        user: User | None = None,
        ca: Path | None = None,
        **more: Any,
    ) -> Report:
        """Checks a configuration with these."""
        section = self.secured.section(user or self.user, mechanism)
        if ca is not None:
            section["client"]["ssl.ca.location"] = str(ca)
        route = make_route(topic=self.source, outputs=self.outputs)
        settings = make_settings(route, kafka={**section, "group": self.group, **more})
        return await check_live(settings, POLICIES, Plan(), time.time())

    def grant(self) -> None:
        """All that the service needs."""
        self.secured.service_rights(self.user.name, [self.source], list(self.outputs.values()), self.group)


@pytest.fixture
def site(secured_kafka: Secured) -> Site:
    """Nothing is granted yet."""
    source = secured_kafka.topic(max_message_bytes="200000")
    outputs = {name: secured_kafka.topic() for name in ("verdicts", "rulings", "dead_letters")}
    return Site(secured_kafka, secured_kafka.user(), source, outputs, secured_kafka.name("guard"))


def of(report: Report, subject: str) -> list[Finding]:
    """The findings on a subject."""
    return [found for section in report.sections if section.subject == subject for found in section.findings]


def errors(report: Report) -> list[str]:
    """The sentences of all errors."""
    return [found.sentence for section in report.sections for found in only(section.findings, Severity.ERROR)]


async def test_the_rights_of_the_list_are_enough(site: Site) -> None:
    """READ on input and group, WRITE on outputs: no error, and what stays unknown without more is said."""
    site.grant()
    report = await site.check()
    assert errors(report) == []
    permissions = of(report, "permissions")
    assert permissions[0].sentence.startswith(f"{site.user.principal} may READ the inputs and as consumer group")
    assert any("--operation DescribeConfigs --topic" in found.advice for found in permissions)
    assert "nothing waits" in of(report, "backlog")[0].sentence


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        (lambda s: ("READ", topic(s.source)), "topic {0} does not exist, or {1} may not see it: it needs READ"),
        (lambda s: ("WRITE", topic(s.outputs["verdicts"])), "topic {0} does not exist, or {1} may not see it: it needs WRITE"),
        (lambda s: ("WRITE", topic(s.outputs["rulings"])), "topic {0} does not exist, or {1} may not see it: it needs WRITE"),
        (lambda s: ("WRITE", topic(s.outputs["dead_letters"])), "topic {0} does not exist, or {1} may not see it: it needs WRITE"),
        (lambda s: ("READ", group(s.group)), "{1} may not READ as consumer group {0}"),
    ],
)  # fmt: skip
async def test_each_right_that_is_missing_is_one_sentence(
    site: Site, missing: Callable[[Site], tuple[str, Resource]], sentence: str
) -> None:
    """With the command that grants it; once it is granted, all is well."""
    site.grant()
    operation, resource = missing(site)
    site.secured.withdraw(site.user.name, operation, resource)
    (found,) = only(of(await site.check(), "permissions"), Severity.ERROR)
    assert found.sentence.startswith(sentence.format(resource.name, site.user.principal))
    assert found.advice == (
        f"kafka-acls --add --allow-principal {site.user.principal} --operation {operation.capitalize()} "
        f"--{resource.kind.lower()} {resource.name}"
    )
    site.secured.allow(site.user.name, operation, resource)
    assert errors(await site.check()) == []


@pytest.mark.parametrize(("which", "operation"), [("source", "READ"), ("verdicts", "WRITE")])
async def test_a_topic_that_may_only_be_seen_is_one_sentence(site: Site, which: str, operation: str) -> None:
    """DESCRIBE alone shows that it exists, and is not enough."""
    site.grant()
    name = site.source if which == "source" else site.outputs[which]
    site.secured.withdraw(site.user.name, operation, topic(name))
    site.secured.allow(site.user.name, "DESCRIBE", topic(name))
    direction = "from" if operation == "READ" else "to"
    assert errors(await site.check()) == [f"{site.user.principal} may not {operation} {direction} topic {name}"]


async def test_with_describe_configs_nothing_stays_unknown(site: Site) -> None:
    """Sizes and replication of topics, and the group's session timeout."""
    site.grant()
    site.secured.allow(site.user.name, "DESCRIBE_CONFIGS", topic(site.source), group(site.group))
    site.secured.allow(site.user.name, "DESCRIBE_CONFIGS", *map(topic, site.outputs.values()))
    report = await site.check(group_protocol="consumer")
    assert of(report, "permissions") == only(of(report, "permissions"), Severity.OK)
    assert "wait about 6 s" in of(report, "take-over")[0].sentence
    assert any("one replica each" in found.sentence for found in of(report, "topics"))


async def test_without_it_the_takeover_is_unknown_under_kip_848(site: Site) -> None:
    """The stock broker's 45 s are said as what they are: its default."""
    site.grant()
    (found,) = of(await site.check(group_protocol="consumer"), "take-over")
    assert "may not be read: 45 s where nobody changed it" in found.sentence
    assert f"--operation DescribeConfigs --group {site.group}" in found.advice


@pytest.mark.parametrize("mechanism", [Mechanism.MTLS, Mechanism.OAUTH])
async def test_a_principal_that_only_the_broker_knows_is_not_made_up(site: Site, mechanism: Mechanism) -> None:
    """What a certificate or a token stands for is said by the broker's rules."""
    report = await site.check(mechanism)
    (found,) = [each for each in of(report, "permissions") if "consumer group" in each.sentence]
    assert found.sentence == f"the principal may not READ as consumer group {site.group}"
    assert "--allow-principal User:NAME" in found.advice


async def test_a_wrong_password_is_said_in_the_clients_words(site: Site) -> None:
    """The question itself only times out; the password is not shown."""
    wrong = site.user._replace(password=f"marker-{site.user.password}")
    report = await site.check(user=wrong)
    (found,) = of(report, "cluster")
    assert found.severity is Severity.ERROR
    assert "the client says _AUTHENTICATION" in found.sentence
    assert "marker" not in repr(report)
    assert [section.subject for section in report.sections] == ["cluster", "engine"]


async def test_a_certificate_of_somebody_else_is_said_in_the_clients_words(site: Site, tmp_path: Path) -> None:
    """The broker's certificate is not signed by the authority that was named."""
    (found,) = of(await site.check(ca=Authority(tmp_path / "other").pem), "cluster")
    assert found.severity is Severity.ERROR
    assert "certificate verify failed" in found.sentence


async def test_a_secret_file_that_is_missing_is_an_error_of_the_cluster(site: Site, tmp_path: Path) -> None:
    """The file is named; the rest is checked all the same."""
    report = await site.check(client_files={"sasl.password": str(tmp_path / "nothing")})
    assert "nothing can't be read" in of(report, "cluster")[0].sentence
    assert of(report, "engine")
