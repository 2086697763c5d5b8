"""What a header says about an exposure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import HeaderCards, HeaderValue

#: Three years: no stack of exposures is as long.
_LONGEST_EXPOSURE_S = 1e8


@dataclass(frozen=True, slots=True)
class FrameDescription:
    """What a header says about an exposure; None where it says nothing usable, with the reason in `notes`."""

    capture_time: datetime | None = None
    right_ascension_deg: float | None = None
    declination_deg: float | None = None
    altitude_deg: float | None = None
    azimuth_deg: float | None = None
    airmass: float | None = None
    exposure_time_s: float | None = None
    filter_name: str | None = None
    username: str | None = None
    user_id: str | None = None
    target_name: str | None = None
    proposal_id: str | None = None
    observation_id: str | None = None
    request_id: str | None = None
    site_id: str | None = None
    telescope_id: str | None = None
    instrument_id: str | None = None
    observation_day: str | None = None
    reduction_level: int | None = None
    configuration_type: str | None = None
    public_date: datetime | None = None
    notes: tuple[str, ...] = ()


def describe(cards: Mapping[str, HeaderValue]) -> FrameDescription:
    """Return what the archive wants to know about an exposure, from the cards observatories are known to write.

    Numbers may be given as text. Times are UTC, cut to milliseconds; positions are in degrees, taken from the WCS
    reference value, else OBJCTRA/OBJCTDEC, else RA/DEC. Numbers are degrees; in sexagesimal text RA is in hours.
    """
    reader = CardReader(cards)
    right_ascension_deg, declination_deg = reader.position()
    return FrameDescription(
        capture_time=reader.capture_time(),
        right_ascension_deg=right_ascension_deg,
        declination_deg=declination_deg,
        altitude_deg=reader.number("ALTITUDE", lowest=-90, highest=90),
        azimuth_deg=reader.number("AZIMUTH", lowest=-180, highest=360),
        airmass=reader.number("AIRMASS", lowest=0.99),  # 1 at the zenith, less rounding
        exposure_time_s=reader.number("EXPTIME", "EXPOSURE", lowest=0, highest=_LONGEST_EXPOSURE_S),
        filter_name=reader.filter_name(),
        username=reader.text("USERNAME"),
        user_id=reader.text("USERID"),
        target_name=reader.text("OBJECT"),
        proposal_id=reader.text("PROPID"),
        observation_id=reader.text("BLKUID"),
        request_id=reader.text("REQNUM"),
        site_id=reader.text("SITEID"),
        telescope_id=reader.text("TELID"),
        instrument_id=reader.text("INSTRUME"),
        observation_day=reader.day("DAY-OBS"),
        reduction_level=reader.whole("RLEVEL"),
        configuration_type=reader.text("OBSTYPE"),
        public_date=reader.public_date(),
        notes=tuple(reader.notes),
    )


def describe_header(header: fits.Header) -> FrameDescription:
    """Return what the cards of a header say; see `describe`."""
    return describe(HeaderCards(header))
