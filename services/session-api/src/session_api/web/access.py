"""Who may call a route, and what it takes in: declared beside the route, obeyed before its body is read.

@router.get("/things")
@access(Access.USER)
async def list_things(caller: Caller) -> Response: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, TypeVar

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from session_api.web.photon_ranch import PhotonRanchRoute

EndpointT = TypeVar("EndpointT", bound=object)

_ATTRIBUTE: Final = "route_rules"


class Access(Enum):
    """Who may call. Whose a thing is, the services check: they are given the caller."""

    PUBLIC = auto()  # anybody; a token that is sent is checked all the same
    USER = auto()  # whoever sends a valid token
    READER = auto()  # whoever sends a valid token, or a link to a session: what that opens, the services look
    INGESTER = auto()  # whoever sends the token of somebody who may add files of some site
    OPERATOR = auto()  # whoever sends the token of somebody who looks after the system: of an operator or a superuser
    SUPERUSER = auto()  # whoever sends the token of a superuser
    OWN_CHECK = auto()  # the route looks itself: browsers send no header with a websocket, S3 clients a signature


@dataclass(frozen=True, slots=True)
class RouteRules:
    """`max_body_bytes` is None for the limit in the settings; a body that is streamed is not read in beforehand.

    A route with a large answer is called when there is memory for one. One of `photon_ranch` says in its words that
    nobody is known.
    """

    access: Access
    max_body_bytes: int | None = None
    streams_body: bool = False
    large_answer: bool = False
    photon_ranch: bool = False


def access(
    who: Access, *, max_body_bytes: int | None = None, streams_body: bool = False, large_answer: bool = False
) -> Callable[[EndpointT], EndpointT]:
    """Declare who may call an endpoint, and which bodies it takes."""

    def declare(endpoint: EndpointT) -> EndpointT:
        vars(endpoint)[_ATTRIBUTE] = RouteRules(who, max_body_bytes, streams_body, large_answer)
        return endpoint

    return declare


def declared_rules(route: BaseRoute) -> RouteRules | None:
    """Return what a route declares, None if it declares nothing."""
    return getattr(getattr(route, "endpoint", None), _ATTRIBUTE, None)


def rules_for(scope: Scope) -> RouteRules:
    """Return the rules of the route a request is for. What declares nothing is closed.

    Under `/api/` nobody without a token is told that a path does not exist, or which methods it has.
    """
    state = scope.setdefault("state", {})
    if "rules" not in state:
        state["rules"] = _rules_for(scope)
    rules: RouteRules = state["rules"]
    return rules


def _rules_for(scope: Scope) -> RouteRules:
    match, route = _matched(scope["app"].routes, scope)
    if route is None:
        path = scope["path"]
        return RouteRules(Access.USER if path == "/api" or path.startswith("/api/") else Access.PUBLIC)
    rules = declared_rules(route) or RouteRules(Access.SUPERUSER)
    if isinstance(route, PhotonRanchRoute):
        rules = replace(rules, photon_ranch=True)
    if match is Match.PARTIAL and rules.access in {Access.SUPERUSER, Access.OPERATOR, Access.INGESTER}:
        return RouteRules(Access.USER)  # that the method is wrong may be told to any user
    return rules


def _matched(routes: Iterable[BaseRoute], scope: Scope) -> tuple[Match, BaseRoute | None]:
    """Return the route the router will choose: the first that fits, else the first with another method."""
    partial = None
    for route in routes:
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            return _matched(route.routes, {**scope, **child_scope}) if isinstance(route, Mount) else (match, route)
        if match is Match.PARTIAL and partial is None:
            partial = route
    return (Match.NONE if partial is None else Match.PARTIAL), partial
