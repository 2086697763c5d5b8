"""The events of a night at an observatory, as Photon Ranch defines them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from datalab.astro.ephemeris.bodies import Body, Place, altitude_deg
from datalab.astro.ephemeris.crossings import Course, course
from datalab.astro.ephemeris.horizons import Air, dip_deg, refraction_deg
from datalab.astro.ephemeris.moon_passages import MOON_HORIZON_DEG
from datalab.astro.ephemeris.time_scales import DAY_S, tai_from_unix

_HOUR: Final = 1 / 24
_MINUTE: Final = 1 / 1440
_SECOND: Final = 1 / DAY_S

#: What the work of the evening takes.
_SCREEN_FLATS: Final = 1.5 * _HOUR
_BIAS_AND_DARK: Final = 8 * _HOUR
_LONGEST_SCREEN_FLAT: Final = 75 * _SECOND
_LONGEST_DARK: Final = 385 * _SECOND


class _Anchor(NamedTuple):
    """The Sun at a depth below the horizon, in degrees, in the evening or in the morning."""

    depth_deg: float
    is_rise: bool


#: At sunset and sunrise the Sun's centre is so deep.
_SUNRISE_DEPTH_DEG: Final = 0.25
_SS, _SR = _Anchor(_SUNRISE_DEPTH_DEG, is_rise=False), _Anchor(_SUNRISE_DEPTH_DEG, is_rise=True)
_CIVIL_DUSK, _CIVIL_DAWN = _Anchor(6, is_rise=False), _Anchor(6, is_rise=True)
_NAUTICAL_DUSK, _NAUTICAL_DAWN = _Anchor(12, is_rise=False), _Anchor(12, is_rise=True)
_ASTRO_DUSK, _ASTRO_DAWN = _Anchor(18, is_rise=False), _Anchor(18, is_rise=True)
_EVENING_FLATS_END, _MORNING_FLATS_BEGIN = _Anchor(11.75, is_rise=False), _Anchor(11.75, is_rise=True)
_MORNING_FLATS_END = _Anchor(1.5, is_rise=True)

_OPERATIONS_BEGIN: Final = -60 * _MINUTE  # from sunset
_SCREEN_FLATS_END: Final = _OPERATIONS_BEGIN - _LONGEST_SCREEN_FLAT
_SCREEN_FLATS_BEGIN: Final = _SCREEN_FLATS_END - _SCREEN_FLATS
_DARKS_END: Final = _SCREEN_FLATS_BEGIN - _LONGEST_DARK

#: Each event, as how many days after what it is.
_EVENTS: Final[Mapping[str, tuple[_Anchor, float]]] = {
    "Eve Bias Dark": (_SS, _DARKS_END - _BIAS_AND_DARK),
    "End Eve Bias Dark": (_SS, _DARKS_END),
    "Eve Scrn Flats": (_SS, _SCREEN_FLATS_BEGIN),
    "End Eve Scrn Flats": (_SS, _SCREEN_FLATS_END),
    "Ops Window Start": (_SS, _OPERATIONS_BEGIN),
    "Cool Down, Open": (_SS, _OPERATIONS_BEGIN + 0.5 * _MINUTE),
    "Eve Sky Flats": (_SS, -30 * _MINUTE),
    "Sun Set": (_SS, 0.0),
    "Civil Dusk": (_CIVIL_DUSK, 0.0),
    "End Eve Sky Flats": (_EVENING_FLATS_END, 0.0),
    "Clock & Auto Focus": (_EVENING_FLATS_END, _MINUTE),
    "Naut Dusk": (_NAUTICAL_DUSK, 0.0),
    "Observing Begins": (_NAUTICAL_DUSK, 5 * _MINUTE),
    "Astro Dark": (_ASTRO_DUSK, 0.0),
    "End Astro Dark": (_ASTRO_DAWN, 0.0),
    "Observing Ends": (_NAUTICAL_DAWN, -5 * _MINUTE),
    "Final Clock & Auto Focus": (_NAUTICAL_DAWN, -4 * _MINUTE),
    "Naut Dawn": (_NAUTICAL_DAWN, 0.0),
    "Morn Sky Flats": (_MORNING_FLATS_BEGIN, 0.0),
    "Civil Dawn": (_CIVIL_DAWN, 0.0),
    "End Morn Sky Flats": (_MORNING_FLATS_END, 0.0),
    "Ops Window Closes": (_MORNING_FLATS_END, 0.5 * _MINUTE),
    "Sunrise": (_SR, 0.0),
}
#: Half way from sunset to sunrise.
_MIDDLE: Final = "Middle of Night"
_DEPTHS: Final = sorted({anchor.depth_deg for anchor, _ in _EVENTS.values()})


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteNight:
    """The events of a night, TAI Julian dates.

    `start` is the noon before it, `stop` a day later. `events` are in order of time; `missing` are the others that a
    night has, each with the reason why it does not happen. The Moon rises and sets where it does, and is never missed.
    """

    start: float
    stop: float
    events: dict[str, float]
    missing: dict[str, str]


def noon_before(unix_s: float, utc_offset_s: float) -> float:
    """Return when, TAI Julian date, the night of a moment begins: at noon of the clocks at a place, at or before it.

    It is noon in TAI less the offset of the local clocks, so 37 s before they show noon.
    """
    offset = utc_offset_s / DAY_S
    return math.floor(float(tai_from_unix(unix_s)) + offset) - offset


def site_night(place: Place, start: float, *, air: Air | None = None) -> SiteNight:
    """Return what happens in the night after a noon.

    A place at height 0 has its horizon at its level. For one that is higher, the Sun and the Moon rise and set at the
    horizon of the sea below; with air they do so where light is bent to that horizon. The twilights, which are depths
    of the Sun, know neither.

    Args:
        place: where.
        start: TAI Julian date of the noon, see `noon_before`.
        air: at the place; None for Photon Ranch's horizons, of 0.25 degrees for the Sun and 34 arcmin for the Moon.
    """
    stop, dip = start + 1, dip_deg(place.height_m)
    sunrise = _SUNRISE_DEPTH_DEG + dip + (refraction_deg(-_SUNRISE_DEPTH_DEG, air) if air else 0.0)
    depths = [sunrise if depth == _SUNRISE_DEPTH_DEG else depth for depth in _DEPTHS]
    sun = course(partial(altitude_deg, Body.SUN, place), start, stop, [-depth for depth in depths])
    anchors, reasons = _anchors(sun, depths)
    events = {name: anchors[anchor] + days for name, (anchor, days) in _EVENTS.items() if anchor in anchors}
    missing = {name: reasons[anchor] for name, (anchor, _) in _EVENTS.items() if anchor in reasons}
    if _SS in anchors and _SR in anchors:
        events[_MIDDLE] = anchors[_SS] + (anchors[_SR] - anchors[_SS]) / 2
    else:
        missing[_MIDDLE] = reasons.get(_SS) or reasons[_SR]
    moon_horizon = (-refraction_deg(0.0, air) if air else MOON_HORIZON_DEG) - dip
    (moon,) = course(partial(altitude_deg, Body.MOON, place), start, stop, [moon_horizon]).crossings
    events |= {
        name: float(times[-1]) for name, times in (("Moon Rise", moon.rises), ("Moon Set", moon.sets)) if times.size
    }
    return SiteNight(
        start=start, stop=stop, events=dict(sorted(events.items(), key=lambda event: event[1])), missing=missing
    )


def _anchors(sun: Course, depths: list[float]) -> tuple[dict[_Anchor, float], dict[_Anchor, str]]:
    """Return when the Sun is at each depth, and why it is not: the first set, and the first rise after it."""
    found, reasons = {}, {}
    for nominal, depth, crossings in zip(_DEPTHS, depths, sun.crossings, strict=True):
        evening, morning = _Anchor(nominal, is_rise=False), _Anchor(nominal, is_rise=True)
        if crossings.sets.size:
            found[evening] = float(crossings.sets[0])
        if crossings.rises.size:
            later = crossings.rises[crossings.rises > found.get(evening, -math.inf)]
            found[morning] = float(later[0] if later.size else crossings.rises[0])
        for anchor, does in ((evening, "sink to"), (morning, "rise to")):
            if anchor not in found:
                reasons[anchor] = _reason(sun, depth, does)
    return found, reasons


def _reason(sun: Course, depth_deg: float, does: str) -> str:
    level = f"{depth_deg:.4g} degrees below the horizon"
    if sun.lowest_deg > -depth_deg:
        return f"The Sun stays higher than {level}."
    if sun.highest_deg <= -depth_deg:
        return f"The Sun stays lower than {level}."
    return f"The Sun does not {does} {level} between this noon and the next."
