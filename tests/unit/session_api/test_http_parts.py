import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request

from session_api.web.body_limit import BodyLimit
from session_api.web.budget import ByteBudget
from session_api.web.paging import Paging, page_reply
from session_api.web.paths import PathRule, canonical_path
from session_api.web.replies import JsonReply
from session_api.web.strict_json import MAX_DEPTH, JsonParseError, parse_json
from session_api.web.window import Window

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\u2603"), inner),
    max_leaves=10,
)  # fmt: skip


@given(JSON_VALUES)
def test_json_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_nothing_worse(body):
    try:
        value = parse_json(body)
    except JsonParseError:
        return
    assert json.loads(body) == value


def test_depth_has_an_exact_end():
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(JsonParseError, match="nested deeper"):
        parse_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


def test_answers_are_compact_and_never_hold_nan():
    reply = JsonReply({"a": [1.5, float("nan"), {"b": float("-inf")}], "c": "\u2603"})
    assert reply.body == '{"a":[1.5,null,{"b":null}],"c":"\u2603"}'.encode()
    assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.parametrize(
    ("path", "declared"),
    [("/", "/"), ("//", "/"), ("/api", "/api"), ("/api/", "/api"), ("/api//", "/api"), ("//a///b//c/", "/a/b/c")],
)
def test_paths(path, declared):
    assert canonical_path(path) == declared


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_path_rule_holds_for_websockets_too_and_leaves_the_servers_scope_alone(kind):
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope["path"])

    scope = {"type": kind, "path": "//api/feed/"}
    await PathRule(app)(scope, None, None)
    assert (seen, scope["path"]) == (["/api/feed"], "//api/feed/")


def page(limit, offset, *, count=250, fits=1000):
    window = Paging(page_size=100, max_page_size=120).window(limit, offset)
    scope = {
        "type": "http",
        "scheme": "https",
        "server": ("lab.example.org", 443),
        "path": "/api/things",
        "query_string": b"limit=x&b=%26+1&offset=y&a=",
        "headers": [(b"host", b"lab.example.org")],
    }
    results = [1] * min(window.limit, max(count - window.offset, 0), fits)
    body = json.loads(page_reply(Request(scope), window, count, results).body)
    base = "https://lab.example.org/api/things/?a=&b=%26+1&"
    return window, *(body[key] and body[key].removeprefix(base) for key in ("next", "previous"))


def test_pages_stay_within_limits_and_know_their_neighbours():
    assert page(None, None) == (Window(100, 0), "limit=100&offset=100", None)
    assert page("120", "120") == (Window(120, 120), "limit=120&offset=240", "limit=120")
    assert page("5000", "240") == (Window(120, 240), None, "limit=120&offset=120")
    assert page("100", "50") == (Window(100, 50), "limit=100&offset=150", "limit=100")
    assert page("100", "50", fits=7) == (Window(100, 50), "limit=100&offset=57", "limit=100")
    assert page("0", "-1") == (Window(100, 0), "limit=100&offset=100", None)
    assert page("100", "9" * 18)[0] == Window(100, 2**31 - 1)
    assert page("100", "150", count=250) == (Window(100, 150), None, "limit=100&offset=50")


class Exchange:
    """One request as an ASGI server hands it over, piece by piece, and what is answered."""

    def __init__(self, *pieces, headers=()):
        self.scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers), "app": Starlette()}
        self.scope["state"] = {}
        self.budget = ByteBudget(total=100, per_user=100)
        self._pieces = list(pieces)
        self.taken = 0
        self.sent = []

    async def receive(self):
        if not self._pieces:
            return {"type": "http.disconnect"}
        self.taken += 1
        body = self._pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._pieces)}

    async def send(self, message):
        self.sent.append(message)

    async def through(self, limit):
        """Return the bodies the application received."""
        bodies = []

        async def app(_scope, receive, _send):
            message = await receive()
            bodies.append(message["body"])
            assert not message["more_body"]
            assert (await receive())["type"] == "http.disconnect"

        await BodyLimit(app, budget=self.budget, max_bytes=limit, timeout_s=5)(self.scope, self.receive, self.send)
        return bodies

    @property
    def status(self):
        return self.sent[0]["status"]


CHUNKED = ((b"transfer-encoding", b"chunked"),)


async def test_a_body_in_pieces_is_handed_over_whole():
    assert await Exchange(b"abc", b"de", b"", headers=CHUNKED).through(5) == [b"abcde"]


async def test_one_byte_too_many_is_refused_and_the_rest_thrown_away_after_the_answer():
    exchange = Exchange(b"abc", b"def", b"x", b"y", headers=CHUNKED)
    assert await exchange.through(5) == []
    assert exchange.status == 413
    assert exchange.taken == 4
    assert [message.get("more_body", False) for message in exchange.sent[1:]] == [True, False]


@pytest.mark.parametrize("length", [b"6", b"9" * 30])
async def test_an_announced_size_is_refused_unread(length):
    exchange = Exchange(headers=[(b"content-length", length)])
    assert await exchange.through(5) == []
    assert exchange.status == 413


async def test_a_client_that_leaves_in_the_middle_reaches_nobody():
    exchange = Exchange(b"abc", headers=CHUNKED)
    exchange._pieces = []
    assert await exchange.through(5) == []
    assert exchange.sent == []


async def test_a_client_that_never_stops_sending_is_left(monkeypatch):
    monkeypatch.setattr("session_api.web.body_limit._LINGER_S", 0.01)
    exchange = Exchange(headers=[(b"content-length", b"6")])
    exchange.receive = asyncio.Event().wait
    await exchange.through(5)
    assert exchange.status == 413
    assert exchange.sent[-1] == {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize("text", ["[" + "[]," * 100_000 + "[]]", '{"a":[' + "1," * 200_000 + '{"b":1}]}'])
def test_a_text_of_countless_values_is_refused(text):
    with pytest.raises(JsonParseError, match="more than 100000 values"):
        parse_json(text.encode())
