"""Routes of the Photon Ranch API, for clients that exist and stay as they are.

Their base URLs end in `/api`, `/dev`, `/test` or nothing, they send JSON without saying so, and they read what was
wrong as plain text. A route is declared once, without a stage::

    router = photon_ranch_router(tag="uploads")

    @router.post("/upload", response_model=..., responses=TEXT_ERRORS)
    @access(Access.PUBLIC)
    async def upload(form: UploadForm) -> Response: ...

What was wrong (`UsageError`, a field) is answered as its bare text, which makes the observatory's client drop a file;
what may work later is a JSON object, which makes it try again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, Final

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import TypedDict

from datalab.errors import UsageError
from session_api.web.bodies import ANY_ROUTE, Detail, ErrorResponses, Unauthorized
from session_api.web.errors import fields_of, is_about_the_path
from session_api.web.replies import JsonReply, usage_status
from session_api.web.route_index import routes_near
from session_api.web.strict_json import JsonParseError, parse_json

#: What may stand in front of a route's path. The first is production's, and has our own routes, too.
STAGES: Final = ("/api", "/dev", "/test")


class GatewayTimeout(BaseModel):
    """What was asked for takes longer than anybody waits."""

    message: str


_TEXT: Final = {"content": {"application/json": {"schema": {"type": "string"}}}}
#: How a route says that it answers with bare text: `responses={200: TEXT}`.
TEXT: Final[dict[str, Any]] = {"description": "Bare text, without quotes", **_TEXT}
#: What is said by whoever cannot wait any longer, in the words of the gateway clients know.
WAITED: Final[ErrorResponses] = {504: {"model": GatewayTimeout, "description": "Not ready yet: ask again"}}
#: Who is not known is told so in the words of that gateway, too; whoever sends a token of ours, in ours.
_UNKNOWN: Final[ErrorResponses] = {401: {"model": Unauthorized | Detail}}
#: What any of these routes can answer when something is wrong with the request.
TEXT_ERRORS: Final[ErrorResponses] = {400: TEXT, 403: TEXT, 404: TEXT}


class ResponseMetadata(TypedDict):
    """What the store of the first service said of a write; clients look for the status."""

    RequestId: str
    HTTPStatusCode: int
    HTTPHeaders: dict[str, str]
    RetryAttempts: int


class Done(TypedDict):
    """It is stored, or forgotten."""

    ResponseMetadata: ResponseMetadata


class TextReply(Response):
    """A bare text that says it is JSON, as the clients are used to."""

    media_type = "application/json"


def done_metadata(request_id: str) -> ResponseMetadata:
    """Return that it is done, in the words of the store of the first service."""
    return ResponseMetadata(RequestId=request_id, HTTPStatusCode=200, HTTPHeaders={}, RetryAttempts=0)


def done_reply(request_id: str) -> JsonReply:
    """Return the answer that it is done."""
    return JsonReply(Done(ResponseMetadata=done_metadata(request_id)))


class PhotonRanchRoute(APIRoute):
    """A route that is found under every stage, reads JSON whatever its type, and says as text what is wrong."""

    #: What no body at all is read as.
    empty_body: ClassVar[bytes] = b"{}"
    #: NaN and infinity, which Python writes and JSON does not know, are null.
    no_numbers_as_null: ClassVar[bool] = False

    def wrong(self, text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
        """Return the answer that says what is wrong."""
        return TextReply(text, status, headers)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        reads_json = self.body_field is not None

        async def in_their_words(request: Request) -> Response:
            try:
                return await handle(_LenientRequest(request, self) if reads_json else request)
            except UsageError as error:
                return self.wrong(error.message, usage_status(error))
            except RequestValidationError as error:
                if is_about_the_path(error):
                    return self.wrong("Not found.", 404)
                texts = (f"{name}: {' '.join(said)}" for name, said in fields_of(error).items())
                return self.wrong("; ".join(texts), 400)
            except HTTPException as error:
                return self.wrong(error.detail, error.status_code, error.headers)

        return in_their_words


def photon_ranch_router(*, tag: str, route_class: type[PhotonRanchRoute] = PhotonRanchRoute) -> APIRouter:
    """Return a router for routes of the Photon Ranch API. Literal paths go before those with `{site}`."""
    return APIRouter(
        tags=[tag], route_class=route_class, strict_content_type=False, responses={**ANY_ROUTE, **_UNKNOWN}
    )


class StageRule:
    """ASGI middleware behind the path rule: takes away the stage in front of a route's path.

    Routes that are declared with their whole path come first. The stage is kept as `stage` in the request's state,
    for links back to where a client came from.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            stage, path = split_stage(scope["path"])
            if stage and self._is_theirs(scope, path):
                scope = {**scope, "path": path}
                scope.setdefault("state", {})["stage"] = stage
        await self._app(scope, receive, send)

    def _is_theirs(self, scope: Scope, path: str) -> bool:
        near = routes_near(scope, path)
        if not any(isinstance(route, PhotonRanchRoute) and route.path_regex.match(path) for route in near):
            return False
        return all(route.matches(scope)[0] is Match.NONE for route in routes_near(scope, scope["path"]))


def split_stage(path: str) -> tuple[str, str]:
    """Return the stage of a canonical path, empty for none, and the path without it."""
    for stage in STAGES:
        if path == stage or path.startswith(f"{stage}/"):
            return stage, path.removeprefix(stage) or "/"
    return "", path


class _LenientRequest(Request):
    """A request whose body is JSON, whatever its headers say."""

    def __init__(self, request: Request, route: PhotonRanchRoute) -> None:
        self._route = route
        others = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        scope = {**request.scope, "headers": [*others, (b"content-type", b"application/json")]}
        super().__init__(scope, request.receive)

    async def body(self) -> bytes:
        return await super().body() or self._route.empty_body

    async def json(self) -> Any:
        try:
            return parse_json(await self.body(), no_numbers_as_null=self._route.no_numbers_as_null)
        except JsonParseError as error:
            raise HTTPException(400, f"JSON parse error - {error}") from error
