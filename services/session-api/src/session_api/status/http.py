"""`/status/…`: how sites are, as their software says it and as observatories and user interfaces ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.envelope import SubjectToken
from datalab.events.site_status import SiteStatusChanged
from session_api.status.model import SiteStatus, StatusSnapshot
from session_api.status.service import StatusService
from session_api.web.access import Access, access
from session_api.web.bodies import TOO_MANY, JsonObject
from session_api.web.dependencies import Address, Anybody, CorrelationId, provided
from session_api.web.parameters import WITHOUT_NULLS
from session_api.web.photon_ranch import (
    TEXT,
    TEXT_ERRORS,
    Done,
    PhotonRanchRoute,
    done_reply,
    photon_ranch_router,
)
from session_api.web.replies import JsonReply

_LARGEST_BYTES: Final = 256 * 1024

Statuses = Annotated[StatusService, provided(StatusService)]
Site = Annotated[SubjectToken, Path(description="the site's code")]
Name = Annotated[str, Path(), StringConstraints(max_length=256), WITHOUT_NULLS]


class StatusRoute(PhotonRanchRoute):
    """A route that takes what Python writes of a sensor without a number: the others are worth showing all the same."""

    no_numbers_as_null = True


router = photon_ranch_router(tag="site status", route_class=StatusRoute)


class StatusForm(BaseModel):
    """What a site says of one kind of its things, by type of device, device and name."""

    model_config = ConfigDict(extra="ignore", strict=True)

    statusType: SubjectToken = Field(description="for example device, weather, enclosure, forecast, obs_settings")  # noqa: N815
    # That it is JSON is known by now; looking at each value again would cost as much as all else.
    status: dict[str, Any]


class StatusView(TypedDict, total=False):
    """A kind of status, each value as `{"val": …, "timestamp": …}`; nothing at all if the site has not said any."""

    site: str
    statusType: str
    status: JsonObject
    server_timestamp_ms: int


class CompleteStatusView(TypedDict):
    """All kinds of status of a site as one, and when each came, in milliseconds since 1970."""

    site: str
    statusType: str
    latest_status_timestamp_ms: int
    status_age_timestamps_ms: dict[str, int]
    status: JsonObject


class FormerStatusView(TypedDict):
    """What a status was at a moment, in milliseconds since 1970."""

    server_timestamp_ms: int
    status: JsonObject


@router.get(
    "/allopenstatus",
    response_model=dict[str, JsonObject],
    summary="See how old every site's statuses are, and whether its weather is good",
)
@router.get("/status/allopenstatus", response_model=dict[str, JsonObject], summary="See /allopenstatus")
@access(Access.PUBLIC)
async def all_open(statuses: Statuses) -> Response:
    return JsonReply(await statuses.open_statuses())


@router.post(
    "/status/{site}/status",
    response_model=Done,
    responses={**TEXT_ERRORS, **TOO_MANY},
    summary="Say how a site is",
)
# A script for tests has its own stage of the first service in the address.
@router.post(
    "/test/{site}/status", response_model=Done, responses={**TEXT_ERRORS, **TOO_MANY}, summary="Say how a site is"
)
@access(
    Access.PUBLIC,
    max_body_bytes=_LARGEST_BYTES,
    audited=False,
    provided="open sites; others with a token for the site",
    limits=("site_status_per_minute", "site_status_address_per_minute"),
    emits=(SiteStatusChanged,),
)
async def take_status(
    caller: Anybody, site: Name, form: StatusForm, *, address: Address, request_id: CorrelationId, statuses: Statuses
) -> Response:
    await statuses.take(caller, site, form.statusType, form.status, address=address)
    return done_reply(request_id)


@router.get(
    "/status/{site}/complete_status",
    response_model=CompleteStatusView,
    responses={404: TEXT},
    summary="See how a site is, all of it",
)
@access(Access.PUBLIC)
async def complete(site: Site, statuses: Statuses) -> Response:
    return JsonReply(await statuses.complete(site))


@router.get(
    "/status/{site}/{kind}",
    response_model=StatusView,
    responses={404: TEXT},
    summary="See how one kind of a site's things is",
)
@access(Access.PUBLIC)
async def get_status(site: Site, kind: Name, statuses: Statuses) -> Response:
    found = await statuses.status(site, kind)
    return JsonReply({} if found is None else _view(found))


@router.get(
    "/status/{site}/{kind}/history",
    response_model=list[FormerStatusView],
    responses={400: TEXT, 404: TEXT},
    summary="See how it was, newest first",
)
@access(Access.PUBLIC, large_answer=True)
async def history(
    site: Site,
    kind: Name,
    since_ms: Annotated[int, Query(ge=0, lt=2**63, description="a moment, in milliseconds since 1970")] = 0,
    *,
    statuses: Statuses,
) -> Response:
    return JsonReply([_former_view(each) for each in await statuses.history(site, kind, since_ms=since_ms)])


def _view(found: SiteStatus) -> Mapping[str, Any]:
    return {
        "site": found.site,
        "statusType": found.kind,
        "status": orjson.Fragment(found.status),
        "server_timestamp_ms": found.server_timestamp_ms,
    }


def _former_view(kept: StatusSnapshot) -> Mapping[str, Any]:
    return {"server_timestamp_ms": kept.server_timestamp_ms, "status": orjson.Fragment(kept.status)}
