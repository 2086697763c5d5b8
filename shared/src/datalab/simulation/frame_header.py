"""The FITS header of a simulated frame, with the keys that ptr-observatory and LCO write."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from astropy.io.fits import Header
from astropy.wcs import WCS

from datalab.simulation.conditions import Conditions, Pointing
from datalab.simulation.detector import Camera
from datalab.simulation.site import Site
from datalab.simulation.sky import mjd_of

ObservationType = Literal["EXPOSE", "BIAS", "DARK", "SKYFLAT"]

RAW_LEVEL = 0
REDUCED_LEVEL = 91  # the archive's number for a frame freed of bias, dark and flat
PROPRIETARY_PERIOD = timedelta(days=365)


@dataclass(frozen=True, kw_only=True)
class SmartStack:
    """Membership in a series of short exposures to be stacked: `index` counts from 0."""

    identifier: str = "no"
    index: int = 0
    length: int = 1


@dataclass(frozen=True, kw_only=True)
class FrameIdentity:
    """Who took the frame, with what, for whom."""

    site: Site = field(default_factory=Site)
    instrument: str = "sq001ms"
    telescope: str = "0m4a"
    day_obs: date = date(2026, 3, 14)
    counter: int = 1
    object_name: str = "Simulated field"
    moving_target: bool = False
    username: str = "Simulated Observer"
    user_id: str = "auth0simulatedobserver"
    proposal: str = "SIM2026A-001"
    block_id: int = 1
    request_number: int = 1
    smart_stack: SmartStack = field(default_factory=SmartStack)

    @property
    def base_name(self) -> str:
        return f"{self.site.code}-{self.instrument}-{self.day_obs:%Y%m%d}-{self.counter:08d}"


def frame_header(
    *,
    identity: FrameIdentity,
    camera: Camera,
    time: datetime,
    exposure_s: float,
    filter_name: str,
    observation_type: ObservationType,
    reduction_level: int,
    saturation_adu: float,
) -> Header:
    """What every frame has, calibrations too. `DATE` is the end of the read-out, never the clock of today."""
    header = Header()
    written = time + timedelta(seconds=exposure_s + camera.readout_s)
    day = f"{identity.day_obs:%Y%m%d}"
    kind = observation_type.lower()
    for key, value, comment in (
        ("DATE", _iso(written), "[UTC] Date and time the frame was complete"),
        ("DATE-OBS", _iso(time), "[UTC] Start of the exposure"),
        ("DAY-OBS", day, "Local date at the start of the night"),
        ("MJD-OBS", round(mjd_of(time), 8), "[d] Start of the exposure (UTC)"),
        ("UTSTART", f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}", "[UTC] Start of the exposure"),
        ("TIMESYS", "UTC", "Time system"),
        ("EXPTIME", float(exposure_s), "[s] Exposure time"),
        ("OBSTYPE", observation_type, "Type of observation"),
        ("FILTER", filter_name, "Filter"),
        ("SITEID", identity.site.code, "Site code"),
        ("SITE", identity.site.name, "Site name"),
        ("ORIGIN", "Datalab simulator", "Maker of the file"),
        ("TELESCOP", f"{identity.telescope}-{identity.site.code}", "Telescope"),
        ("TELID", identity.telescope, "Telescope code"),
        ("INSTRUME", identity.instrument, "Instrument"),
        ("LATITUDE", identity.site.latitude_deg, "[deg] North"),
        ("LONGITUD", identity.site.longitude_deg, "[deg] East"),
        ("HEIGHT", identity.site.elevation_m, "[m] Above sea level"),
        ("OBJECT", identity.object_name if observation_type == "EXPOSE" else kind.capitalize(), "Target"),
        ("USERNAME", identity.username, "Observer"),
        ("USERID", identity.user_id, "Account of the observer"),
        ("PROPID", identity.proposal, "Proposal"),
        ("BLKUID", identity.block_id, "Observation"),
        ("REQNUM", identity.request_number, "Request"),
        ("FRAMENUM", identity.counter, "Running number of the frame"),
        ("SMARTSTK", identity.smart_stack.identifier, "Smart stack this frame belongs to"),
        ("SSTKNUM", identity.smart_stack.index, "Index in the smart stack, from 0"),
        ("SSTKLEN", identity.smart_stack.length, "Frames in the smart stack"),
        (
            "ORIGNAME",
            f"{identity.site.code}-{identity.instrument}_{kind}_{filter_name}-{day}-{identity.counter:08d}-EX00.fits.fz",
            "File",
        ),
        ("RLEVEL", reduction_level, "Reduction level"),
        ("L1PUBDAT", _iso(time + PROPRIETARY_PERIOD), "[UTC] Public from"),
        ("GAIN", camera.gain_e_per_adu, "[electron/count] Gain"),
        ("RDNOISE", camera.read_noise_e, "[electron] Read noise"),
        ("SATURATE", saturation_adu, "[count] Saturation level"),
        ("DARKCURR", camera.dark_current_e_per_s, "[electron/s/pix] Dark current"),
        ("PIXSCALE", camera.pixel_scale_arcsec, "[arcsec/pix] Pixel scale"),
        ("XPIXSZ", camera.pixel_size_um, "[um] Pixel size"),
        ("CCDXBIN", 1, "Binning in columns"),
        ("CCDYBIN", 1, "Binning in rows"),
        ("BUNIT", "count", "Unit of the pixels"),
    ):
        header[key] = (value, comment if _fits_on_card(value, comment) else None)
    return header


def add_sky_cards(
    header: Header,
    *,
    wcs: WCS,
    pointing: Pointing,
    target: Pointing,
    conditions: Conditions,
    identity: FrameIdentity,
) -> None:
    """Pointing, target, WCS and the state of the air: what only a frame of the sky has."""
    for key, value, comment in (
        ("RA", right_ascension_text(pointing.ra_deg), "[h] Pointing"),
        ("DEC", declination_text(pointing.dec_deg), "[deg] Pointing"),
        ("OBJCTRA", round(target.ra_deg, 8), "[deg] Target"),
        ("OBJCTDEC", round(target.dec_deg, 8), "[deg] Target"),
        ("CAT-RA", right_ascension_text(target.ra_deg), "[h] Target at the start of the exposure"),
        ("CAT-DEC", declination_text(target.dec_deg), "[deg] Target at the start"),
        ("SRCTYPE", "MINORPLANET" if identity.moving_target else "EXTRASOLAR", "Kind of target"),
        ("ALTITUDE", round(conditions.altitude_deg, 5), "[deg] Middle of the exposure"),
        ("AZIMUTH", round(conditions.azimuth_deg, 5), "[deg] Middle of the exposure"),
        ("AIRMASS", round(conditions.airmass, 5), "Kasten and Young 1989"),
    ):
        header[key] = (value, comment)
    header.update(wcs.to_header())
    # astropy writes PC and CDELT; the observatories write a CD matrix, and some of their readers know nothing else.
    for redundant in ("PC1_1", "PC1_2", "PC2_1", "PC2_2", "CDELT1", "CDELT2", "MJDREF"):
        header.remove(redundant, ignore_missing=True)
    for (row, column), value in zip(((1, 1), (1, 2), (2, 1), (2, 2)), wcs.wcs.cd.ravel().tolist(), strict=True):
        header[f"CD{row}_{column}"] = (value, "[deg/pix] Linear transformation")


def add_quality_cards(
    header: Header, *, fwhm_arcsec: float, sky_adu: float, n_catalogued: int, zero_point_mag: float
) -> None:
    """What the site's pipeline measured. `L1ZP`: magnitude = L1ZP - 2.5 log10(catalogue flux / EXPTIME)."""
    header["FWHMASEC"] = (round(fwhm_arcsec, 3), "[arcsec] Width of the stars")
    header["SEPSKY"] = (round(sky_adu, 3), "[count] Sky level")
    header["NSTARS"] = (n_catalogued, "Sources in the catalogue")
    header["L1ZP"] = (round(zero_point_mag, 5), "[mag] Zero point of the catalogue")


def right_ascension_text(ra_deg: float) -> str:
    """Hours as `HH:MM:SS.sss`."""
    milliseconds = round(ra_deg / 15.0 * 3_600_000) % 86_400_000
    return _sexagesimal(milliseconds, decimals=3)


def declination_text(dec_deg: float) -> str:
    """Degrees as `+DD:MM:SS.ss`."""
    return ("-" if dec_deg < 0 else "+") + _sexagesimal(round(abs(dec_deg) * 360_000), decimals=2)


def _sexagesimal(units: int, *, decimals: int) -> str:
    """Of a whole number of the smallest units shown: rounded once, so that 60 seconds never appear."""
    seconds, fraction = divmod(units, 10**decimals)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{fraction:0{decimals}d}"


def _fits_on_card(value: object, comment: str) -> bool:
    """Whether value and comment share one card of 80 columns: 10 for the keyword, 2 quotes, 3 before the comment."""
    return len(str(value)) + len(comment) <= 80 - 15


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}"
