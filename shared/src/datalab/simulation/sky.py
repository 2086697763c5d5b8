"""The truth above the atmosphere: stars, variable stars, moving objects; where and how bright they are at a time."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from datalab.simulation.passbands import PASSBANDS

FloatArray = NDArray[np.float64]

_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_SECONDS_PER_DAY = 86_400.0
_ARCSEC_PER_RADIAN = math.degrees(1.0) * 3600.0


def mjd_of(time: datetime) -> float:
    """Modified Julian Date (UTC, days of 86400 s) of an aware datetime."""
    return (time - _MJD_ZERO).total_seconds() / _SECONDS_PER_DAY


@dataclass(frozen=True, kw_only=True)
class Sinusoid:
    """Brightness change; `amplitude_mag` is half of the full range; faintest a quarter period after `epoch_mjd`."""

    period_days: float
    amplitude_mag: float
    epoch_mjd: float = 0.0

    def offset_mag(self, time: datetime) -> float:
        cycles = (mjd_of(time) - self.epoch_mjd) / self.period_days
        return self.amplitude_mag * math.sin(2.0 * math.pi * math.fmod(cycles, 1.0))


@dataclass(frozen=True, kw_only=True)
class Star:
    """A star; `magnitude` is its mean in the reference band rp, `colour_g_r` gives the other bands."""

    name: str
    ra_deg: float
    dec_deg: float
    magnitude: float
    colour_g_r: float = 0.5
    variability: Sinusoid | None = None

    def magnitude_at(self, time: datetime, filter_name: str = "rp") -> float:
        mean = self.magnitude + PASSBANDS[filter_name].colour_term * self.colour_g_r
        return mean if self.variability is None else mean + self.variability.offset_mag(time)


@dataclass(frozen=True, kw_only=True)
class MovingObject:
    """An object on a great circle with constant angular speed; `ra_rate` is measured on the sky (cos dec included)."""

    name: str
    ra_deg: float
    dec_deg: float
    epoch: datetime
    ra_rate_arcsec_per_hour: float
    dec_rate_arcsec_per_hour: float
    magnitude: float
    colour_g_r: float = 0.5

    def magnitude_at(self, filter_name: str = "rp") -> float:
        return self.magnitude + PASSBANDS[filter_name].colour_term * self.colour_g_r

    def position_at(self, time: datetime) -> tuple[float, float]:
        """Right ascension in [0, 360) and declination, both in degrees."""
        hours = (time - self.epoch).total_seconds() / 3600.0
        speed = math.hypot(self.ra_rate_arcsec_per_hour, self.dec_rate_arcsec_per_hour)
        if speed == 0.0:
            return self.ra_deg % 360.0, self.dec_deg
        ra, dec = math.radians(self.ra_deg), math.radians(self.dec_deg)
        start = np.array([math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)])
        east = np.array([-math.sin(ra), math.cos(ra), 0.0])
        north = np.array([-math.sin(dec) * math.cos(ra), -math.sin(dec) * math.sin(ra), math.cos(dec)])
        heading = (self.ra_rate_arcsec_per_hour * east + self.dec_rate_arcsec_per_hour * north) / speed
        arc = speed * hours / _ARCSEC_PER_RADIAN
        x, y, z = start * math.cos(arc) + heading * math.sin(arc)
        return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))


@dataclass(frozen=True, kw_only=True)
class SkySnapshot:
    """Everything in a field at one moment in one band; arrays of shape (n,), stars first, then moving objects."""

    names: tuple[str, ...]
    ra_deg: FloatArray
    dec_deg: FloatArray
    magnitude: FloatArray
    is_moving: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class StarField:
    """A patch of sky around a centre."""

    centre_ra_deg: float
    centre_dec_deg: float
    stars: tuple[Star, ...] = field(default=(), repr=False)
    movers: tuple[MovingObject, ...] = ()

    @classmethod
    def random(
        cls,
        *,
        seed: int,
        centre_ra_deg: float,
        centre_dec_deg: float,
        radius_deg: float,
        n_stars: int,
        magnitude_range: tuple[float, float] = (10.0, 19.0),
        counts_slope_dex_per_mag: float = 0.3,
    ) -> Self:
        """A field with stars spread evenly over a spherical cap.

        The number of stars brighter than m grows as 10**(slope * m). 0.6 would be an endless uniform space without
        dust; 0.3 is near what star counts show at middle galactic latitudes between magnitudes 10 and 19. Colours g-r
        are normal around 0.7 with a spread of 0.35 mag, cut to the range of real stars.
        """
        rng = np.random.default_rng(seed)
        distance = np.arccos(1.0 - rng.random(n_stars) * (1.0 - math.cos(math.radians(radius_deg))))
        angle = rng.random(n_stars) * 2.0 * math.pi
        ra, dec = _offset_positions(math.radians(centre_ra_deg), math.radians(centre_dec_deg), distance, angle)
        bright, faint = (10.0 ** (counts_slope_dex_per_mag * limit) for limit in magnitude_range)
        magnitudes = np.sort(np.log10(bright + rng.random(n_stars) * (faint - bright)) / counts_slope_dex_per_mag)
        colours = np.clip(rng.normal(0.7, 0.35, n_stars), -0.4, 1.6)
        stars = tuple(
            Star(name=f"star-{i:05d}", ra_deg=a, dec_deg=d, magnitude=m, colour_g_r=c)
            for i, (a, d, m, c) in enumerate(
                zip(ra.tolist(), dec.tolist(), magnitudes.tolist(), colours.tolist(), strict=True), start=1
            )
        )
        return cls(centre_ra_deg=centre_ra_deg, centre_dec_deg=centre_dec_deg, stars=stars)

    def including(self, sources: Iterable[Star | MovingObject]) -> Self:
        """The same field with more sources in it."""
        added = tuple(sources)
        return replace(
            self,
            stars=self.stars + tuple(source for source in added if isinstance(source, Star)),
            movers=self.movers + tuple(source for source in added if isinstance(source, MovingObject)),
        )

    def at(self, time: datetime, filter_name: str = "rp") -> SkySnapshot:
        """Positions and magnitudes at a time (aware datetime). Raises KeyError for an unknown filter."""
        magnitude = self._mean_magnitudes + PASSBANDS[filter_name].colour_term * self._colours
        for index, variability in self._variable_stars:
            magnitude[index] += variability.offset_mag(time)
        moved = [mover.position_at(time) for mover in self.movers]
        return SkySnapshot(
            names=self.source_names,
            ra_deg=np.concatenate([self._star_ra, [ra for ra, _ in moved]]),
            dec_deg=np.concatenate([self._star_dec, [dec for _, dec in moved]]),
            magnitude=np.concatenate([magnitude, [mover.magnitude_at(filter_name) for mover in self.movers]]),
            is_moving=np.arange(len(self.source_names)) >= len(self.stars),
        )

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        return (*(star.name for star in self.stars), *(mover.name for mover in self.movers))

    @cached_property
    def _star_ra(self) -> FloatArray:
        return np.array([star.ra_deg for star in self.stars], dtype=np.float64)

    @cached_property
    def _star_dec(self) -> FloatArray:
        return np.array([star.dec_deg for star in self.stars], dtype=np.float64)

    @cached_property
    def _mean_magnitudes(self) -> FloatArray:
        return np.array([star.magnitude for star in self.stars], dtype=np.float64)

    @cached_property
    def _colours(self) -> FloatArray:
        return np.array([star.colour_g_r for star in self.stars], dtype=np.float64)

    @cached_property
    def _variable_stars(self) -> tuple[tuple[int, Sinusoid], ...]:
        return tuple((i, star.variability) for i, star in enumerate(self.stars) if star.variability is not None)


def _offset_positions(
    ra_rad: float, dec_rad: float, distance_rad: FloatArray, angle_rad: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Positions (degrees) at distances and position angles (north through east) from one place."""
    sin_dec = math.sin(dec_rad) * np.cos(distance_rad) + math.cos(dec_rad) * np.sin(distance_rad) * np.cos(angle_rad)
    east = np.sin(angle_rad) * np.sin(distance_rad) * math.cos(dec_rad)
    north = np.cos(distance_rad) - math.sin(dec_rad) * sin_dec
    return np.degrees(ra_rad + np.arctan2(east, north)) % 360.0, np.degrees(np.arcsin(np.clip(sin_dec, -1.0, 1.0)))
