"""What there is to see on the tour: a field with a cluster, a variable star, an asteroid, and four nights on it.

Everything a test needs to know about the sky is here; all else it learns from the API.
"""

import hashlib
import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits

from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightFile, NightPlan, SimulatedObservatory
from datalab.simulation.sky import MovingObject, Sinusoid, Star, StarField, mjd_of
from support.gaia_server import archive_stars

#: Not square, so that exchanged axes are seen; coarse pixels, so that a small frame holds a field.
SHAPE = (240, 280)
SCALE_ARCSEC = 1.2
OBSERVATORY = SimulatedObservatory(
    camera=Camera(
        rows=SHAPE[0],
        columns=SHAPE[1],
        pixel_scale_arcsec=SCALE_ARCSEC,
        cosmic_rays_per_cm2_s=2.0,  # several in each frame, small as it is
    ),
    median_seeing_arcsec=3.2,
)

EVENING = date(2026, 3, 14)
MIDNIGHT = OBSERVATORY.site.local_midnight(EVENING)
CENTRE = SkyCoord(
    OBSERVATORY.site.sidereal_time_deg(MIDNIGHT), OBSERVATORY.site.latitude_deg - 10.0, unit="deg"
)  # stands high at midnight

#: Two nights hold 20 of these periods: the grid of periods that is searched is finer than 1 %.
PERIOD_DAYS = 0.1
AMPLITUDE_MAG = 0.3


def _place(east_arcsec, north_arcsec):
    there = CENTRE.spherical_offsets_by(Angle(east_arcsec, "arcsec"), Angle(north_arcsec, "arcsec"))
    return {"ra_deg": float(there.ra.deg), "dec_deg": float(there.dec.deg)}


VARIABLE = Star(
    name="Tour V1",
    **_place(0.0, 62.0),
    magnitude=13.0,
    variability=Sinusoid(period_days=PERIOD_DAYS, amplitude_mag=AMPLITUDE_MAG, epoch_mjd=mjd_of(MIDNIGHT)),
)
ASTEROID = MovingObject(
    name="Tour asteroid",
    **_place(0.0, -20.0),
    epoch=MIDNIGHT,
    ra_rate_arcsec_per_hour=40.0,
    dec_rate_arcsec_per_hour=0.0,
    magnitude=14.0,
)

#: Bright, alone and constant: the star that positions are checked with.
BEACON = Star(name="Tour beacon", **_place(-75.0, 62.0), magnitude=12.2)

_GRID_ARCSEC = 30.0
_WOBBLE_ARCSEC = 5.0
#: Nothing else may shine into the sky ring of a target.
_ALONE_ARCSEC = 26.0
_ASTEROID_REACH_ARCSEC = 100.0

#: Of stars of the cluster, and how much those of others differ: mas/yr, mas.
CLUSTER_MOTION = (-6.0, 4.0)
CLUSTER_PARALLAX = 1.2
_FIELD_MOTION_SPREAD = 12.0


@dataclass(frozen=True)
class FieldStar:
    """A star, and how Gaia knows it."""

    star: Star
    is_member: bool
    pmra: float
    pmdec: float
    parallax: float


def _field_stars():
    rng = np.random.default_rng(8)
    found = []
    for north in np.arange(-150.0, 151.0, _GRID_ARCSEC):
        for east in np.arange(-180.0, 181.0, _GRID_ARCSEC):
            x, y = np.array([east, north]) + rng.uniform(-_WOBBLE_ARCSEC, _WOBBLE_ARCSEC, 2)
            taken = [(0.0, 62.0), (-75.0, 62.0), (np.clip(x, -_ASTEROID_REACH_ARCSEC, _ASTEROID_REACH_ARCSEC), -20.0)]
            if min(np.hypot(x - there_x, y - there_y) for there_x, there_y in taken) > _ALONE_ARCSEC:
                found.append((x, y))
    stars = []
    for number, (x, y) in enumerate(found, start=1):
        is_member = bool(number % 2)
        magnitude = float(rng.uniform(12.5, 15.5))
        colour = 0.2 + 0.2 * (magnitude - 12.5) if is_member else float(rng.uniform(0.2, 1.4))
        motion = (
            rng.normal(CLUSTER_MOTION, 0.15)
            if is_member
            else rng.uniform(-_FIELD_MOTION_SPREAD, _FIELD_MOTION_SPREAD, 2)
        )
        parallax = rng.normal(CLUSTER_PARALLAX, 0.03) if is_member else rng.uniform(0.2, 4.0)
        star = Star(name=f"Tour {number}", **_place(x, y), magnitude=magnitude, colour_g_r=colour)
        stars.append(FieldStar(star, is_member, *map(float, motion), float(parallax)))
    return tuple(stars)


FIELD_STARS = _field_stars()
SKY = StarField(
    centre_ra_deg=float(CENTRE.ra.deg),
    centre_dec_deg=float(CENTRE.dec.deg),
    stars=(VARIABLE, BEACON, *(known.star for known in FIELD_STARS)),
    movers=(ASTEROID,),
)


def gaia_rows():
    """Return the field as Gaia lists it, stars where they were in 2016."""
    years = 2016.0 - (EVENING.year + EVENING.timetuple().tm_yday / 365.25)
    ra, dec, pmra, pmdec = np.array(
        [(known.star.ra_deg, known.star.dec_deg, known.pmra, known.pmdec) for known in FIELD_STARS]
    ).T
    count = len(FIELD_STARS)
    return archive_stars(
        ra=ra + pmra * years / 3.6e6 / np.cos(np.radians(dec)),
        dec=dec + pmdec * years / 3.6e6,
        pmra=pmra,
        pmdec=pmdec,
        pmra_error=np.full(count, 0.03),
        pmdec_error=np.full(count, 0.03),
        parallax=[known.parallax for known in FIELD_STARS],
        parallax_error=np.full(count, 0.03),
        r_med_geo=[1000 / known.parallax for known in FIELD_STARS],
        r_lo_geo=[970 / known.parallax for known in FIELD_STARS],
        r_hi_geo=[1030 / known.parallax for known in FIELD_STARS],
        phot_g_mean_mag=[known.star.magnitude for known in FIELD_STARS],
    )


@dataclass(frozen=True)
class Frame:
    """One exposure as the archive will know it; `group` is the night it is from, or the kind of a calibration frame."""

    group: str
    night_file: NightFile

    @property
    def basename(self):
        return self.night_file.base_name

    @property
    def truth(self):
        return self.night_file.exposure.truth

    @property
    def header(self):
        return self.night_file.exposure.header

    @property
    def sha256(self):
        """Of the FITS file."""
        return self.night_file.sha256

    def pixels(self):
        """Return the pixels of the FITS file."""
        with fits.open(io.BytesIO(self.night_file.content)) as hdus:
            return np.array(hdus["SCI"].data)

    def session_item(self):
        """Return the frame as the user interface puts it into a session: the seven keys of the contract, 1.1."""
        return {
            "source": "archive",
            "basename": self.basename,
            "id": int(self.header.get("FRAMENUM", 1)),
            "url": f"https://archive.example/{self.basename}.fits.fz?signature=stale",
            "filter": self.header["FILTER"],
            "target_name": self.header["OBJECT"],
            "observation_date": f"{self.header['DATE-OBS']}Z",
        }


#: No whole part of the period of the variable star; the asteroid moves by 11 arcsec meanwhile.
_CADENCE = timedelta(minutes=17).total_seconds()
NIGHTS = {
    # the telescope follows the asteroid's ephemeris: CAT-RA and CAT-DEC
    "asteroid": NightPlan(evening=EVENING, n_exposures=12, cadence_s=_CADENCE, target=ASTEROID.name),
    "colours": NightPlan(
        evening=EVENING + timedelta(days=2), n_exposures=12, filters=("rp", "gp", "ip", "zs"), cadence_s=_CADENCE
    ),
    "raw": NightPlan(evening=EVENING + timedelta(days=1), n_exposures=2, n_calibrations=3, reduced=False),
    # not public yet, whenever this runs
    "tonight": NightPlan(evening=datetime.now(UTC).date(), n_exposures=1),
}
_RAW_KINDS = {"BIAS": "bias", "DARK": "dark", "SKYFLAT": "flat", "EXPOSE": "raw"}


def night_files(group):
    """Yield the files of a night as they leave the observatory."""
    sky = None if group == "tonight" else SKY
    yield from OBSERVATORY.night(NIGHTS[group], sky)


@dataclass
class Archive:
    """The frames that were sent, by group and by name."""

    frames: list[Frame] = field(default_factory=list)

    def sent(self, group, night_file):
        """Remember a file on its way; the FITS file makes a frame."""
        if night_file.kind == "fits":
            kind = night_file.exposure.header["OBSTYPE"]
            self.frames.append(Frame(_RAW_KINDS[kind] if group == "raw" else group, night_file))

    def of(self, *groups, filter_name=None):
        """Return frames in the order they were taken."""
        return [
            frame for frame in self.frames if frame.group in groups and filter_name in {None, frame.truth.filter_name}
        ]

    def __getitem__(self, basename):
        (found,) = (frame for frame in self.frames if frame.basename == basename)
        return found


def sha256(content):
    return hashlib.sha256(content).hexdigest()
