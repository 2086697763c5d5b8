"""The table of routes in the operator guide, made of what the routes declare, and the events calls really cause."""

import re
from collections import defaultdict

import structlog
from fastapi.routing import APIRoute
from starlette.routing import Match, WebSocketRoute

from datalab.events.envelope import Event
from session_api import SERVICE
from session_api.web.access import Access, declared_rules
from session_api.web.paths import canonical_path
from session_api.web.photon_ranch import PhotonRanchRoute, split_stage

#: Who may call, in words; a kind of access that is not here is called by its name.
WHO = {
    Access.PUBLIC: "anybody",
    Access.USER: "users",
    Access.INGESTER: "users who add files of a site",
    Access.OPERATOR: "operators and superusers",
    Access.SUPERUSER: "superusers",
    Access.OWN_CHECK: "whoever the route lets in",
}
HEADER = ["| route | who may call it | largest body | limits | events |", "|---|---|---|---|---|"]
_ROW = re.compile(r"^\| `(\w+) (\S+)` \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)


def who_may_call(kind):
    return WHO.get(kind, kind.name.lower().replace("_", " "))


def described_routes(app):
    """Yield method, path and rules of every route, in the order of their paths."""
    routes = {
        (route.path, method): route
        for route in reversed(app.routes)  # the first of a path is the one that is called
        for method in _methods(route)
    }
    for (path, method), route in sorted(routes.items()):
        yield method, path, route


def _methods(route):
    if isinstance(route, WebSocketRoute):
        return {"websocket"}
    return (route.methods or {"any"}) - {"HEAD"}


def size(count):
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} B"


def largest_body(method, rules):
    """Return the largest body a method that has one takes."""
    if method not in {"PATCH", "POST", "PUT"}:
        return ""
    return "`DATALAB_MAX_REQUEST_BYTES`" if rules.max_body_bytes is None else size(rules.max_body_bytes)


def route_row(method, path, route):
    rules = declared_rules(route)
    who = who_may_call(rules.access) + (f": {rules.provided}" if rules.provided else "")
    limits = [f"`DATALAB_{name.upper()}`" for name in rules.limits]
    if method not in {"any", "websocket"} and rules.changes(method):
        limits.append("`DATALAB_WRITES_PER_MINUTE`")
        if rules.audited and rules.access in {Access.PUBLIC, Access.OWN_CHECK}:
            limits.append("`DATALAB_UNKNOWN_WRITES_PER_MINUTE`")
    if rules.large_answer:
        limits.append("`DATALAB_ANSWER_BYTES_IN_HAND`")
    events = ", ".join(f"`{event.type_name()}`" for event in rules.emits)
    return f"| `{method} {path}` | {who} | {largest_body(method, rules)} | {', '.join(limits)} | {events} |"


def routes_table(app):
    return "\n".join([*HEADER, *(route_row(*each) for each in described_routes(app))])


def rows_of(guide):
    """Return the rows of a guide's table: method, path, who, largest body, limits, events."""
    return _ROW.findall(guide)


class CausedEvents:
    """Watches which events are made while a request is answered, and compares them with what its route declares.

    Every event is encoded before it is stored in an outbox or sent; the request's correlation id is bound meanwhile.
    """

    def __init__(self, app):
        self._app = app
        self._made = defaultdict(set)
        #: Of each route, as (method, path): the events its calls have caused.
        self.seen = defaultdict(set)

    def __enter__(self):
        self._encode = encode = Event.encode

        def watched(event):
            correlation_id = structlog.contextvars.get_contextvars().get("correlation_id")
            if correlation_id is not None and event.producer in {SERVICE, "unknown"}:  # not of a runner in this process
                self._made[correlation_id].add(type(event))
            return encode(event)

        Event.encode = watched
        return self

    def __exit__(self, *_):
        Event.encode = self._encode

    async def check(self, response):
        """Compare what an answered request caused with what its route declares; a response hook of httpx."""
        made = self._made.pop(response.headers.get("X-Correlation-Id"), set())
        route = self._route_of(response.request)
        if route is None:
            return
        self.seen[response.request.method, route.path] |= made
        undeclared = made - set(declared_rules(route).emits)
        assert not undeclared, f"{response.request.method} {route.path} needs @access(..., emits=…) for {undeclared}"

    def _route_of(self, request):
        path = canonical_path(request.url.path)
        _, without = split_stage(path)
        for candidate, kind in ((path, APIRoute), (without, PhotonRanchRoute)):
            scope = {"type": "http", "method": request.method, "path": candidate, "root_path": ""}
            for route in self._app.routes:
                if isinstance(route, kind) and route.matches(scope)[0] is Match.FULL:
                    return route
        return None
