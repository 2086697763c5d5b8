"""Which routes a path may belong to: to try all of them takes longer than most of what routes do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Scope

#: Pairs of segments come from outside: no more of them are remembered.
_MOST_KNOWN: Final = 4096

#: The first two segments of a path; None stands for any.
_Beginning = tuple[str | None, str | None]


class RouteIndex:
    """Routes by the first two segments of their paths, in the order they are declared in."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = [(_beginning_of(route), route) for route in routes]
        self._known: dict[tuple[str, str], Sequence[BaseRoute]] = {}

    def __len__(self) -> int:
        return len(self._routes)

    def near(self, path: str) -> Sequence[BaseRoute]:
        """Return the routes a path may belong to; it belongs to no other."""
        first, second = _segments(path.removesuffix("\n"))  # the end of a pattern fits before it, too
        found = self._known.get((first, second))
        if found is None:
            found = [route for (one, two), route in self._routes if one in {None, first} and two in {None, second}]
            if len(self._known) < _MOST_KNOWN:
                self._known[first, second] = found
        return found


_index_of: WeakKeyDictionary[Any, RouteIndex] = WeakKeyDictionary()


def routes_near(scope: Scope, path: str) -> Sequence[BaseRoute]:
    """Return the routes of a request's application that a path may belong to, in the order they are declared in."""
    app = scope["app"]
    if scope.get("root_path"):  # paths are longer than those of routes
        return tuple(app.routes)
    index = _index_of.get(app)
    if index is None or len(index) != len(app.routes):
        index = _index_of[app] = RouteIndex(app.routes)
    return index.near(path)


def _beginning_of(route: BaseRoute) -> _Beginning:
    # What is mounted begins as its path does, and goes on as it likes.
    if not isinstance(route, Route | WebSocketRoute):
        return None, None
    first, second = _segments(route.path)
    if "{" in first:
        return None, None
    return first, None if "{" in second else second


def _segments(path: str) -> tuple[str, str]:
    first, _, rest = path.removeprefix("/").partition("/")
    return first, rest.partition("/")[0]
