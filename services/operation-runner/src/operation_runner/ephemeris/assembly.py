"""Puts together what tells of the Sun and the Moon."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from operation_runner.ephemeris.bus import responders
from operation_runner.ephemeris.pool import Almanac


def build() -> Capability:
    """Return the capability: questions in, answers out."""
    almanac = Almanac()
    return Capability(resources=[almanac], responders=lambda: responders(almanac))
