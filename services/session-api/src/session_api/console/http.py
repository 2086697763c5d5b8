"""`/`: the console for browsers, and the greeting that clients of Photon Ranch know for everybody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from datalab.errors import NotFoundError
from session_api.console.pages import PageFile, page_of
from session_api.web.access import Access, access
from session_api.web.delivery import accepts_gzip
from session_api.web.dependencies import provided
from session_api.web.photon_ranch import TEXT, TextReply, photon_ranch_router
from session_api.web.replies import detail_reply

_YEAR_S: Final = 365 * 86_400
_GREETING_OR_PAGE: Final[dict[str, Any]] = {
    **TEXT,
    "content": {**TEXT["content"], "text/html; charset=utf-8": {"schema": {"type": "string"}}},
}
_NOT_BUILT: Final = "The console is not built: `make setup` does it, and needs npm. The API is at /api/."


class Console:
    """What browsers are given, and what their pages may load."""

    def __init__(self, *, pages: Mapping[str, PageFile], pictures_from: str) -> None:
        """`pictures_from` is the address of the object store as browsers know it."""
        self.pages = pages
        parts = urlsplit(pictures_from)
        store = f"{parts.scheme}://{parts.netloc}"
        #: Scripts and styles are files of ours only (W3C Content Security Policy Level 3).
        self.policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: {store}; "
            f"connect-src 'self' {store}; font-src 'self'; manifest-src 'self'; worker-src 'self' blob:; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )


Pages = Annotated[Console, provided(Console)]

router = photon_ranch_router(tag="documents")


@router.get("/", responses={200: _GREETING_OR_PAGE}, summary="Be greeted; browsers get the console")
@access(Access.PUBLIC)
async def greet(request: Request, console: Pages) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return TextReply("New photon ranch API", headers={"Vary": "Accept"})
    page = page_of(console.pages)
    if page is None:
        return detail_reply(503, _NOT_BUILT, {"Vary": "Accept"})
    return _sent(page, request, console, vary="Accept, Accept-Encoding")


@access(Access.PUBLIC)
async def page_file(request: Request) -> Response:
    console: Console = request.app.state.services[Console]
    found = console.pages.get(request.path_params["name"])
    if found is None:
        raise NotFoundError("There is no such file of the console.")
    return _sent(found, request, console, vary="Accept-Encoding")


files = APIRouter()
files.routes.append(Route("/console/{name:path}", page_file))


def _sent(file: PageFile, request: Request, console: Console, *, vary: str) -> Response:
    headers = {
        "ETag": file.etag,
        "Vary": vary,
        "Cache-Control": f"public, max-age={_YEAR_S}, immutable" if file.immutable else "no-cache",
        "Content-Security-Policy": console.policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = file.content
    if file.compressed is not None and accepts_gzip(request):
        content, headers["Content-Encoding"] = file.compressed, "gzip"
    return Response(content, media_type=file.media_type, headers=headers)
