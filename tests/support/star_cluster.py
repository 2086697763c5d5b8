"""A star cluster in its field, as Gaia and a telescope would see it."""

import numpy as np
from astropy.io import fits

ARCSEC = 1 / 3600
CENTRE = (202.47, 47.2)
COS_DEC = np.cos(np.radians(CENTRE[1]))
EPOCH_GAIA = 2016.0
DISTANCE_PC = 800.0
MOTION = (-5.0, 3.0)  # mas/yr
INTERNAL_MOTION = 0.15  # mas/yr: half a kilometre per second at that distance

HEADER = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": CENTRE[0], "CRVAL2": CENTRE[1], "CRPIX1": 60.5,
    "CRPIX2": 50.5, "CD1_1": -0.005, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.005, "SATURATE": 60000.0,
}  # fmt: skip
DATE = {"gp": "2026-01-01T00:00:00", "rp": "2027-01-01T00:00:00"}


def east(arcsec):
    """Return the right ascension that far east of the centre."""
    return CENTRE[0] + arcsec * ARCSEC / COS_DEC


def write_image(path, filter_name, columns, **cards):
    """Write an image whose catalogue has these columns; None removes a card."""
    header = HEADER | {"FILTER": filter_name, "DATE-OBS": DATE.get(filter_name, DATE["rp"])} | cards
    header = fits.Header([(name, value) for name, value in header.items() if value is not None])
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((100, 120), np.float32), header, name="SCI")]
    if columns is not None:
        parts = [fits.Column(name, "K" if name == "flag" else "D", array=values) for name, values in columns.items()]
        hdus.append(fits.BinTableHDU.from_columns(parts, name="CAT"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def sources(ra, mag, *, magerr=0.02, dec=CENTRE[1], **more):
    count = len(ra)
    columns = {"ra": np.array(ra), "dec": np.broadcast_to(dec, count), "mag": np.array(mag)}
    return columns | {"magerr": np.full(count, magerr), "flag": np.zeros(count), "peak": np.full(count, 1000.0)} | more


def gaia_error_mas(g_mag):
    """Return the error of a parallax by magnitude, roughly as DR3 has it: 0.02 at G 14, 0.15 at G 18."""
    return np.where(g_mag < 14, 0.02, 0.02 * 10 ** (0.22 * (g_mag - 14)))


def simulated_field(*, members, others, seed, radius_deg=0.2, faintest=18.0):
    """Return which stars belong to the cluster, and Gaia's view of all: columns by the names of `read_stars`.

    The cluster is `DISTANCE_PC` away and moves by `MOTION`; other stars are anywhere between 0.1 and several kpc. `g_r`
    is the colour, bluer for brighter members as on a main sequence.
    """
    rng = np.random.default_rng(seed)
    count = members + others
    member = np.arange(count) < members
    g_mag = np.where(member, rng.uniform(11, faintest, count), 8 + (faintest - 8) * rng.power(3, count))
    error = gaia_error_mas(g_mag)
    distance = np.where(member, rng.normal(DISTANCE_PC, 3, count), 100 + rng.gamma(3, 700, count))
    motions = {
        name: np.where(member, rng.normal(centre, INTERNAL_MOTION, count), rng.normal(field, 6, count))
        for name, centre, field in (("pmra", MOTION[0], -2), ("pmdec", MOTION[1], -3))
    }
    parallax = 1000 / distance + rng.normal(0, error)
    bearing = rng.uniform(0, 2 * np.pi, count)
    reach = radius_deg * np.where(member, rng.uniform(0, 0.6, count), np.sqrt(rng.uniform(0, 1, count)))
    stars = {
        "ra": CENTRE[0] + reach * np.sin(bearing) / np.cos(np.radians(CENTRE[1])),
        "dec": CENTRE[1] + reach * np.cos(bearing),
        "phot_g_mean_mag": g_mag,
        "pmra": motions["pmra"] + rng.normal(0, error),
        "pmra_error": error,
        "pmdec": motions["pmdec"] + rng.normal(0, error),
        "pmdec_error": error,
        "parallax": parallax,
        "parallax_error": error,
        # without the prior a real distance has: the inverse of the parallax, as far as that makes sense
        "distance": 1000 / np.maximum(parallax, 0.1),
        "distance_lo": 1000 / np.maximum(parallax + error, 0.1),
        "distance_hi": 1000 / np.maximum(parallax - error, 0.1),
        "g_r": np.where(member, 0.2 + 0.15 * (g_mag - 11), rng.uniform(0.2, 1.6, count)),
    }
    return member, stars
