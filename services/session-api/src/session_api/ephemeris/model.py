"""What is asked about the Sun and the Moon, and what a site's configuration says for that."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from datalab.errors import UsageError
from datalab.events.ephemeris import (
    EARLIEST_S,
    HIGHEST_M,
    LATEST_S,
    LONGEST_INTERVAL_S,
    AirAtSite,
    MoonPassages,
    SiteNight,
)
from session_api.web.bodies import JsonObject

_DAY_S: Final = 86400
#: Nights begin at noon in TAI, which is ahead of UTC by 37 s now; half as much again is left for what may be added.
_NOON_S: Final = 56
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")
#: The least and the most each key can be.
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "latitude": (-90, 90),
    "longitude": (-360, 360),
    "elevation": (-500, HIGHEST_M),
    "reference_pressure": (0, 1200),
    "reference_ambient": (-100, 60),
}
_ZONE_KEY: Final = "TZ_database_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class NightQuestion:
    """A moment at a place, whose night is to be told of; see `SiteNightRequested`."""

    latitude_deg: float
    longitude_deg: float
    height_m: float
    air: AirAtSite | None
    unix_s: float
    utc_offset_s: float

    @property
    def night(self) -> tuple[object, ...]:
        """What is the same for all moments of a night at a place, and for no others.

        Close to noon only runners know to which night a moment belongs: there each is one of its own.
        """
        day, since_noon_s = divmod(self.unix_s + self.utc_offset_s + _DAY_S / 2, _DAY_S)
        part = day if since_noon_s < _DAY_S - _NOON_S else self.unix_s
        return (self.latitude_deg, self.longitude_deg, self.height_m, self.air, self.utc_offset_s, part)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoonQuestion:
    """An interval at a place, Unix times; see `MoonPassagesRequested`."""

    latitude_deg: float
    longitude_deg: float
    start_s: float
    stop_s: float

    def __post_init__(self) -> None:
        """Raise `UsageError` for what is not computed."""
        if self.start_s < EARLIEST_S or self.stop_s > LATEST_S:
            raise UsageError("start and end have to be from 1972-01-02 to 2099-12-30.")
        if self.stop_s - self.start_s > LONGEST_INTERVAL_S:
            raise UsageError("From start to end there are at most 400 days.")


class Configurations(Protocol):
    async def configuration(self, site: str) -> JsonObject:
        """Return what a site says of itself. Raises `NotFoundError`."""
        ...


class EphemerisRunners(Protocol):
    """The runners, as far as they know the Sun and the Moon. Methods raise `UsageError`, `TransientError`."""

    async def night(self, question: NightQuestion, correlation_id: str) -> SiteNight: ...

    async def moon_passages(self, question: MoonQuestion, correlation_id: str) -> MoonPassages: ...


def night_question(
    configuration: JsonObject, moment: datetime, *, with_elevation: bool, with_refraction: bool
) -> NightQuestion:
    """Return the question about the night of a moment at a site.

    Numbers may be texts, or the first of a list. Raises `UsageError` for what the configuration lacks.
    """
    wanted = ["latitude", "longitude"]
    wanted += ["elevation"] if with_elevation else []
    wanted += ["reference_ambient", "reference_pressure"] if with_refraction else []
    values = {key: _number(configuration.get(key), *_LIMITS[key]) for key in wanted}
    lacking = [key for key in wanted if values[key] is None]
    zone_name = configuration.get(_ZONE_KEY)
    if zone_name is None:
        lacking.append(_ZONE_KEY)
    if lacking:
        raise UsageError(
            "Site config missing required parameters. Please ensure it includes "
            f"{', '.join(wanted)}, and {_ZONE_KEY}. Not there, or not usable: {', '.join(lacking)}."
        )
    offset = moment.astimezone(_zone(zone_name)).utcoffset()
    assert offset is not None
    numbers = {key: value for key, value in values.items() if value is not None}
    air = None
    if with_refraction:
        air = AirAtSite(pressure_hpa=numbers["reference_pressure"], temperature_c=numbers["reference_ambient"])
    return NightQuestion(
        latitude_deg=numbers["latitude"],
        longitude_deg=numbers["longitude"],
        height_m=max(numbers.get("elevation", 0.0), 0.0),  # below the sea no horizon is lower
        air=air,
        unix_s=moment.astimezone(UTC).timestamp(),
        utc_offset_s=offset.total_seconds(),
    )


def completed(configuration: JsonObject, of_wema: JsonObject) -> JsonObject:
    """Return a configuration with what its weather station (wema) says of the place that both are at."""
    said = {key: value for key, value in configuration.items() if value is not None}
    return {**{key: of_wema[key] for key in (*_LIMITS, _ZONE_KEY) if key in of_wema}, **said}


def _number(value: JsonValue, least: float, most: float) -> float | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and least <= number <= most else None


def _zone(name: JsonValue) -> ZoneInfo:
    """Return a time zone. Raises `UsageError`."""
    try:
        if isinstance(name, str) and _ZONE.fullmatch(name):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # none, no zone but another file, a folder
        pass
    raise UsageError(f"Invalid timezone name from site config: '{str(name)[:100]}'")
