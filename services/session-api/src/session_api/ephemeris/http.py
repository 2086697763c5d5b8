"""`/events` and `/events/moon/rise-set-illum`: the Sun and the Moon over sites, as Photon Ranch tells them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response
from typing_extensions import TypedDict

from datalab.errors import NotFoundError, UsageError
from datalab.events.envelope import utc_now
from datalab.events.ephemeris import EARLIEST_S, LATEST_S, MoonPassagesRequested, SiteNightRequested
from session_api.ephemeris.model import MoonQuestion
from session_api.ephemeris.service import EphemerisService
from session_api.ephemeris.views import MoonPassageView, NightView, TimeFormat, night_view, passage_view
from session_api.web.access import Access, access
from session_api.web.bodies import ErrorResponses
from session_api.web.dependencies import CorrelationId, provided
from session_api.web.parameters import WITHOUT_NULLS
from session_api.web.photon_ranch import TEXT_ERRORS, PhotonRanchRoute, photon_ranch_router
from session_api.web.replies import JsonReply

Ephemeris = Annotated[EphemerisService, provided(EphemerisService)]
_SiteCode = Annotated[str | None, StringConstraints(max_length=256), WITHOUT_NULLS]
_Degrees = Annotated[float, Field(allow_inf_nan=False)]

#: The words clients know, as they are.
_NO_SITE: Final = "Missing 'site' query string request parameter."
_WRONG_TIMES: Final = (
    "Error with format of start/end times. Format should be like: '2020-12-31T01:00:00Z. "  # without the second quote
)
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
#: How far an instant may be off, in seconds: 2, and more in the years after astropy's tables were packed.
ACCURACY_HEADER: Final = "Datalab-Accuracy-S"


class EventsRoute(PhotonRanchRoute):
    """A route that says as a JSON object what is wrong."""

    def wrong(self, text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
        return JsonReply({"error": text}, status, headers)


class EventsFailure(TypedDict):
    """Why there are no events."""

    error: str


_WRONG: ErrorResponses = {400: {"model": EventsFailure}, 404: {"model": EventsFailure}}

night_router = photon_ranch_router(tag="ephemeris", route_class=EventsRoute)
moon_router = photon_ranch_router(tag="ephemeris")


@night_router.get("/events", response_model=NightView, responses=_WRONG, summary="Tell the events of a site's night")
@access(Access.PUBLIC, limits=("ephemeris_time_limit_s",), emits=(SiteNightRequested,))
async def get_events(
    site: Annotated[_SiteCode, Query()] = None,
    when: Annotated[
        float | None,
        Query(ge=EARLIEST_S, le=LATEST_S, allow_inf_nan=False, description="Unix time in seconds; now unless given"),
    ] = None,
    form: Annotated[TimeFormat, Query(alias="format")] = TimeFormat.JD_TAI,
    *,
    elevation: Annotated[bool, Query(description="Sun and Moon set at the horizon of the sea below the site")] = False,
    refraction: Annotated[
        bool, Query(description="Sun and Moon set where the site's air bends their light to")
    ] = False,
    correlation_id: CorrelationId,
    ephemeris: Ephemeris,
) -> Response:
    if not site:
        raise UsageError(_NO_SITE)
    night = await ephemeris.night(
        site,
        utc_now() if when is None else datetime.fromtimestamp(when, UTC),
        with_elevation=elevation,
        with_refraction=refraction,
        correlation_id=correlation_id,
    )
    return JsonReply(night_view(night, form), headers={ACCURACY_HEADER: str(night.accuracy_s)})


@moon_router.get(
    "/events/moon/rise-set-illum",
    response_model=list[MoonPassageView],
    responses=TEXT_ERRORS,
    summary="Tell when the Moon rises, passes the meridian and sets",
)
@access(Access.PUBLIC, limits=("ephemeris_time_limit_s",), emits=(MoonPassagesRequested,))
async def get_moon(
    lat: Annotated[_Degrees, Query(ge=-90, le=90, description="degrees to the north")],
    lng: Annotated[_Degrees, Query(ge=-360, le=360, description="degrees to the east")],
    start: Annotated[str, Query(description="UTC, written like 2020-12-31T01:00:00Z")],
    end: Annotated[str, Query(description="like `start`, at most 400 days later")],
    form: Annotated[TimeFormat, Query(alias="format")] = TimeFormat.ISO,
    *,
    correlation_id: CorrelationId,
    ephemeris: Ephemeris,
) -> Response:
    start_s, stop_s = _unix_s(start), _unix_s(end)
    if start_s > stop_s:
        raise NotFoundError(_WRONG_TIMES)
    question = MoonQuestion(latitude_deg=lat, longitude_deg=lng, start_s=start_s, stop_s=stop_s)
    told = await ephemeris.moon_passages(question, correlation_id=correlation_id)
    views = [passage_view(passage, form) for passage in told.passages]
    return JsonReply(views, headers={ACCURACY_HEADER: str(told.accuracy_s)})


def _unix_s(text: str) -> float:
    """Return a time. Raises `NotFoundError`, as clients are used to."""
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise NotFoundError(_WRONG_TIMES) from None
