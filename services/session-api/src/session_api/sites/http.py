"""`/{site}/config`: what sites say of themselves, as their software and the user interface have always asked for it.

Newer clients may ask for what it was before, and write only what nobody else has changed meanwhile (`If-Match`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Path, Query, Request
from pydantic import StringConstraints
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.feed import SiteConfigured
from session_api.sites.service import SiteService
from session_api.web.access import Access, access
from session_api.web.bodies import TOO_MANY, Detail, ErrorResponses, JsonObject
from session_api.web.delivery import UNCHANGED, delivered
from session_api.web.dependencies import Address, Anybody, CorrelationId, provided
from session_api.web.parameters import WITHOUT_NULLS
from session_api.web.photon_ranch import Done, PhotonRanchRoute, done_reply, photon_ranch_router
from session_api.web.preconditions import WritePreconditions
from session_api.web.replies import JsonReply, shown_datetime

#: Twice what the first service could keep of a site, and several times what any site has.
_LARGEST_BYTES: Final = 800 * 1024
_LIMITS: Final = ("site_config_per_minute", "site_config_address_per_minute")

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


class ConfigurationVersionView(TypedDict):
    """A version of a site's configuration; `by` is who wrote it, as far as the caller may know."""

    version: int
    modified: str
    size_bytes: int
    removed: bool
    by: str | None


#: What is odd about a configuration that was taken all the same, as a JSON list in ASCII.
_WARNINGS: Final = "X-Config-Warnings"

_UNKNOWN: ErrorResponses = {404: {"model": Message}}
_WRONG: ErrorResponses = {
    400: {"model": Message},
    403: {"model": Message},
    412: {"model": Message, "description": "It is not what the client has read (If-Match)"},
    **_UNKNOWN,
    **TOO_MANY,
}
#: By itself, or together with all others; the former is found out before the body is read.
_TOO_LARGE: ErrorResponses = {413: {"model": Detail | Message}}

router = photon_ranch_router(tag="sites", route_class=ConfigurationRoute)


@router.get(
    "/all/config", response_model=dict[str, JsonObject], responses=UNCHANGED, summary="Read every site's configuration"
)
@access(Access.PUBLIC, large_answer=True)
async def get_all(request: Request, sites: Sites) -> Response:
    return await delivered(request, JsonReply(await sites.configurations()))


@router.get(
    "/{site}/config",
    response_model=SiteView,
    responses={**UNCHANGED, 400: {"model": Message}, **_UNKNOWN},
    summary="Read a site's configuration, or what it was",
)
@access(Access.PUBLIC)
async def get_one(
    request: Request,
    site: SiteCode,
    version: Annotated[int | None, Query(gt=0, lt=2**63, description="a former one, by its number")] = None,
    *,
    sites: Sites,
) -> Response:
    if version is not None:
        return JsonReply({"site": site, "configuration": await sites.version(site, version)})
    found = await sites.present(site)
    return await delivered(request, JsonReply({"site": site, "configuration": found.configuration}), tag=found.tag)


@router.get(
    "/{site}/config/versions",
    response_model=list[ConfigurationVersionView],
    responses=_UNKNOWN,
    summary="List the versions of a site's configuration, newest first",
)
@access(Access.PUBLIC)
async def list_versions(caller: Anybody, site: SiteCode, sites: Sites) -> Response:
    return JsonReply(
        [
            ConfigurationVersionView(
                version=each.version,
                modified=shown_datetime(each.modified),
                size_bytes=each.size_bytes,
                removed=each.removed,
                by=each.by if caller.superuser else None,
            )
            for each in await sites.versions(site)
        ]
    )


@router.put(
    "/{site}/config",
    response_model=Done,
    responses={**_WRONG, **_TOO_LARGE},
    summary="Replace a site's configuration",
)
@access(
    Access.PUBLIC,
    max_body_bytes=_LARGEST_BYTES,
    provided="open sites; others with a token for the site",
    limits=_LIMITS,
    emits=(SiteConfigured,),
)
async def put_one(
    caller: Anybody,
    site: SiteCode,
    configuration: JsonObject,
    preconditions: WritePreconditions,
    *,
    address: Address,
    request_id: CorrelationId,
    sites: Sites,
) -> Response:
    replaced = await sites.replace(caller, site, configuration, preconditions=preconditions, address=address)
    reply = done_reply(request_id)
    reply.headers["ETag"] = f'W/"{replaced.version}"'
    if replaced.warnings:
        reply.headers[_WARNINGS] = json.dumps(replaced.warnings)
    return reply


@router.delete("/{site}/config", response_model=Done, responses=_WRONG, summary="Forget a site's configuration")
@access(Access.PUBLIC, provided="open sites; others with a token for the site", limits=_LIMITS, emits=(SiteConfigured,))
async def delete_one(
    caller: Anybody,
    site: SiteCode,
    preconditions: WritePreconditions,
    *,
    address: Address,
    request_id: CorrelationId,
    sites: Sites,
) -> Response:
    await sites.remove(caller, site, preconditions=preconditions, address=address)
    return done_reply(request_id)
