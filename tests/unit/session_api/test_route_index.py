"""The routes that are tried for a path are all it can belong to."""

import re

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Mount, Route

from session_api.main import create_app
from session_api.settings import SessionApiSettings
from session_api.web.route_index import RouteIndex, routes_near

APP = create_app(SessionApiSettings())
PATHS = sorted({re.sub(r"{[^}]*}", word, route.path) for route in APP.routes for word in ("7", "config", "all", "a-b")})
ODD = ["", "/", "//", "/api", "/api/", "/nothing", "/a/b/c/d/e", "/api/\n", "/\n"]


def scope(path, method="GET", **fields):
    return {"type": "http", "method": method, "path": path, "headers": [], "app": APP, **fields}


def matching(routes, asked):
    return [route for route in routes if route.matches(asked)[0] is not Match.NONE]


@pytest.mark.parametrize("ending", ["", "/", "\n", "/more", "\n\n"])
def test_no_route_that_fits_is_passed_over(ending):
    for path in [*PATHS, *ODD]:
        asked = scope(path + ending)
        assert matching(routes_near(asked, asked["path"]), asked) == matching(APP.routes, asked), path


def test_few_are_tried():
    assert max(len(routes_near(scope(path), path)) for path in PATHS) < len(APP.routes) / 3


def test_what_is_mounted_may_be_meant_by_any_path_and_whatever_comes_is_remembered_within_bounds():
    mounted = Mount("/store", routes=[Route("/x", PlainTextResponse("x"))])
    index = RouteIndex([Route("/a/b", PlainTextResponse("x")), mounted])
    assert index.near("/store/x") == [mounted]
    for number in range(10_000):
        index.near(f"/{number}/x")
    assert len(index._known) < 5000


def test_below_another_path_all_are_tried():
    asked = scope("/below/api/frames", root_path="/below")
    assert matching(routes_near(asked, asked["path"]), asked) == matching(APP.routes, asked)
