"""Taking typed values out of the cards of a header, whatever was written into them."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import Final

from datalab.astro.headers.card_values import CardValues
from datalab.astro.headers.date_texts import UnreadableDateError, read_date
from datalab.astro.headers.exposure_lengths import exposure_time_s
from datalab.astro.headers.frame_types import frame_type
from datalab.astro.headers.observation_times import ObservationTimes, observation_times
from datalab.astro.headers.positions import icrs_position

_DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)(?:[T ](?P<time>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?P<zone>Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_FILTER_WHEEL = re.compile(r"FILTER[1-9]", re.ASCII)

#: Says from when on an exposure is public.
PUBLIC_DATE_KEYWORD: Final = "L1PUBDAT"
#: Where programs write how high and in which direction the telescope pointed: the first usable one counts.
_ALTITUDES: Final = ("ALTITUDE", "CENTALT", "OBJCTALT", "TELALT")
_AZIMUTHS: Final = ("AZIMUTH", "CENTAZ", "OBJCTAZ", "TELAZ")
#: At the zenith, less rounding; at the horizon (38 in the model of Kasten & Young 1989, 39 in Pickering's of 2002).
_LEAST_AIRMASS, _MOST_AIRMASS = 0.99, 40.0
#: Below, the models of the air differ, and altitudes may be refracted or not.
_LEAST_COMPARED_ALTITUDE_DEG = 10.0
_SAME_AIRMASS_PART = 0.15


class CardReader(CardValues):
    """Returns what several cards say together, too: when, where, how long, of what kind."""

    def moment(self, keyword: str) -> datetime | None:
        """Return a UTC time written as in ISO 8601; a date alone is its midnight."""
        text = self.text(keyword)
        if text is None:
            return None
        moment = _as_moment(text)
        if moment is None:
            self.refuse(keyword, "is not an ISO date and time")
        return moment

    def public_date(self) -> datetime | None:
        """Return from when on everybody may see the exposure. A card without a value is noted: there should be one."""
        if PUBLIC_DATE_KEYWORD in self._cards and self.value(PUBLIC_DATE_KEYWORD) is None:
            self.refuse(PUBLIC_DATE_KEYWORD, "is not an ISO date and time")
        return self.moment(PUBLIC_DATE_KEYWORD)

    def times(self) -> ObservationTimes:
        """Return when the exposure began and what its middle was, UTC."""
        return observation_times(self, exposure_s=self.exposure_time_s())

    def capture_time(self) -> datetime | None:
        """Return when the exposure began, UTC, cut to the millisecond."""
        return cut_to_milliseconds(self.times().start)

    def exposure_time_s(self) -> float | None:
        """Return the exposure time in seconds."""
        return exposure_time_s(self)

    def frame_type(self) -> str | None:
        """Return the kind of exposure, such as EXPOSE, BIAS, DARK, SKYFLAT."""
        return frame_type(self)

    def day(self, keyword: str) -> str | None:
        text = self.text(keyword)
        if text is None:
            return None
        try:
            return date.fromisoformat(text[:10]).isoformat()
        except ValueError:
            pass
        try:
            found = read_date(text)
        except UnreadableDateError as error:
            self.refuse(keyword, str(error))
            return None
        if not found.is_iso:
            self.note(keyword, f"{text!r} read as {found.day.isoformat()}")
        return found.day.isoformat()

    def filter_name(self) -> str | None:
        """Return FILTER, else the first optical element of the filter wheels that is not an empty slot."""
        name = self.text("FILTER")
        if name:
            return name
        wheels = sorted(keyword for keyword in self._cards if _FILTER_WHEEL.fullmatch(keyword))
        return next((name for name in map(self.text, wheels) if name and name.lower() != "air"), None)

    def position(self, when: datetime | None = None) -> tuple[float | None, float | None]:
        """Return right ascension and declination, ICRS degrees, or None twice; `when` is for equinoxes of the date."""
        return icrs_position(self, when=when)

    def altitude_deg(self) -> float | None:
        """Return how high the telescope pointed."""
        return self._first_angle(_ALTITUDES, lowest=-90, highest=90)

    def azimuth_deg(self) -> float | None:
        """Return in which direction the telescope pointed, from north through east."""
        return self._first_angle(_AZIMUTHS, lowest=-180, highest=360)

    def airmass(self, altitude_deg: float | None) -> float | None:
        """Return the airmass. One that does not fit the altitude is noted."""
        airmass = self.number("AIRMASS", lowest=_LEAST_AIRMASS, highest=_MOST_AIRMASS)
        if airmass is not None and altitude_deg is not None and altitude_deg >= _LEAST_COMPARED_ALTITUDE_DEG:
            expected = 1 / math.sin(math.radians(altitude_deg))
            if abs(airmass / expected - 1) > _SAME_AIRMASS_PART:
                self.note("AIRMASS", f"{airmass:g} is not that of an altitude of {altitude_deg:g} degrees")
        return airmass

    def _first_angle(self, keywords: tuple[str, ...], *, lowest: float, highest: float) -> float | None:
        for keyword in keywords:
            angle = self.angle(keyword, lowest=lowest, highest=highest)
            if angle is not None:
                return angle
        return None


def cut_to_milliseconds(moment: datetime | None) -> datetime | None:
    """Return a moment as the archive keeps it."""
    return None if moment is None else moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _as_moment(text: str) -> datetime | None:
    """Return an ISO date and time as UTC, cut to the millisecond; without a zone it is UTC."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # 31 February; a zone that leads before the year 1
        return None
    return cut_to_milliseconds(moment)
