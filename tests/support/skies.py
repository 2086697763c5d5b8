"""Skies known otherwise: nights that were computed with the first service's algorithm, and skyfield with DE 421."""

import json
import random
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from skyfield.api import load, load_file, wgs84

from support.goldens import DATA

#: Instants are TAI Julian dates, and right to 2 s.
NIGHTS = json.loads((DATA / "ephemeris/nights.json").read_text())
TOLERANCE_S = 2.0
DAY_S = 86400


@cache
def _ephemeris():
    return load_file(str(files("skyfield_data") / "data/de421.bsp"))


@cache
def _timescale():
    return load.timescale(builtin=True)


def altitudes_deg(body, latitude_deg, longitude_deg, tai):
    """Return the altitudes of `sun` or `moon` at TAI Julian dates, as skyfield has them."""
    observer = (_ephemeris()["earth"] + wgs84.latlon(latitude_deg, longitude_deg)).at(_timescale().tai_jd(tai))
    return observer.observe(_ephemeris()[body]).apparent().altaz()[0].degrees


def hour_angles_h(body, latitude_deg, longitude_deg, tai):
    """Return the hour angles, in hours from -12 to 12."""
    observer = (_ephemeris()["earth"] + wgs84.latlon(latitude_deg, longitude_deg)).at(_timescale().tai_jd(tai))
    return observer.observe(_ephemeris()[body]).apparent().hadec()[0].hours


def elongations_deg(tai):
    """Return the angles between the Sun and the Moon from the centre of the Earth, as they are without aberration."""
    earth = _ephemeris()["earth"].at(_timescale().tai_jd(tai))
    return earth.observe(_ephemeris()["sun"]).separation_from(earth.observe(_ephemeris()["moon"])).degrees


@dataclass(frozen=True)
class Sky:
    latitude_deg: float
    longitude_deg: float
    zone: str
    unix_s: float


#: Zones of both hemispheres, with and without summer time, of half hours; Lord Howe's summer is half an hour.
_ZONES = {
    "America/Los_Angeles": (34, -119),
    "America/Chicago": (31.3, -100.5),
    "America/Santiago": (-30.2, -70.8),
    "America/St_Johns": (47.6, -52.7),
    "Atlantic/Canary": (28.3, -16.5),
    "Africa/Johannesburg": (-32.4, 20.8),
    "Europe/Berlin": (47.7, 12.0),
    "Asia/Kolkata": (32.8, 79.0),
    "Australia/Lord_Howe": (-31.5, 159.1),
    "Australia/Sydney": (-31.3, 149.1),
    "Pacific/Auckland": (-44.0, 170.5),
    "Pacific/Honolulu": (19.8, -155.5),
    "UTC": (0.0, 0.0),
}
#: When clocks change in one zone or another.
_CHANGES = [
    *(1711843200, 1729987200, 1728144000, 1712419200),  # 2024: Europe, Australia
    *(1710050400, 1730619000, 1725768000, 1695567600),  # 2024: America, Chile; 2023: New Zealand
]
_FIRST, _LAST = 631152000, 1893456000  # 1990 to 2030


def random_skies(count):
    """Return places near those of telescopes, or anywhere below 60 degrees, at any time or when clocks change."""
    chosen = random.Random(20261130)
    skies = []
    for number in range(count):
        zone = chosen.choice(list(_ZONES))
        latitude, longitude = _ZONES[zone]
        anywhere = number % 3 == 0
        skies.append(
            Sky(
                latitude_deg=chosen.uniform(-60, 60) if anywhere else latitude + chosen.uniform(-2, 2),
                longitude_deg=longitude + chosen.uniform(-5, 5),
                zone=zone,
                unix_s=chosen.choice(_CHANGES) + chosen.uniform(-DAY_S, DAY_S)
                if number % 4 == 0
                else chosen.uniform(_FIRST, _LAST),
            )
        )
    return skies
