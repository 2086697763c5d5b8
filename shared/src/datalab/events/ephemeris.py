"""Questions about the Sun and the Moon over a place: asked of the runners, answered while somebody waits.

The head of an answer is `analysis.answered.v1`; a `SiteNight` or `MoonPassages` follows it as JSON if nothing failed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from datalab.events.analysis import MAX_ANSWER_TIME_S
from datalab.events.envelope import Event, WireModel

#: Where the tables of leap seconds begin, and the theories of the Sun and the Moon end: Unix times, seconds.
EARLIEST_S: Final = datetime(1972, 1, 2, tzinfo=UTC).timestamp()
LATEST_S: Final = datetime(2099, 12, 30, tzinfo=UTC).timestamp()
#: The longest time whose passages of the Moon are told at once.
LONGEST_INTERVAL_S: Final = 400 * 86400.0
#: No mountain is higher.
HIGHEST_M: Final = 10_000.0

LatitudeDeg = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
#: To the east.
LongitudeDeg = Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]
UnixTime = Annotated[float, Field(ge=EARLIEST_S, le=LATEST_S, allow_inf_nan=False)]
_AnswerTime = Annotated[
    float, Field(gt=0, le=MAX_ANSWER_TIME_S, description="an answer that comes later is not read, in seconds")
]


class AirAtSite(WireModel):
    """What bends light at the horizon."""

    pressure_hpa: float = Field(ge=0, le=1200, allow_inf_nan=False)
    temperature_c: float = Field(ge=-100, le=60, allow_inf_nan=False)


class SiteNightRequested(Event):
    """Please tell when is what in the night a moment belongs to, from noon to noon of the clocks at a place."""

    type: Literal["site-night.requested.v1"] = "site-night.requested.v1"
    latitude_deg: LatitudeDeg
    longitude_deg: LongitudeDeg
    height_m: float = Field(0.0, ge=0, le=HIGHEST_M, description="of the observer above the horizon of the sea")
    air: AirAtSite | None = Field(None, description="none: the Sun and the Moon rise where Photon Ranch has them rise")
    unix_s: UnixTime
    utc_offset_s: float = Field(ge=-86400, le=86400, description="of the clocks at the place, at that moment")
    answer_within_s: _AnswerTime


class MoonPassagesRequested(Event):
    """Please tell when the Moon rises, passes the meridian and sets over a place."""

    type: Literal["moon-passages.requested.v1"] = "moon-passages.requested.v1"
    latitude_deg: LatitudeDeg
    longitude_deg: LongitudeDeg
    start_s: UnixTime
    stop_s: UnixTime = Field(description="not before `start_s`, nor more than 400 days after it")
    answer_within_s: _AnswerTime


EphemerisQuestion = SiteNightRequested | MoonPassagesRequested


class Instant(WireModel):
    """One instant, in the two ways clients have it told: a TAI Julian date, and Unix time in seconds (UTC)."""

    tai_jd: float
    unix_s: float


class SiteNight(WireModel):
    """What happens in a night, in order of time; and what does not, with the reason for it."""

    start: Instant
    stop: Instant
    events: dict[str, Instant]
    missing: dict[str, str]
    accuracy_s: float = Field(description="how far a rise or set may be off")


class MoonPassage(WireModel):
    """From a rise of the Moon to the set that follows it."""

    rise: Instant
    transit: Instant
    set: Instant
    illumination: float = Field(description="the lit part of the disc at transit, 0 to 1")


class MoonPassages(WireModel):
    """The passages that are complete within an interval, in order of time."""

    passages: tuple[MoonPassage, ...]
    accuracy_s: float = Field(description="how far a rise or set may be off")
