"""Who may call a route, which bodies it takes, how its errors read: declared beside it, obeyed before it is reached."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from datalab.errors import TransientError, UsageError
from session_api.main import create_app
from session_api.settings import SessionApiSettings
from session_api.web.access import Access, access, declared_rules
from session_api.web.authentication import Authentication
from session_api.web.body_limit import BodyLimit
from session_api.web.budget import ByteBudget
from session_api.web.errors import add_error_handlers
from session_api.web.failures import AuthenticationError
from session_api.web.user import User

ROUTES = create_app(SessionApiSettings()).routes
USERS = {
    "user": User("ada"),
    "operator": User("opal", operator=True),
    "ingester": User("ines", ingested_sites=frozenset({"tst"})),
    "super": User("root", superuser=True),
}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_declares_who_may_call_it(route):
    assert declared_rules(route), f"{route.path} needs @access(...)"


def test_what_anybody_may_call():
    paths = {access_: set() for access_ in Access}
    for route in ROUTES:
        paths[declared_rules(route).access].add(route.path)
    of_the_process = {"/healthz", "/readyz", "/metrics", "/api/openapi.json", "/api/asyncapi.json"}
    # Their software has no credentials; a form is one of its own, also to ask what became of its file.
    of_observatories = {"/upload", "/upload/form", "/upload/form/{form_id}"}
    assert paths[Access.PUBLIC] - of_the_process - of_observatories == {
        # What of the archive is public; who has a token sees more.
        *("/api/frames", "/api/frames/{frame_id}", "/api/frames/{frame_id}/headers", "/api/frames/{frame_id}/related"),
        *("/api/frames/aggregate", "/api/names/{name:path}", "/api/thumbnails", "/frames", "/frames/{frame_id}"),
        "/api/pictures/{basename}",
        *("/api/api-token-auth", "/api/browser/login", "/console/{name:path}"),  # who has no token yet
        *("/download", "/downloadzip", "/api/frames/zip", "/api/frames/{frame_id}/cutout"),
        "/api/frame-funpack/{version_id}/funpack",
        *("/image/{base_filename}", "/fitsheader/{base_filename}", "/filtered_images", "/latest_image_all_sites"),
        *("/{site}/latest_images/{number_of_images}", "/recentuploads", "/infoimage/{site}/{channel}"),
        *("/dev", "/prod", "/datastream/dev", "/datastream/prod"),
        # What sites say of themselves; who may say it, the service asks.
        *("/", "/all/config", "/{site}/config", "/{site}/config/versions", "/nightlog/{site}"),
        *("/allopenstatus", "/status/allopenstatus", "/status/{site}/{kind}", "/status/{site}/{kind}/history"),
        *("/status/{site}/complete_status", "/status/{site}/status", "/test/{site}/status"),
        *("/logs/newlog", "/logs/recent-logs", "/phase_status", "/phase_status/{site}"),
        *("/status/phase_status", "/status/phase_status/{site}"),
        *("/allskyimage/{site}", "/events", "/events/moon/rise-set-illum"),
        # Who may use a queue or receive jobs, the services ask.
        *("/pipe/queue", "/pipe/enqueue", "/pipe/queues", "/pipe/queue/{name}", "/pipe/queue/{name}/dequeue"),
        *("/pipe/queue/{name}/acknowledge", "/pipe/queue/{name}/renew", "/pipe/queue/{name}/release"),
        *("/pipe/status", "/pipe/statuses", "/pipe/status/{pipe_id}"),
        *("/jobs/getnewjobs", "/jobs/updatejobstatus", "/jobs/getrecentjobs"),
        *("/control_room/{site}", "/control_room/{site}/restart"),  # of open sites; else users, as the service says
    }
    # Who has a link to a session may look at it, and no more.
    assert paths[Access.READER] == {
        *("/api/datasessions/{session_id}", "/api/datasessions/{session_id}/frames"),
        *("/api/datasessions/{session_id}/operations", "/api/datasessions/{session_id}/operations/{operation_id}"),
        "/api/analysis/{action}",
    }
    assert paths[Access.OWN_CHECK] == {
        *("/api/feed", "/ocs-store/{bucket}/{path:path}"),
        "/authprofile/addupdateuser",  # with a key of the portal's
    }
    assert paths[Access.INGESTER] == {"/api/frames", "/api/thumbnails", "/api/versions", "/api/ocs-store"}
    assert paths[Access.OPERATOR] == {
        *("/api/users", "/api/users/{username}", "/api/audit-log"),
        *("/api/dead-letters", "/api/dead-letters/{number}", "/api/dead-letters/{number}/requeue"),
        *("/api/system/processes", "/api/system/queues"),
    }
    assert paths[Access.SUPERUSER] == {
        *("/api/users", "/api/users/{username}", "/api/users/{username}/tokens", "/api/users/{username}/password"),
        "/api/users/{username}/login-code",
    }


class Identities:
    async def authenticate(self, token):
        if token == "away":
            raise TransientError("the document store does not answer")
        if token not in USERS:
            raise AuthenticationError("Invalid token.")
        return USERS[token]

    async def authenticate_bearer(self, token):
        return await self.authenticate(token.removeprefix("signed-for-"))


async def open_link(link):
    if link != "good":
        raise AuthenticationError("Invalid link.")
    return f"hash of {link}"


async def answer(request):
    """Answer with the caller and the size of the body."""
    pieces = [len(piece) async for piece in request.stream() if piece]
    user = request.state.user
    opened = {"X-Opened": user.link_hash} if user and user.link_hash else {}
    return PlainTextResponse(f"{user and user.username} {pieces}", headers=opened)


def declared(*rules, **more):
    @access(*rules, **more)
    async def endpoint(request: Request):
        return await answer(request)

    return endpoint


async def undeclared(request):
    return await answer(request)


def application():
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Authentication, identities=Identities(), open_link=open_link),
            Middleware(BodyLimit, budget=ByteBudget(total=1000, per_user=1000), max_bytes=10, timeout_s=5),
        ],
    )
    add_error_handlers(app)
    app.router.routes += [
        Route("/public", declared(Access.PUBLIC), methods=["POST"]),
        Route("/api/public", declared(Access.PUBLIC), methods=["POST"]),
        Route("/api/user", declared(Access.USER), methods=["POST"]),
        Route("/api/reader", declared(Access.READER), methods=["POST"]),
        Route("/api/super", declared(Access.SUPERUSER), methods=["POST"]),
        Route("/api/forgotten", undeclared, methods=["POST"]),
        Route("/api/large", declared(Access.USER, max_body_bytes=20), methods=["POST"]),
        Route("/api/stream", declared(Access.USER, streams_body=True), methods=["POST"]),
        Route("/api/operator", declared(Access.OPERATOR), methods=["POST"]),
        Route("/api/ingester", declared(Access.INGESTER), methods=["POST"]),
        Mount("/api/mounted", routes=[Route("/super", declared(Access.SUPERUSER), methods=["POST"])]),
    ]
    return app


@pytest.fixture
async def client():
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "nobody", "user", "superuser"),
    [
        ("/public", 200, 200, 200),
        ("/api/public", 200, 200, 200),
        ("/api/user", 401, 200, 200),
        ("/api/reader", 401, 200, 200),
        ("/api/super", 401, 403, 200),
        ("/api/mounted/super", 401, 403, 200),
        ("/api/forgotten", 401, 403, 200),
        ("/api/nothing", 401, 404, 404),
        ("/api/mounted/nothing", 401, 404, 404),
        ("/nothing", 404, 404, 404),
    ],
)
async def test_who_gets_through(client, path, nobody, user, superuser):
    for token, status in ((None, nobody), ("user", user), ("super", superuser), ("wrong", 401), ("away", 503)):
        reply = await client.post(path, headers={"Authorization": f"Token {token}"} if token else {})
        assert reply.status_code == status, token


@pytest.mark.parametrize(
    ("path", "let_in"),
    [
        ("/api/user", {"user", "operator", "ingester", "super"}),
        ("/api/operator", {"operator", "super"}),
        ("/api/ingester", {"ingester", "super"}),
        ("/api/super", {"super"}),
        ("/api/forgotten", {"super"}),
    ],
)
@pytest.mark.parametrize("scheme", ["Token ", "token  ", "Bearer signed-for-", "bearer signed-for-"])
async def test_each_role_gets_to_its_routes(client, path, let_in, scheme):
    for role in USERS:
        reply = await client.post(path, headers={"Authorization": f"{scheme}{role}"})
        assert reply.status_code == (200 if role in let_in else 403), role


@pytest.mark.parametrize("said", ["", "Token", "Bearer", "Basic dXNlcg==", "Token a b", "Bearer a b", "super"])
async def test_a_header_that_names_nobody_lets_nobody_in(client, said):
    for path in ("/api/user", "/public"):
        reply = await client.post(path, headers={"Authorization": said})
        assert (reply.status_code, list(reply.json())) == (401, ["detail"])
        assert reply.headers["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/public", 200), ("/api/public", 200), ("/api/reader", 200), ("/api/user", 401), ("/api/super", 401)],
)
async def test_a_link_lets_through_to_what_readers_may_call(client, path, status):
    reply = await client.post(path, headers={"X-Session-Link": "good"})
    assert reply.status_code == status
    if status == 200:
        assert (reply.headers["X-Opened"], reply.text) == ("hash of good", " []")
    both = await client.post(path, headers={"X-Session-Link": "good", "Authorization": "Token super"})
    assert (both.headers["X-Opened"], both.text) == ("hash of good", "root []")
    for headers in ({}, {"Authorization": "Token user"}):
        refused = await client.post(path, headers={"X-Session-Link": "forged", **headers})
        assert refused.status_code == 401 or path == "/api/super"
    wrong = await client.post(path, headers={"X-Session-Link": "good", "Authorization": "Token wrong"})
    assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid token."})


@pytest.mark.parametrize(("path", "nobody"), [("/api/user", 401), ("/api/super", 401), ("/api/public", 405)])
async def test_another_method_is_told_to_those_who_may_know(client, path, nobody):
    assert (await client.put(path)).status_code == nobody
    assert (await client.put(path, headers={"Authorization": "Token user"})).status_code == 405


async def test_nobodys_body_is_not_read(client):
    async def pieces():
        raise AssertionError("asked for")
        yield b""

    reply = await client.post("/api/super", content=pieces(), headers={"Authorization": "Token user"})
    assert reply.status_code == 403


@pytest.mark.parametrize(("path", "most"), [("/api/user", 10), ("/api/large", 20), ("/api/stream", 10)])
async def test_each_route_has_its_own_limit(client, path, most):
    async def pieces(count):
        for _ in range(count):
            yield b"x"

    headers = {"Authorization": "Token user"}
    for content, status in ((b"x" * most, 200), (b"x" * (most + 1), 413)):
        assert (await client.post(path, content=content, headers=headers)).status_code == status
    whole = await client.post(path, content=pieces(most), headers=headers)
    assert whole.text == f"ada {[1] * most if path == '/api/stream' else [most]}"
    assert (await client.post(path, content=pieces(most + 1), headers=headers)).status_code == 413


async def test_a_mounted_application_tells_of_errors_in_its_own_words():
    async def plainly(_request, error):
        return PlainTextResponse(f"sorry: {error}", 418)

    def failing(error):
        async def fail(_request: Request):
            raise error

        return Route("/fails", access(Access.PUBLIC)(fail))

    mounted, app = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    add_error_handlers(mounted, render=plainly)
    add_error_handlers(app)
    mounted.router.routes.append(failing(UsageError("no such frame")))
    app.router.routes += [Mount("/other", mounted), failing(UsageError("no such thing"))]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lab") as client:
        own, others = await client.get("/fails"), await client.get("/other/fails")
        missing = await client.get("/other/nothing")
    assert (own.status_code, own.json()) == (400, {"detail": "no such thing"})
    assert (others.status_code, others.text) == (418, "sorry: no such frame")
    assert (missing.status_code, missing.text) == (418, "sorry: 404: Not Found")
