"""Puts together what is told of the Sun and the Moon."""

from __future__ import annotations

from datalab.platform.assembly import Capability, Core
from session_api.ephemeris import http
from session_api.ephemeris.model import Configurations
from session_api.ephemeris.runners import BusEphemerisRunners
from session_api.ephemeris.service import EphemerisService
from session_api.ephemeris.settings import EphemerisSettings


def build(core: Core, *, settings: EphemerisSettings, sites: Configurations) -> Capability:
    """Return the capability."""
    runners = BusEphemerisRunners(bus=core.bus, time_limit_s=settings.ephemeris_time_limit_s)
    service = EphemerisService(sites=sites, runners=runners)
    return Capability(routes=[*http.moon_router.routes, *http.night_router.routes], services=[service])
