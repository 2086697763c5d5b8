"""What a header says about an exposure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader, cut_to_milliseconds
from datalab.astro.headers.cards import HeaderCards, HeaderValue
from datalab.astro.headers.observation_times import observation_times


@dataclass(frozen=True, slots=True)
class FrameDescription:
    """What a header says about an exposure; None where it says nothing usable, with the reason in `notes`.

    `capture_time` is the start, `mid_time` the middle of the exposure, or of all exposures of a stack: both UTC.
    """

    capture_time: datetime | None = None
    mid_time: datetime | None = None
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


def describe(cards: Mapping[str, HeaderValue], units: Mapping[str, str] | None = None) -> FrameDescription:
    """Return what the archive wants to know about an exposure, from the cards observatories are known to write.

    Numbers may be given as text. Times are UTC, the start cut to milliseconds; positions are ICRS degrees, taken from
    the WCS reference value, else OBJCTRA/OBJCTDEC, else RA/DEC and others. Numbers are degrees; in sexagesimal text RA
    is in hours. `units` are those that comments name: of numbers they count.
    """
    reader = CardReader(cards, units)
    exposure_time_s = reader.exposure_time_s()
    times = observation_times(reader, exposure_s=exposure_time_s)
    right_ascension_deg, declination_deg = reader.position(times.start)
    altitude_deg = reader.altitude_deg()
    return FrameDescription(
        capture_time=cut_to_milliseconds(times.start),
        mid_time=times.middle,
        right_ascension_deg=right_ascension_deg,
        declination_deg=declination_deg,
        altitude_deg=altitude_deg,
        azimuth_deg=reader.azimuth_deg(),
        airmass=reader.airmass(altitude_deg),
        exposure_time_s=exposure_time_s,
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
        observation_day=reader.day("DAY-OBS") or times.day,
        reduction_level=reader.whole("RLEVEL"),
        configuration_type=reader.frame_type(),
        public_date=reader.public_date(),
        notes=tuple(reader.notes),
    )


def describe_header(header: fits.Header) -> FrameDescription:
    """Return what the cards of a header say, with notes on those that cannot be read, too; see `describe`."""
    cards = HeaderCards(header)
    described = describe(cards, cards.units)
    return replace(described, notes=(*cards.notes, *described.notes)) if cards.notes else described
