"""The rules for all endpoints: who is let in, how errors read, what is too much."""

import asyncio
import json

import httpx
import pytest

from session_api.sessions.service import SessionService
from support.session_api import ADMIN_TOKEN, body_of
from support.waiting import PATIENCE_S

CREDENTIALS = [
    (None, "Authentication credentials were not provided."),
    ("Bearer abc", "Authentication credentials were not provided."),
    ("", "Authentication credentials were not provided."),
    ("Token", "Invalid token header. No credentials provided."),
    ("Token a b", "Invalid token header. Token string should not contain spaces."),
    ("Token 0123456789abcdef0123456789abcdef01234567", "Invalid token."),
    ("Token \xfc", "Invalid token."),
]


@pytest.mark.parametrize(("authorization", "detail"), CREDENTIALS)
async def test_a_caller_without_a_valid_token_is_told_what_is_wrong(world, authorization, detail):
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    async with world.client() as client:
        reply = await client.get("/api/datasessions/", headers=headers)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Token"
    assert body_of(reply) == {"detail": detail}


async def test_an_inactive_user_is_told_so(world, root):
    await world.add_user("carol")
    assert (await root.patch("/api/users/carol/", json={"active": False})).status_code == 200
    async with world.client("carol") as client:
        reply = await client.get("/api/datasessions/")
    assert reply.status_code == 401
    assert body_of(reply) == {"detail": "User inactive or deleted."}


async def test_the_scheme_may_be_written_in_lower_case(world):
    async with world.client() as client:
        reply = await client.get("/api/datasessions/", headers={"Authorization": f"token {ADMIN_TOKEN}"})
    assert reply.status_code == 200


async def test_without_a_token_not_even_the_existence_of_a_route_is_told(world):
    async with world.client() as client:
        for path in ("/api/datasessions/", "/api/nothing/", "/api/nothing/more/"):
            assert (await client.post(path, content=b"{")).status_code == 401


async def test_the_documents_need_no_token(world):
    async with world.client() as client:
        openapi = body_of(await client.get("/api/openapi.json"))
        asyncapi = body_of(await client.get("/api/asyncapi.json"))
    assert openapi["components"]["securitySchemes"]["Token"]["name"] == "Authorization"
    assert openapi["paths"]["/api/datasessions"]["get"]["responses"]["200"]["content"]
    assert "422" not in str(openapi["paths"])
    assert asyncapi["asyncapi"]


@pytest.mark.parametrize(
    "path", ["/api/datasessions", "/api/datasessions/", "//api//datasessions//", "/api//datasessions/"]
)
async def test_slashes_make_no_difference_and_nobody_is_redirected(alice, path):
    reply = await alice.get(httpx.URL(str(alice.base_url)).copy_with(raw_path=path.encode()))
    assert reply.status_code == 200
    assert not reply.history


async def test_unknown_paths_and_ids_that_are_no_ids(alice):
    for path in (
        "/api/nothing/",
        "/api/datasessions/abc/",
        "/api/datasessions/0/",
        "/api/datasessions/-1/",
        "/api/datasessions/1.5/",
        f"/api/datasessions/{2**63}/",
        f"/api/datasessions/{'9' * 5000}/",
        "/api/datasessions/1/operations/abc/",
    ):
        reply = await alice.get(path)
        assert (reply.status_code, body_of(reply)) == (404, {"detail": "Not found."}), path
    reply = await alice.get(f"/api/datasessions/{2**63 - 1}/")
    assert (reply.status_code, body_of(reply)) == (404, {"detail": "No DataSession matches the given query."})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/available_operations/", "GET"),
        ("DELETE", "/api/datasessions/", "GET, POST"),
        ("POST", "/api/datasessions/1/", "DELETE, GET, PATCH, PUT"),
        ("PUT", "/api/datasessions/1/operations/1/", "DELETE, GET"),
        ("PATCH", "/api/datasessions/1/operations/1/", "DELETE, GET"),
    ],
)
async def test_unknown_methods(alice, method, path, allowed):
    reply = await alice.request(method, path, json={})
    assert reply.status_code == 405
    assert body_of(reply) == {"detail": f'Method "{method}" not allowed.'}
    assert reply.headers["Allow"] == allowed


BAD_JSON = [
    (b"{", "JSON parse error - "),
    (b"\xff\xfe", "JSON parse error - invalid UTF-8 at byte 0"),
    (b'{"name":NaN}', "JSON parse error - NaN is not JSON"),
    (b'{"name":-Infinity}', "JSON parse error - -Infinity is not JSON"),
    (b'{"name":1e999}', "JSON parse error - the number 1e999 is too large"),
    (b'{"name":9223372036854775808}', "JSON parse error - the integer 9223372036854775808 needs more than 64 bits"),
    (b'{"name":' + b"9" * 100_000 + b"}", "JSON parse error - the integer 99"),
    (b'{"name":"\\ud800"}', "JSON parse error - a text with half of a surrogate pair"),
    (b'{"a\\u0000":1}', "JSON parse error - a text with a NUL character"),
    (b"[" * 100_000, "JSON parse error - nested deeper than 50 levels"),
    (b'{"a":' * 60 + b"1" + b"}" * 60, "JSON parse error - nested deeper than 50 levels"),
]


@pytest.mark.parametrize(("content", "detail"), BAD_JSON, ids=[str(case[1][19:45]) for case in BAD_JSON])
async def test_bad_json(alice, content, detail):
    reply = await alice.post("/api/datasessions/", content=content, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert body_of(reply).keys() == {"detail"}
    assert body_of(reply)["detail"].startswith(detail)
    assert len(reply.content) < 200


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"[]", "Invalid data. Expected a dictionary, but got list."),
        (b'"x"', "Invalid data. Expected a dictionary, but got str."),
        (b"5", "Invalid data. Expected a dictionary, but got int."),
        (b"null", "No data provided"),
        (b"", "No data provided"),
    ],
)
async def test_bodies_that_are_no_object(alice, content, text):
    reply = await alice.post("/api/datasessions/", content=content, headers={"Content-Type": "application/json"})
    assert (reply.status_code, body_of(reply)) == (400, {"non_field_errors": [text]}), content


async def test_json_is_taken_without_a_content_type_but_not_under_another_one(alice):
    body = b'{"name":"no type"}'
    assert (await alice.post("/api/datasessions/", content=body)).status_code == 201
    reply = await alice.post("/api/datasessions/", content=body, headers={"Content-Type": "text/plain"})
    assert (reply.status_code, body_of(reply)) == (415, {"detail": 'Unsupported media type "text/plain" in request.'})


TOO_LARGE = {"detail": "Request body is too large: at most 2097152 bytes are accepted."}


async def test_ten_megabytes_of_garbage(alice):
    reply = await alice.post("/api/datasessions/", content=b"\x93" * 10_000_000)
    assert (reply.status_code, body_of(reply)) == (413, TOO_LARGE)


async def test_ten_megabytes_in_pieces_of_unannounced_size(alice):
    async def pieces():
        for _ in range(100):
            yield b"x" * 100_000

    reply = await alice.post("/api/datasessions/", content=pieces())
    assert (reply.status_code, body_of(reply)) == (413, TOO_LARGE)


async def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(world):
    host, port = world.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /api/datasessions/ HTTP/1.1\r\nHost: x\r\nAuthorization: Token {world.tokens['alice']}\r\n"
        "Content-Length: 99999999999\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE_S):
        assert b"413" in await reader.readline()
    writer.close()


async def test_a_body_as_large_as_allowed_is_taken(alice):
    name = json.dumps({"name": "x" * (2 * 1024**2 - 20)})
    reply = await alice.post("/api/datasessions/", content=name)
    assert (reply.status_code, body_of(reply)) == (
        400,
        {"name": ["Ensure this field has no more than 256 characters."]},
    )


async def test_any_origin_may_ask_but_not_with_cookies(world, alice):
    origin = {"Origin": "https://ui.example.org"}
    reply = await alice.get("/api/datasessions/", headers=origin)
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in reply.headers
    async with world.client() as anonymous:
        preflight = await anonymous.options(
            "/api/datasessions/",
            headers={
                **origin,
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "authorization,content-type",
            },
        )
        refused = await anonymous.get("/api/datasessions/", headers=origin)
    assert preflight.status_code == 200
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")


async def test_a_bug_of_ours_is_answered_without_internals_and_counted(world, alice, monkeypatch):
    async def broken(*_args, **_kwargs):
        raise ZeroDivisionError("secret internals")

    monkeypatch.setattr(world.service(SessionService), "open", broken)
    reply = await alice.get("/api/datasessions/1/", headers={"Origin": "https://ui.example.org"})
    assert reply.status_code == 500
    assert body_of(reply)["detail"].startswith("An unknown error occurred")
    assert "secret" not in reply.text
    assert reply.headers["X-Correlation-Id"]
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    metrics = (await alice.get("/metrics")).text
    assert (
        'datalab_http_requests_total{method="GET",route="/api/datasessions/{session_id}",status="500"} 1.0' in metrics
    )


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
async def test_how_the_process_is_is_not_told_through_a_proxy(world, path):
    async with world.client() as anyone:
        assert (await anyone.get(path)).status_code == 200
        handed_on = await anyone.get(path, headers={"X-Forwarded-For": "127.0.0.1"})
        alive = await anyone.get("/healthz", headers={"X-Forwarded-For": "127.0.0.1"})
    assert (handed_on.status_code, alive.status_code) == (403, 200)
    assert handed_on.json() == {"detail": "not for your address: DATALAB_OBSERVED_FROM is private"}


async def test_the_process_tells_whether_it_works(world):
    async with world.client() as client:
        wrong = await client.get("/healthz", headers={"Authorization": "Token wrong"})
        assert (wrong.status_code, body_of(wrong)) == (401, {"detail": "Invalid token."})
        assert body_of(await client.get("/healthz")) == {"status": "alive"}
        assert body_of(await client.get("/readyz"))["dependencies"] == {"bus": "ok", "documents": "ok", "objects": "ok"}
