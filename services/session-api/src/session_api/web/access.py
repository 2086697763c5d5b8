"""Who may call a route, what it takes in and what it says: declared beside the route, obeyed before its body is read.

The table of routes in the operator guide is made of these declarations.

@router.get("/things")
@access(Access.USER)
async def list_things(caller: Caller) -> Response: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final, TypeVar

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from datalab.events.envelope import Event
from session_api.web.photon_ranch import PhotonRanchRoute
from session_api.web.route_index import routes_near

EndpointT = TypeVar("EndpointT", bound=object)

_ATTRIBUTE: Final = "route_rules"
#: Methods of requests that change nothing (RFC 9110, section 9.2.1).
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

#: What `RouteRules.provided` says on many routes.
OWN: Final = "their own"
READABLE: Final = "what is public, and what they may read"


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

    A route with a large answer is called when there is memory for one. One that `writes` is one whose method says so,
    unless it only asks in a body; it is `audited` unless its changes are kept track of elsewhere. `provided` says in
    words who of those who may call gets what they ask for, where the service decides that; `limits` names the settings
    that bound what is asked for; one that is `personal` shows what is its user's own, which tokens for other things do
    not open; `emits` are the events that a call can cause before it is answered. One of
    `photon_ranch` says in its words that nobody is known, or may not do this.
    """

    access: Access
    max_body_bytes: int | None = None
    streams_body: bool = False
    large_answer: bool = False
    writes: bool | None = None
    audited: bool = True
    provided: str = ""
    limits: tuple[str, ...] = ()
    emits: tuple[type[Event], ...] = ()
    personal: bool = False
    photon_ranch: PhotonRanchRoute | None = None

    def changes(self, method: str) -> bool:
        """Tell whether a request of a method is to change something."""
        return method not in READING if self.writes is None else self.writes


def access(
    who: Access,
    *,
    max_body_bytes: int | None = None,
    streams_body: bool = False,
    large_answer: bool = False,
    writes: bool | None = None,
    audited: bool = True,
    provided: str = "",
    limits: tuple[str, ...] = (),
    emits: tuple[type[Event], ...] = (),
    personal: bool = False,
) -> Callable[[EndpointT], EndpointT]:
    """Declare the rules of an endpoint: see `RouteRules`."""

    def declare(endpoint: EndpointT) -> EndpointT:
        vars(endpoint)[_ATTRIBUTE] = RouteRules(
            who, max_body_bytes, streams_body, large_answer, writes, audited, provided, limits, emits, personal
        )
        return endpoint

    return declare


def place_of(scope: Scope) -> tuple[str, Mapping[str, Any]]:
    """Return the path of the route a request is for, as it declares it, and what stands in it."""
    rules_for(scope)
    place: tuple[str, Mapping[str, Any]] = scope["state"]["place"]
    return place


def is_write(scope: Scope) -> bool:
    """Tell whether a request is to change something."""
    return rules_for(scope).changes(scope["method"])


def declared_rules(route: BaseRoute) -> RouteRules | None:
    """Return what a route declares, None if it declares nothing."""
    return getattr(getattr(route, "endpoint", None), _ATTRIBUTE, None)


def rules_for(scope: Scope) -> RouteRules:
    """Return the rules of the route a request is for. What declares nothing is closed.

    Under `/api/` nobody without a token is told that a path does not exist, or which methods it has.
    """
    state = scope.setdefault("state", {})
    if "rules" not in state:
        match, route, parameters = _matched(routes_near(scope, scope["path"]), scope)
        state["rules"] = _rules_of(match, route, scope["path"])
        state["place"] = getattr(route, "path", "unmatched"), parameters
    rules: RouteRules = state["rules"]
    return rules


def _rules_of(match: Match, route: BaseRoute | None, path: str) -> RouteRules:
    if route is None:
        return RouteRules(Access.USER if path == "/api" or path.startswith("/api/") else Access.PUBLIC, writes=False)
    rules = declared_rules(route) or RouteRules(Access.SUPERUSER)
    if isinstance(route, PhotonRanchRoute):
        rules = replace(rules, photon_ranch=route)
    if match is Match.PARTIAL:  # the method is wrong: nothing is changed
        rules = replace(rules, writes=False)
        if rules.access in {Access.SUPERUSER, Access.OPERATOR, Access.INGESTER}:
            return replace(rules, access=Access.USER)  # that it is may be told to any user
    return rules


def _matched(routes: Iterable[BaseRoute], scope: Scope) -> tuple[Match, BaseRoute | None, Mapping[str, Any]]:
    """Return the route the router will choose, and what stands in its path.

    That is the first that fits, else the first with another method.
    """
    partial = None
    for route in routes:
        match, child_scope = route.matches(scope)
        if match is Match.FULL and isinstance(route, Mount):
            return _matched(route.routes, {**scope, **child_scope})
        if match is Match.FULL:
            return match, route, child_scope.get("path_params", {})
        if match is Match.PARTIAL and partial is None:
            partial = route
    return (Match.NONE if partial is None else Match.PARTIAL), partial, {}
