"""`/{site}/config`: what sites say of themselves, as their software and the user interface have always asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Path, Request
from pydantic import StringConstraints
from starlette.responses import Response
from typing_extensions import TypedDict

from session_api.sites.service import SiteService
from session_api.web.access import Access, access
from session_api.web.bodies import Detail, ErrorResponses, JsonObject
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import Anybody, CorrelationId, provided
from session_api.web.parameters import WITHOUT_NULLS
from session_api.web.photon_ranch import PhotonRanchRoute, photon_ranch_router
from session_api.web.replies import JsonReply

#: Twice what the first service could keep of a site, and several times what any site has.
_LARGEST_BYTES: Final = 800 * 1024

Sites = Annotated[SiteService, provided(SiteService)]
SiteCode = Annotated[str, Path(), StringConstraints(max_length=256), WITHOUT_NULLS]


class ConfigurationRoute(PhotonRanchRoute):
    """A route that answers with JSON whatever is wrong.

    An observatory asks every five seconds until it is answered so, and does not open before. What is no configuration
    replaces none: no body at all is not an empty one.
    """

    empty_body = b""

    def wrong(self, text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
        return JsonReply({"message": text}, status, headers)


class Message(TypedDict):
    """What is wrong. Any message but one makes an observatory note it and go on."""

    message: str


class SiteView(TypedDict):
    """A site, and what it says of itself."""

    site: str
    configuration: JsonObject


class ResponseMetadata(TypedDict):
    """What the store of the first service said of a write; clients look for the status."""

    RequestId: str
    HTTPStatusCode: int
    HTTPHeaders: dict[str, str]
    RetryAttempts: int


class Done(TypedDict):
    """It is stored, or forgotten."""

    ResponseMetadata: ResponseMetadata


_UNKNOWN: ErrorResponses = {404: {"model": Message}}
_WRONG: ErrorResponses = {400: {"model": Message}, 403: {"model": Message}, **_UNKNOWN}
#: By itself, or together with all others; the former is found out before the body is read.
_TOO_LARGE: ErrorResponses = {413: {"model": Detail | Message}}

router = photon_ranch_router(tag="sites", route_class=ConfigurationRoute)


@router.get(
    "/all/config", response_model=dict[str, JsonObject], responses=UNCHANGED, summary="Read every site's configuration"
)
@access(Access.PUBLIC, large_answer=True)
async def get_all(request: Request, sites: Sites) -> Response:
    return await delivered(request, JsonReply(await sites.configurations()))


@router.get("/{site}/config", response_model=SiteView, responses=_UNKNOWN, summary="Read a site's configuration")
@access(Access.PUBLIC)
async def get_one(site: SiteCode, sites: Sites) -> Response:
    return JsonReply({"site": site, "configuration": await sites.configuration(site)})


@router.put(
    "/{site}/config",
    response_model=Done,
    responses={**_WRONG, **_TOO_LARGE},
    summary="Replace a site's configuration",
)
@access(Access.PUBLIC, max_body_bytes=_LARGEST_BYTES, provided="open sites; others with a token for the site")
async def put_one(
    caller: Anybody, site: SiteCode, configuration: JsonObject, *, request_id: CorrelationId, sites: Sites
) -> Response:
    await sites.replace(caller, site, configuration)
    return _done(request_id)


@router.delete("/{site}/config", response_model=Done, responses=_WRONG, summary="Forget a site's configuration")
@access(Access.PUBLIC, provided="open sites; others with a token for the site")
async def delete_one(caller: Anybody, site: SiteCode, *, request_id: CorrelationId, sites: Sites) -> Response:
    await sites.remove(caller, site)
    return _done(request_id)


def _done(request_id: str) -> Response:
    metadata = ResponseMetadata(RequestId=request_id, HTTPStatusCode=200, HTTPHeaders={}, RetryAttempts=0)
    return JsonReply(Done(ResponseMetadata=metadata))
