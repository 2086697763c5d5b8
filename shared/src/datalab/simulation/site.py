"""Where the simulated telescope stands, and where a star stands above it."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from datalab.simulation.sky import mjd_of

_MJD_J2000 = 51_544.5


@dataclass(frozen=True, kw_only=True)
class Site:
    """`code` is the first part of every file name (3 to 6 characters); longitude counts east of Greenwich."""

    code: str = "sim"
    name: str = "Simulated Observatory"
    latitude_deg: float = 34.7
    longitude_deg: float = -111.8
    elevation_m: float = 2361.0

    def local_midnight(self, evening: date) -> datetime:
        """The instant (UTC) halfway through the night that begins on this date: mean solar midnight."""
        following = datetime(evening.year, evening.month, evening.day, tzinfo=UTC) + timedelta(days=1)
        return following - timedelta(hours=self.longitude_deg / 15.0)

    def sidereal_time_deg(self, time: datetime) -> float:
        """Local mean sidereal time: the linear part of the IAU 1982 expression (Meeus, Astronomical Algorithms, 12.4).

        UT1 - UTC (under a second, 15 arcsec) is neglected.
        """
        return (280.46061837 + 360.98564736629 * (mjd_of(time) - _MJD_J2000) + self.longitude_deg) % 360.0

    def altitude_azimuth_deg(self, ra_deg: float, dec_deg: float, time: datetime) -> tuple[float, float]:
        """Altitude without refraction, and azimuth from north through east, in degrees."""
        hour_angle = math.radians(self.sidereal_time_deg(time) - ra_deg)
        dec, latitude = math.radians(dec_deg), math.radians(self.latitude_deg)
        up = math.sin(latitude) * math.sin(dec) + math.cos(latitude) * math.cos(dec) * math.cos(hour_angle)
        east = -math.cos(dec) * math.sin(hour_angle)
        north = math.cos(latitude) * math.sin(dec) - math.sin(latitude) * math.cos(dec) * math.cos(hour_angle)
        return math.degrees(math.asin(max(-1.0, min(1.0, up)))), math.degrees(math.atan2(east, north)) % 360.0


def airmass_at(altitude_deg: float) -> float:
    """Relative air mass by Kasten and Young (1989, Applied Optics 28, 4735). Raises ValueError below the horizon."""
    if altitude_deg <= 0.0:
        raise ValueError(f"no air mass at altitude {altitude_deg:.1f} degrees")
    return 1.0 / (math.sin(math.radians(altitude_deg)) + 0.50572 * math.pow(altitude_deg + 6.07995, -1.6364))
