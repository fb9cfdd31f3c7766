"""From settings to the routes that the pipeline runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from msgspec.structs import replace

from stream_guard.config.escalation_binding import build_escalation, wrong_escalations
from stream_guard.config.reading import build_reader
from stream_guard.config.route import ConditionSettings, RouteSettings
from stream_guard.config.settings import Settings
from stream_guard.config.terms import ContextSettings
from stream_guard.errors import ConfigError
from stream_guard.events.model import View
from stream_guard.judging.terms import Quota, Terms
from stream_guard.marked_yaml import Finding
from stream_guard.policy.document import Effort, Policy
from stream_guard.policy.packed import packed
from stream_guard.prompting.port import Renderer, Template
from stream_guard.routing import Context, Escalation, FieldCondition, HeaderCondition, Limits, Outputs, Route, Routes


def build_routes(settings: Settings, policies: Mapping[str, Policy], renderer: Renderer) -> Routes:
    """Binds each route to its policies. A policy is encoded once for each view, however many routes name it.

    Raises ConfigError where a route names a policy or a category that `policies` lacks, packs one that can't be packed, or the
    renderer can't ask under one.
    """
    checks = (_unknown_policies, wrong_escalations, _looked_at)
    if wrong := [finding for check in checks for finding in check(settings, policies)]:
        raise ConfigError(*wrong)

    @cache
    def template(policy: str, view: View, effort: Effort | None = None) -> Template:
        named = policies[policy]
        if effort is not None:  # what is asked a second time is to be thought about: a look would settle it as before
            named = replace(named, effort=effort, quick_look=None)
        return renderer.template(named, view)

    @cache
    def together(group: tuple[str, ...], view: View) -> Template:
        return renderer.template(packed(policies[policy] for policy in group), view)

    def packs(index: int, route: RouteSettings) -> Mapping[View, tuple[Template, ...]]:
        try:
            return {view: tuple(together(group, view) for group in route.packed) for view in route.views}
        except ConfigError as error:
            place = settings.place("routes", index, "packed")
            raise ConfigError(*((place, f"{where}: {what}") for where, what in error.findings)) from error

    return Routes(
        [
            _route(
                route,
                {view: tuple(template(policy, view) for policy in route.policies) for view in route.views},
                packs(index, route),
                None if route.escalate is None else build_escalation(route, route.escalate, policies, template),
            )
            for index, route in enumerate(settings.routes)
        ]
    )


def own_topics(settings: Settings) -> frozenset[str]:
    """The topics we publish to: no pattern may read them."""
    outputs = {topic for route in settings.routes for _, topic in route.outputs if topic is not None}
    return frozenset(outputs | escalation_topics(settings))


def escalation_topics(settings: Settings) -> set[str]:
    """Those of them that escalated records are written to."""
    return {route.escalate.topic for route in settings.routes if route.escalate and route.escalate.topic is not None}


def _unknown_policies(settings: Settings, policies: Mapping[str, Policy]) -> list[Finding]:
    known = ", ".join(sorted(policies)) or "none"
    return [
        (settings.place("routes", index, "policies", number), f"there is no policy {policy} (loaded: {known})")
        for index, route in enumerate(settings.routes)
        for number, policy in enumerate(route.policies)
        if policy not in policies
    ]


def _looked_at(settings: Settings, policies: Mapping[str, Policy]) -> list[Finding]:
    """A look settles one policy, and would be passed over where several are asked about: nobody is to wonder why."""
    return [
        (
            settings.place("routes", index, "packed"),
            f"policy {policy} has a quick_look, which reads the label of one policy: take it out of the group, or the look out of it",
        )
        for index, route in enumerate(settings.routes)
        for group in route.packed
        for policy in group
        if policy in policies and policies[policy].quick_look is not None
    ]


def _route(
    route: RouteSettings,
    templates: Mapping[View, tuple[Template, ...]],
    together: Mapping[View, tuple[Template, ...]],
    escalation: Escalation | None,
) -> Route:
    pattern = route.pattern or re.compile(re.escape(route.topic or ""))
    outputs, limits = route.outputs, route.limits
    return Route(
        name=route.name,
        topic=pattern,
        templates=templates,
        packed=together,
        outputs=Outputs(**outputs.model_dump()),
        headers=tuple(_header(condition) for condition in route.when if condition.header is not None),
        fields=tuple(_field(condition) for condition in route.when if condition.field is not None),
        publish=route.publish,
        ordering=route.ordering,
        limits=Limits(**limits.model_dump(exclude={"content_tokens"})),
        abstain=route.abstain,
        allow_unsupported=route.allow_unsupported,
        expire_after_s=route.expire_after,
        unique_event_id=route.unique_event_id,
        format=route.read.format,
        reader=build_reader(route.read),
        context=None if route.context is None else _context(route.context),
        terms=_terms(route),
        quota_by=route.quota.by if route.quota else "key",
        normalise=route.normalise,
        escalation=escalation,
    )


def _context(context: ContextSettings) -> Context:
    return Context(context.last, context.by, context.within, context.chars, context.reread, context.bytes)


def _terms(route: RouteSettings) -> Terms:
    long, quota = route.long, route.quota
    return Terms(
        content_tokens=route.limits.content_tokens,
        too_long=long.over,
        overlap=long.overlap,
        segments=long.segments,
        quota=Quota(quota.tokens, quota.per) if quota else None,
        abstain=route.abstain,
        respond_by_s=route.respond_by,
    )


def _header(condition: ConditionSettings) -> HeaderCondition:
    return HeaderCondition(condition.header or "", condition.present, condition.any_of, condition.matches)


def _field(condition: ConditionSettings) -> FieldCondition:
    return FieldCondition(condition.field or "", condition.present, condition.any_of, condition.matches)
