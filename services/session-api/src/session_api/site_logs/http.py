"""`/logs/…` and `/status/phase_status`: what sites say in words, as they send it and user interfaces ask for it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.events.envelope import SubjectToken
from datalab.events.feed import SiteLogAdded, SitePhaseChanged
from session_api.site_logs.model import USUAL_LEVEL, SiteMessage, seconds_of
from session_api.site_logs.service import SiteLogService
from session_api.web.access import Access, access
from session_api.web.bodies import TOO_MANY
from session_api.web.dependencies import Address, Anybody, provided
from session_api.web.photon_ranch import TEXT, TEXT_ERRORS, TextReply, photon_ranch_router
from session_api.web.replies import JsonReply

_LARGEST_BYTES: Final = 32 * 1024
_LONGEST_MESSAGE: Final = 4_000
_HOUR_S: Final = 3600.0

SiteLogs = Annotated[SiteLogService, provided(SiteLogService)]
Site = Annotated[SubjectToken, Path(description="the site's code")]

router = photon_ranch_router(tag="site logs")


class LogForm(BaseModel):
    """What a site says to whoever looks on."""

    model_config = ConfigDict(extra="ignore", strict=True)

    site: SubjectToken
    log_message: str = Field(max_length=_LONGEST_MESSAGE)
    log_level: str = Field(
        USUAL_LEVEL, min_length=1, max_length=32, description="debug, info, warning, error, critical"
    )
    timestamp: JsonValue = Field(description="when it was said, in seconds since 1970")


class PhaseForm(BaseModel):
    """What a site is about to do."""

    model_config = ConfigDict(extra="ignore", strict=True)

    site: SubjectToken
    message: str = Field(max_length=_LONGEST_MESSAGE)


class LogView(TypedDict):
    """A message of a site, said at a moment in seconds since 1970."""

    message: str
    log_level: str
    timestamp: int


class PhaseView(TypedDict):
    """What a site was about to do at a moment in seconds since 1970; `ttl` is when it is forgotten."""

    site: str
    timestamp: float
    message: str
    ttl: float


@router.post(
    "/logs/newlog",
    response_model=None,
    responses={200: TEXT, **TEXT_ERRORS, **TOO_MANY},
    summary="Say something to whoever looks at a site",
)
@access(
    Access.PUBLIC,
    max_body_bytes=_LARGEST_BYTES,
    audited=False,
    provided="open sites; others with a token for the site",
    limits=("site_log_per_minute", "site_log_address_per_minute"),
    emits=(SiteLogAdded,),
)
async def add_log(caller: Anybody, form: LogForm, *, address: Address, logs: SiteLogs) -> Response:
    timestamp = seconds_of(form.timestamp, name="timestamp")
    await logs.add_log(caller, form.site, form.log_message, level=form.log_level, timestamp=timestamp, address=address)
    return TextReply("Succesfully added new log message.")  # as clients have always read it


@router.get(
    "/logs/recent-logs",
    response_model=list[LogView],
    responses={400: TEXT},
    summary="List what a site has said after a moment, newest first",
)
@access(Access.PUBLIC, large_answer=True)
async def recent_logs(
    site: Annotated[SubjectToken, Query(description="the site's code")],
    after_time: Annotated[str, Query(description="a moment, in seconds since 1970")],
    *,
    logs: SiteLogs,
) -> Response:
    found = await logs.logs(site, after=seconds_of(after_time, name="after_time"))
    return JsonReply([_log_view(each) for each in found])


@router.post(
    "/phase_status",
    response_model=None,
    responses={200: TEXT, **TEXT_ERRORS, **TOO_MANY},
    summary="Say what a site is about to do",
)
@router.post(
    "/status/phase_status",
    response_model=None,
    responses={200: TEXT, **TEXT_ERRORS, **TOO_MANY},
    summary="Say what a site is about to do",
)
@access(
    Access.PUBLIC,
    max_body_bytes=_LARGEST_BYTES,
    audited=False,
    provided="open sites; others with a token for the site",
    limits=("site_log_per_minute", "site_log_address_per_minute"),
    emits=(SitePhaseChanged,),
)
async def add_phase(caller: Anybody, form: PhaseForm, *, address: Address, logs: SiteLogs) -> Response:
    await logs.add_phase(caller, form.site, form.message, address=address)
    return TextReply("Phase status broadcasted to sites successfully.")


@router.get(
    "/phase_status/{site}",
    response_model=list[PhaseView],
    responses={400: TEXT, 404: TEXT},
    summary="List what a site was about to do lately: the latest three, newest first",
)
@router.get(
    "/status/phase_status/{site}",
    response_model=list[PhaseView],
    responses={400: TEXT, 404: TEXT},
    summary="List what a site was about to do lately",
)
@access(Access.PUBLIC)
async def list_phases(
    site: Site,
    max_age_seconds: Annotated[float, Query(ge=0, allow_inf_nan=False, description="how old they may be")] = _HOUR_S,
    *,
    logs: SiteLogs,
) -> Response:
    return JsonReply([_phase_view(each) for each in await logs.phases(site, max_age_s=max_age_seconds)])


def _log_view(kept: SiteMessage) -> LogView:
    return LogView(message=kept.message, log_level=kept.log_level or USUAL_LEVEL, timestamp=int(kept.timestamp))


def _phase_view(kept: SiteMessage) -> PhaseView:
    return PhaseView(site=kept.site, timestamp=kept.timestamp, message=kept.message, ttl=kept.kept_until.timestamp())
