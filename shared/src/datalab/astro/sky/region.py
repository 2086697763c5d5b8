"""A circle on the sky. Pure numbers: whoever only passes it on need not load numpy or astropy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyRegion:
    """A circle on the sky, ICRS degrees."""

    ra_deg: float
    dec_deg: float
    radius_deg: float
