"""An edition: the routes and the policies that are in force together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NewType

import msgspec
from msgspec import Struct

from stream_guard.config import Settings, build_routes
from stream_guard.config.resolved import resolved
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.identity import digest
from stream_guard.policy.document import Policy
from stream_guard.policy.packed import Asked
from stream_guard.prompting.port import Rendered, Renderer, Template
from stream_guard.routing import Routes

EditionId = NewType("EditionId", str)
"""A hash of an edition."""


class Edition(Struct, frozen=True):
    """What records are judged by; `settings` are those that it was made of."""

    id: EditionId
    settings: Settings
    routes: Routes

    def __repr__(self) -> str:
        """Settings may hold secrets."""
        return f"Edition({self.id}, {len(self.routes.all)} routes)"


def compose(
    settings: Settings, policies: Mapping[str, Policy], renderer: Renderer, known: Iterable[Template] = ()
) -> Edition:
    """The edition that these come to; a template that is `known` is not encoded again. Raises what `build_routes` does."""
    routes = build_routes(settings, policies, _Recalling(renderer, known))
    return Edition(edition_id(settings, policies), settings, routes)


def edition_id(settings: Settings, policies: Mapping[str, Policy]) -> EditionId:
    """The hash of what an edition says: of each route, and of the version of each policy that a route names.

    The same on every machine: it does not matter where files lie, nor which model is there to be asked.
    Raises KeyError where `policies` lacks one that a route names.
    """
    routes = [_said(route) for route in resolved(settings)["routes"]]
    named = sorted({policy for route in settings.routes for policy in route.policies})
    versions = [field for policy in named for field in (policy, policies[policy].version)]
    return EditionId(digest("edition", msgspec.json.encode(routes, order="sorted").decode(), *versions))


def dead_letters(edition: Edition) -> frozenset[str]:
    """The topics that its dead letters go to."""
    return frozenset(route.outputs.dead_letters for route in edition.routes.all)


def _said(route: Mapping[str, Any]) -> dict[str, Any]:
    """A route less the path of its descriptors: it is made absolute, and they are read at the start alone."""
    read = {name: value for name, value in route["read"].items() if name != "descriptors"}
    return {**route, "read": read}


class _Recalling:
    """A renderer that has some templates ready: those of policies that did not change."""

    def __init__(self, renderer: Renderer, known: Iterable[Template]) -> None:
        self._renderer = renderer
        self._known = {(t.asked.version, t.asked.effort, t.view): t for t in known}
        """A policy is asked with more effort too, where a route escalates."""

    def template(self, asked: Asked, view: View) -> Template:
        """See the port."""
        found = self._known.get((asked.version, asked.effort, view))
        return self._renderer.template(asked, view) if found is None else found

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """See the port."""
        return self._renderer.render(template, contents)

    def text(self, token_ids: Sequence[int]) -> str:
        """See the port."""
        return self._renderer.text(token_ids)
