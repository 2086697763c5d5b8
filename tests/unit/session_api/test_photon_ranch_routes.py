"""Routes of the Photon Ranch API: under every stage, JSON whatever it is called, bare texts."""

from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from datalab.errors import NotFoundError, TransientError
from session_api.main import create_app
from session_api.settings import SessionApiSettings
from session_api.web.access import Access, access
from session_api.web.authentication import Authentication
from session_api.web.errors import add_error_handlers
from session_api.web.failures import AuthenticationError, RefusedError
from session_api.web.paths import PathRule
from session_api.web.photon_ranch import StageRule, TextReply, photon_ranch_router, split_stage
from session_api.web.replies import JsonReply

router = photon_ranch_router(tag="test")


class Form(BaseModel):
    object_name: Annotated[str, Field(max_length=20)]
    more: dict = {}


@router.post("/upload")
@access(Access.PUBLIC)
async def upload(form: Form, request: Request):
    failures = {"no": RefusedError("not that one"), "none": NotFoundError("no such"), "late": TransientError("busy")}
    if form.object_name in failures:
        raise failures[form.object_name]
    return JsonReply({**form.model_dump(), "stage": request.scope["state"].get("stage", "")})


@router.get("/all/config")
@access(Access.PUBLIC)
async def all_config():
    return TextReply("all")


@router.get("/{site}/config")
@access(Access.PUBLIC)
async def site_config(site: str):
    return TextReply(site)


@router.get("/")
@access(Access.PUBLIC)
async def greet():
    return TextReply("hello")


@access(Access.USER)
async def own(request):
    return PlainTextResponse(f"own {request.path_params['name']}")


class Nobody:
    async def authenticate(self, _token):
        raise AuthenticationError("Invalid token.")

    authenticate_bearer = authenticate


@pytest.fixture
async def client():
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(PathRule),
            Middleware(StageRule),
            Middleware(Authentication, identities=Nobody(), open_link=None),
        ],
    )
    add_error_handlers(app)
    app.router.routes += [*router.routes, Route("/api/users/{name}", own), Route("/api/own/config", own)]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lab") as client:
        yield client


@pytest.mark.parametrize(("stage", "kept"), [("", ""), ("/api", "/api"), ("/dev", "/dev"), ("/test", "/test")])
@pytest.mark.parametrize("path", ["/upload", "//upload/", "/upload//"])
async def test_a_route_is_found_under_every_stage_and_nobody_is_redirected(client, stage, kept, path):
    reply = await client.post(f"http://lab{stage}{path}", content='{"object_name": "a.jpg"}')
    assert (reply.status_code, reply.json()["stage"], reply.history) == (200, kept, [])


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api", 200, "hello"),
        ("/dev/", 200, "hello"),
        ("/api/all/config/", 200, "all"),
        ("/api/tst/config", 200, "tst"),
        ("/test/config", 200, "test"),  # a site of this name, on the host without a stage
        ("/api/own/config", 401, None),  # ours comes first, and keeps its rules
        ("/api/users/ada", 401, None),
        ("/api/nothing", 401, None),
        ("/dev/nothing", 404, None),
        ("/apis/tst/config", 404, None),
        ("/api/dev/tst/config", 401, None),  # one stage, not two
    ],
)
async def test_our_own_routes_come_first_and_what_is_no_route_stays_none(client, path, status, text):
    reply = await client.get(path)
    assert reply.status_code == status
    assert text is None or reply.text == text


@pytest.mark.parametrize(
    "media_type", [None, "", "text/plain", "application/json;charset=UTF-8", "application/x-www-form-urlencoded"]
)
async def test_json_is_read_whatever_it_is_called(client, media_type):
    headers = {} if media_type is None else {"Content-Type": media_type}
    reply = await client.post("/upload", content='{"object_name": "a.jpg", "more": {"x": 1.5}}', headers=headers)
    assert reply.json() == {"object_name": "a.jpg", "more": {"x": 1.5}, "stage": ""}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ('{"object_name": "no"}', 403, "not that one"),
        ('{"object_name": "none"}', 404, "no such"),
        ("", 400, "object_name: This field is required."),
        ("{}", 400, "object_name: This field is required."),
        ("[]", 400, "non_field_errors: Invalid data. Expected a dictionary, but got list."),
        ('{"object_name": 7}', 400, "object_name: Not a valid string."),
        ("{nonsense", 400, None),
        ('{"object_name": NaN}', 400, "JSON parse error - NaN is not JSON"),
    ],
)
async def test_what_is_wrong_is_said_as_bare_text(client, body, status, text):
    reply = await client.post("/api//upload/", content=body)
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "application/json")
    assert reply.text == text if text else reply.text.startswith("JSON parse error - ")


async def test_what_may_work_later_is_an_object_so_that_the_client_tries_again(client):
    reply = await client.post("/upload", content='{"object_name": "late"}')
    assert (reply.status_code, reply.json()) == (503, {"detail": "Temporarily unavailable: busy."})


async def test_a_wrong_method_is_told_as_everywhere(client):
    reply = await client.put("/dev/upload")
    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "parts"),
    [("/", ("", "/")), ("/api", ("/api", "/")), ("/dev/x/y", ("/dev", "/x/y")), ("/testing/x", ("", "/testing/x"))],
)
def test_the_stage_of_a_path(path, parts):
    assert split_stage(path) == parts


async def test_any_page_may_ask_without_cookies():
    transport = httpx.ASGITransport(create_app(SessionApiSettings()))
    origin = {"Origin": "https://ui.example"}
    asked = {**origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x"}
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        preflight = await client.options("/dev//tst/config/", headers=asked)
        reply = await client.get("/dev/nothing", headers=origin)
    assert preflight.status_code == 200
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    for each in (preflight, reply):
        assert each.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in each.headers
