"""The filters a simulated camera carries, and what sky and atmosphere do in each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Passband:
    """One filter.

    `colour_term` turns the reference magnitude (rp) of a star into this band: m = m_rp + colour_term * (g - r);
    slopes are those of the main stellar locus. `zero_point_mag` is the magnitude above the atmosphere that gives one
    detected electron per second on a 0.4 m telescope: about 1000 photons/s/cm2/Angstrom at magnitude 0, times
    bandwidth, times 0.13 m2, times 0.4 for optics and detector. Extinction and dark-sky brightness are those of a
    good site at 1000-2500 m without Moon.
    """

    name: str
    colour_term: float
    zero_point_mag: float
    extinction_mag_per_airmass: float
    dark_sky_mag_per_arcsec2: float


def _band(name: str, colour: float, zero_point: float, extinction: float, sky: float) -> Passband:
    return Passband(
        name=name,
        colour_term=colour,
        zero_point_mag=zero_point,
        extinction_mag_per_airmass=extinction,
        dark_sky_mag_per_arcsec2=sky,
    )


PASSBANDS: Mapping[str, Passband] = MappingProxyType(
    {
        band.name: band
        for band in (
            _band("up", 2.5, 19.8, 0.50, 22.0),
            _band("B", 1.35, 21.4, 0.24, 22.3),
            _band("gp", 1.0, 21.9, 0.19, 21.9),
            _band("V", 0.41, 21.5, 0.13, 21.4),
            _band("rp", 0.0, 21.6, 0.10, 20.9),
            _band("ip", -0.35, 21.1, 0.06, 20.1),
            _band("zs", -0.55, 20.0, 0.05, 19.2),
            _band("w", 0.3, 22.9, 0.12, 20.9),
            _band("H-Alpha", 0.0, 17.9, 0.09, 20.9),
        )
    },
)
