"""Small frames of one field, everything that can be wrong with a frame, and a request for every operation."""

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from operation_runner.offers.registry import discover

OPERATIONS = discover(["operation_runner.operations"])

SHAPE = (96, 104)
CENTRE = (150.0, 30.0)
SCALE_DEG = 1.0 / 3600
SKY, BIAS, SIGMA_PX = 200.0, 100.0, 1.2
EVENING = datetime(2026, 3, 14, 4, tzinfo=UTC)
SKY_FRAMES = 9
#: By frame; whole numbers would hide what interpolation does.
_DRIFT_X, _DRIFT_Y = (np.resize(steps, SKY_FRAMES) for steps in ([0.0, 1.3, -2.6, 0.4], [0.0, -0.7, 1.9, 2.2]))
#: Where the moving target begins, and how far it moves from frame to frame.
_MOVER_XY, _MOVER_STEP_PX = (38.0, 48.0), 1.0


@dataclass(frozen=True)
class Raw:
    """A value that astropy would not write: what stands behind the equals sign of a card."""

    text: str


@dataclass
class HostileFrame:
    """A frame that can be damaged before it is written; a card that is None is left out, no `columns` is no CAT."""

    pixels: np.ndarray
    cards: dict
    columns: dict | None
    compression: dict = field(default_factory=dict)
    finish: Callable = lambda hdu: None
    gzipped: bool = False

    def write(self, folder, name):
        raw = {key: value.text for key, value in self.cards.items() if isinstance(value, Raw)}
        known = [(key, 1.0 if key in raw else value) for key, value in self.cards.items() if value is not None]
        header = fits.Header(known)
        if self.compression:
            image = fits.CompImageHDU(self.pixels, header, name="SCI", **self.compression)
        else:
            image = fits.ImageHDU(self.pixels, header, name="SCI")
        self.finish(image)
        hdus = fits.HDUList([fits.PrimaryHDU(), image])
        if self.columns is not None:
            columns = [fits.Column(key, _column_format(values), array=values) for key, values in self.columns.items()]
            hdus.append(fits.BinTableHDU.from_columns(columns, nrows=_length(self.columns), name="CAT"))
        path = folder / f"{name}.fits{'.gz' * self.gzipped}"
        hdus.writeto(path)
        if raw:
            path.write_bytes(_with_raw_cards(path.read_bytes(), raw))
        return path


def _length(columns):
    return len(next(iter(columns.values()))) if columns else 0


def _column_format(values):
    kinds = {"f": "D", "i": "K", "b": "L"}
    dtype = np.asarray(values).dtype
    return f"{dtype.itemsize // 4}A" if dtype.kind == "U" else kinds[dtype.kind]


def _with_raw_cards(content, raw):
    for key, text in raw.items():
        start = content.index(f"{key:<8}= ".encode())
        content = content[:start] + f"{key:<8}= {text}".ljust(80).encode("latin-1") + content[start + 80 :]
    return content


def field_stars():
    """Return x, y (pixels from 0 on the first frame) and counts of 25 stars, far enough apart to be told apart."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[12:84:5j, 14:90:5j] + rng.uniform(-2.5, 2.5, (2, 5, 5))
    return x.ravel(), y.ravel(), 10 ** rng.uniform(3.6, 4.8, 25)


def first_wcs():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], CENTRE
    wcs.wcs.crpix = [(SHAPE[1] + 1) / 2, (SHAPE[0] + 1) / 2]
    wcs.wcs.cd = SCALE_DEG * np.diag([-1.0, 1.0])
    return wcs


def sky_of(x, y):
    """Return ICRS degrees of pixels of the first frame."""
    ra, dec = first_wcs().wcs_pix2world(x, y, 0)
    return np.asarray(ra), np.asarray(dec)


def target():
    """Return the source that requests ask for: the star in the middle."""
    x, y, _ = field_stars()
    ra, dec = sky_of(x[12], y[12])
    return {"name": "the star in the middle", "ra": float(ra), "dec": float(dec)}


def mover(number):
    """Return ra, dec (degrees) of the moving target in the middle of a frame's exposure, and the MJD of that."""
    ra, dec = sky_of(_MOVER_XY[0] + _MOVER_STEP_PX * number, _MOVER_XY[1])
    middle = EVENING + timedelta(minutes=7 * number, seconds=15)
    mjd = 61113.0 + (middle - datetime(2026, 3, 14, tzinfo=UTC)) / timedelta(days=1)
    return {"ra": float(ra), "dec": float(dec), "mjd": mjd}


def sky_frame(number):
    """Return frame `number` of a night on the field; its star in the middle varies."""
    rng = np.random.default_rng(100 + number)
    x, y, counts = field_stars()
    counts[12] = 3e4 * (1 + 0.2 * math.sin(1.7 * number))
    x, y = np.append(x, _MOVER_XY[0] + _MOVER_STEP_PX * number), np.append(y, _MOVER_XY[1])
    counts = np.append(counts, 1.5e4)
    ra, dec = sky_of(x, y)
    x, y = x + _DRIFT_X[number], y + _DRIFT_Y[number]
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    squared = (columns[..., None] - x) ** 2 + (rows[..., None] - y) ** 2
    light = counts / (2 * math.pi * SIGMA_PX**2) * np.exp(-squared / (2 * SIGMA_PX**2))
    pixels = rng.normal(SKY, 4.0, SHAPE) + light.sum(axis=2)
    moving = mover(number)
    cards = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": CENTRE[0], "CRVAL2": CENTRE[1],
        "CRPIX1": (SHAPE[1] + 1) / 2 + _DRIFT_X[number], "CRPIX2": (SHAPE[0] + 1) / 2 + _DRIFT_Y[number],
        "CD1_1": -SCALE_DEG, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SCALE_DEG, "OBJECT": "Hostile field",
        "FILTER": "rp", "DATE-OBS": (EVENING + timedelta(minutes=7 * number)).strftime("%Y-%m-%dT%H:%M:%S"),
        "EXPTIME": 30.0, "GAIN": 1.5, "RDNOISE": 6.0, "SATURATE": 60000.0, "CAT-RA": moving["ra"],
        "CAT-DEC": moving["dec"], "PIXSCALE": 1.0,
    }  # fmt: skip
    mag = 25.0 - 2.5 * np.log10(counts)
    columns = {
        "x": x + 1, "y": y + 1, "xwin": x + 1, "ywin": y + 1, "flux": counts, "fluxerr": np.sqrt(counts),
        "peak": SKY + counts / (2 * math.pi * SIGMA_PX**2), "background": np.full(26, SKY), "fwhm": np.full(26, 2.83),
        "a": np.full(26, 1.2), "b": np.full(26, 1.2), "theta": np.zeros(26), "ra": ra, "dec": dec, "mag": mag,
        "magerr": np.full(26, 0.01), "flag": np.zeros(26, np.int64),
    }  # fmt: skip
    return HostileFrame(pixels.astype(np.float32), cards, columns)


def calibration_frame(kind):
    """Return a bias, a dark that contains the bias, or a flat that contains it too."""
    rng = np.random.default_rng({"bias": 1, "dark": 2, "flat": 3}[kind])
    level = {"bias": 0.0, "dark": 10.0, "flat": 20_000.0}[kind]
    pixels = rng.normal(BIAS + level, 3.0, SHAPE).astype(np.float32)
    cards = {"OBSTYPE": kind.upper(), "EXPTIME": {"bias": 0.0, "dark": 30.0, "flat": 5.0}[kind], "SATURATE": 60000.0}
    cards["DATE-OBS"] = "2026-03-13T22:00:00"
    if kind == "flat":
        cards["FILTER"] = "rp"
    return HostileFrame(pixels, cards, None)


def gaia_stars(_region=None):
    """Return the stars of the field as `datalab.astro.sky.gaia.read_stars` does: half of them move together."""
    x, y, counts = field_stars()
    ra, dec = sky_of(x, y)
    rng = np.random.default_rng(4)
    member = np.arange(25) % 2 == 0
    parallax = np.where(member, 1.2, rng.uniform(0.2, 4.0, 25))
    columns = {
        "source_id": np.arange(25), "ra": ra, "dec": dec, "ref_epoch": np.full(25, 2016.0),
        "pmra": np.where(member, -6.0, rng.uniform(-12, 12, 25)) * 0.1, "pmra_error": np.full(25, 0.03),
        "pmdec": np.where(member, 4.0, rng.uniform(-12, 12, 25)) * 0.1, "pmdec_error": np.full(25, 0.03),
        "parallax": parallax, "parallax_error": np.full(25, 0.03), "ruwe": np.ones(25),
        "phot_g_mean_mag": 25.0 - 2.5 * np.log10(counts), "distance": 1000 / parallax,
        "distance_lo": 970 / parallax, "distance_hi": 1030 / parallax,
    }  # fmt: skip
    for band in "griz":
        columns[f"sdss_{band}"], columns[f"sdss_{band}_error"] = columns["phot_g_mean_mag"], np.full(25, 0.03)
    return Table(columns, meta={"truncated": False})


DAMAGES = {}


def damage(*needs):
    """Register what can be wrong with a frame; `needs` says what a frame must have: pixels, wcs or cat."""

    def register(function):
        DAMAGES[function.__name__] = function
        function.needs = frozenset(needs or {"pixels"})
        return function

    return register


def _pixels(name, make):
    @damage()
    def change(frame):
        with np.errstate(all="ignore"):
            frame.pixels = make(frame.pixels)

    DAMAGES[name] = DAMAGES.pop("change")


def _with(pixels, value, where):
    pixels[where] = value
    return pixels


_pixels("one pixel", lambda p: p[48:49, 52:53])
_pixels("one row", lambda p: p[48:49])
_pixels("one column", lambda p: p[:, 52:53])
_pixels("two by two", lambda p: p[48:50, 52:54])
_pixels("other shape", lambda p: p[:80, :90])
_pixels("larger", lambda p: np.pad(p, 20, constant_values=SKY))
_pixels("all NaN", lambda p: np.full_like(p, np.nan))
_pixels("half NaN", lambda p: _with(p, np.nan, slice(48, None)))
_pixels("chequered NaN", lambda p: _with(p, np.nan, np.indices(p.shape).sum(axis=0) % 2 == 0))
_pixels("some inf", lambda p: _with(_with(p, np.inf, (slice(40, 43), 5)), -np.inf, (slice(60, 63), 70)))
_pixels("all inf", lambda p: np.full_like(p, np.inf))
_pixels("constant", lambda p: np.full_like(p, 1000.0))
_pixels("all zero", np.zeros_like)
_pixels("negative", lambda p: -p)
_pixels("around zero", lambda p: p - np.median(p))
_pixels("huge", lambda p: p * np.float32(1e34))
_pixels("tiny", lambda p: p * np.float32(1e-38))
_pixels("saturated everywhere", lambda p: np.full_like(p, 65535.0))
for _dtype in (">u1", ">i2", ">u2", ">i4", ">u4", ">i8", ">f8"):
    _low, _high = (0, 255) if _dtype == ">u1" else (0, 32767)
    _pixels(f"type {_dtype[1:]}", lambda p, t=_dtype, low=_low, high=_high: np.clip(p, low, high).astype(t))
_pixels("constant u1", lambda p: np.zeros(p.shape, "u1"))
_pixels("constant i2", lambda p: np.full(p.shape, -7, ">i2"))


@damage("pixels")
def scaled_integers(frame):
    frame.finish = lambda hdu: hdu.scale("int16", bscale=0.7, bzero=20000.0)


@damage("pixels")
def blank_integers(frame):
    def finish(hdu):
        hdu.header["BLANK"] = 200

    frame.pixels = np.clip(frame.pixels, 0, 32767).astype(">i2")
    frame.finish = finish


@damage("pixels")
def rice(frame):
    frame.pixels = np.clip(frame.pixels, 0, 32767).astype(">i2")
    frame.compression = {"compression_type": "RICE_1"}


@damage("pixels")
def lossless_gzip_tiles(frame):
    frame.compression = {"compression_type": "GZIP_2", "quantize_level": 0.0, "tile_shape": (10, 104)}


@damage("pixels")
def lossy(frame):
    frame.compression = {"compression_type": "RICE_1", "quantize_level": 4.0, "quantize_method": 1}


@damage("pixels")
def hcompress(frame):
    frame.compression = {"compression_type": "HCOMPRESS_1", "quantize_level": 16.0, "quantize_method": 1}


@damage("pixels")
def gzipped_file(frame):
    frame.gzipped = True


def _cards(name, *needs, **cards):
    @damage(*(needs or ("cards",)))
    def change(frame):
        frame.cards |= {key.replace("_OBS", "-OBS").replace("CAT_", "CAT-"): value for key, value in cards.items()}

    DAMAGES[name] = DAMAGES.pop("change")


_NO_WCS = dict.fromkeys(
    ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
)
_cards("no WCS", "wcs", **_NO_WCS)
_cards("CTYPE nonsense", "wcs", CTYPE1="FISH---TAN", CTYPE2="CHIPS")
_cards("CTYPE a number", "wcs", CTYPE1=7, CTYPE2=True)
_cards("linear axes", "wcs", CTYPE1="X", CTYPE2="Y")
_cards("one axis celestial", "wcs", CTYPE2="FREQ")
_cards("spectral axis more", "wcs", WCSAXES=3, CTYPE3="FREQ", CRVAL3=1.0, CRPIX3=1.0, CDELT3=1.0)
_cards("CD zero", "wcs", CD1_1=0.0, CD2_2=0.0)
_cards("CD singular", "wcs", CD1_1=SCALE_DEG, CD1_2=SCALE_DEG, CD2_1=SCALE_DEG, CD2_2=SCALE_DEG)
_cards("CD huge", "wcs", CD1_1=-5.0, CD2_2=5.0)
_cards("CD tiny", "wcs", CD1_1=-1e-300, CD2_2=1e-300)
_cards("CD text", "wcs", CD1_1="wide", CD2_2="high")
_cards("CRVAL NaN", "wcs", CRVAL1=Raw("NaN"), CRVAL2=Raw("NaN"))
_cards("CRVAL beyond the pole", "wcs", CRVAL2=430.0)
_cards("CRVAL at the pole", "wcs", CRVAL2=90.0)
_cards("CRPIX far away", "wcs", CRPIX1=1e12)
_cards("CRPIX a thousand columns away", "wcs", CRPIX1=1e3)
_cards("other part of the sky", "wcs", CRVAL1=330.0, CRVAL2=-30.0)
_cards("a degree away", "wcs", CRVAL2=31.0)
_cards("upside down", "wcs", CD1_1=SCALE_DEG, CD2_2=-SCALE_DEG)
_cards("mirrored", "wcs", CD1_1=SCALE_DEG)
_cards("turned", "wcs", CD1_1=0.0, CD1_2=SCALE_DEG, CD2_1=SCALE_DEG, CD2_2=0.0)
_cards("pixels ten times as wide", "wcs", CD1_1=-10 * SCALE_DEG, CD2_2=10 * SCALE_DEG)
_cards("galactic", "wcs", CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN", CRVAL1=200.0, CRVAL2=54.0)
_cards("all sky", "wcs", CTYPE1="RA---AIT", CTYPE2="DEC--AIT", CRVAL1=0.0, CRVAL2=0.0, CD1_1=-3.0, CD2_2=3.0)
_cards(
    "huge SIP", "wcs", CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, B_ORDER=2, A_2_0=1e3, A_0_2=-1e5,
    B_2_0=-1e3, B_1_1=1e7,
)  # fmt: skip
_cards("SIP of order 99", "wcs", CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=99, B_ORDER=99)
_cards("SIP without B", "wcs", CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2, A_2_0=1e-5)
_cards("look-up table missing", "wcs", CPDIS1="LOOKUP", DP1=Raw("'EXTVER: 1.0'"))

_cards("no DATE-OBS", DATE_OBS=None)
_cards("DATE-OBS nonsense", DATE_OBS="last night")
_cards("DATE-OBS a number", DATE_OBS=2026)
_cards("DATE-OBS in the year 9999", DATE_OBS="9999-12-31T23:59:59.9")
_cards("DATE-OBS in the year 1", DATE_OBS="0001-01-01T00:00:00")
_cards("DATE-OBS as of frame 1", DATE_OBS=(EVENING + timedelta(minutes=7)).strftime("%Y-%m-%dT%H:%M:%S"))
_cards("MJD-OBS huge", MJD_OBS=1e300)
_cards("no EXPTIME", EXPTIME=None)
_cards("EXPTIME 0", EXPTIME=0.0)
_cards("EXPTIME negative", EXPTIME=-30.0)
_cards("EXPTIME huge", EXPTIME=1e300)
_cards("EXPTIME tiny", EXPTIME=1e-300)
_cards("EXPTIME NaN", EXPTIME=Raw("NaN"))
_cards("EXPTIME text", EXPTIME="long")
_cards("GAIN 0", GAIN=0.0)
_cards("GAIN negative", GAIN=-1.5)
_cards("GAIN huge", GAIN=1e300)
_cards("GAIN tiny", GAIN=1e-300)
_cards("GAIN text", GAIN="high")
_cards("RDNOISE text", RDNOISE="low")
_cards("RDNOISE huge", RDNOISE=1e300)
_cards("no FILTER", FILTER=None)
_cards("FILTER a number", FILTER=5)
_cards("FILTER with quotes", FILTER="r'p' & ~ \\ /")
_cards("SATURATE text", SATURATE="soon")
_cards("SATURATE negative", SATURATE=-5.0)
_cards("SATURATE below the sky", SATURATE=100.0)
_cards("SATURATE huge", SATURATE=1e308)
_cards("PIXSCALE tiny", PIXSCALE=1e-300, **_NO_WCS)
_cards("PIXSCALE huge", PIXSCALE=1e300, **_NO_WCS)
_cards("no target position", CAT_RA=None, CAT_DEC=None)
_cards("target position nonsense", CAT_RA="here", CAT_DEC="there")
_cards("OBJECT not ASCII", OBJECT=Raw("'M\xf6ndchen \xff\x01'"))
_cards("quote not closed", OBJECT=Raw("'M 51"), GAIN=Raw("1.5 e"), FILTER=Raw("'rp"))
_cards("values without type", EXPTIME=Raw("30,0"), GAIN=Raw("(1.5"), **{"DATE-OBS": Raw("2026-03-14")})
_cards("integers beyond 64 bits", GAIN=Raw("9" * 40), EXPTIME=Raw("1" + "0" * 60))
_cards("a thousand cards", **{f"KEY{number}": number for number in range(1000)})
_cards("cards of the product", NSTARS="many", SATURATE=60000.0, NCOMBINE="none", ZPMAG=True, DLAB_KEY=5, CHECKSUM="x")
_cards("processed already", BIASCORR="old", DARKCORR="old", FLATCORR="old", L1STATBI=1)


def _columns(name, change_columns):
    @damage("cat")
    def change(frame):
        change_columns(frame.columns)

    DAMAGES[name] = DAMAGES.pop("change")


def _without(*names):
    return lambda columns: [columns.pop(name) for name in names]


def _all(value, *names):
    return lambda columns: columns.update({name: np.full(26, value) for name in names})


def _each(change_one):
    return lambda columns: columns.update({name: change_one(values) for name, values in columns.items()})


@damage("cat")
def no_cat(frame):
    frame.columns = None


@damage("cat")
def cat_without_columns(frame):
    frame.columns = {}


_columns("empty CAT", _each(lambda values: values[:0]))
_columns("one source", _each(lambda values: values[12:13]))
_columns("two sources", _each(lambda values: values[12:14]))
_columns("five equal sources", _each(lambda values: np.repeat(values[12:13], 5)))
_columns("no x, y", _without("x", "y", "xwin", "ywin"))
_columns("no xwin", _without("xwin"))
_columns("no ra, dec", _without("ra", "dec"))
_columns("no ra", _without("ra"))
_columns("no mag", _without("mag", "magerr"))
_columns("no magerr", _without("magerr"))
_columns("no flux", _without("flux", "fluxerr"))
_columns("neither mag nor flux", _without("mag", "magerr", "flux", "fluxerr"))
_columns("only x, y", lambda columns: [columns.pop(name) for name in set(columns) - {"x", "y"}])
_columns("text columns", lambda columns: columns.update({name: np.full(26, "star") for name in ("mag", "flux", "x")}))
_columns("text positions", lambda columns: columns.update({name: np.full(26, "here") for name in ("ra", "dec")}))
_columns("text everywhere", _each(lambda values: np.full(26, "star")))
_columns("text flags", lambda columns: columns.update(flag=np.full(26, "good")))
_columns("a text column more", lambda columns: columns.update(name=np.full(26, "star")))
_columns("NaN everywhere", _each(lambda values: np.full(values.shape, np.nan)))
_columns("every other row NaN", _each(lambda values: np.where(np.arange(values.size) % 2, values, np.nan)))
_columns("positions inf", _all(np.inf, "ra", "dec", "x", "y", "xwin", "ywin"))
_columns("positions outside", _all(-5000.0, "x", "y", "xwin", "ywin"))
_columns("positions huge", _all(1e300, "x", "y", "xwin", "ywin"))
_columns("sky positions outside", _all(-40.0, "ra", "dec"))
_columns("sky positions nonsense", _all(1e5, "ra", "dec"))
_columns("one place", _all(50.0, "x", "y", "xwin", "ywin"))
_columns("positions whole numbers", lambda c: c.update({n: c[n].astype(np.int64) for n in ("x", "y")}))
_columns("flux negative", _all(-5.0, "flux"))
_columns("flux 0", _all(0.0, "flux", "fluxerr"))
_columns("flux huge", _all(1e300, "flux", "fluxerr", "peak"))
_columns("flux whole numbers", lambda c: c.update({n: c[n].astype(np.int64) for n in ("flux", "fluxerr", "peak")}))
_columns("mag inf", _all(np.inf, "mag", "magerr"))
_columns("mag huge", _all(1e300, "mag"))
_columns("magerr 0", _all(0.0, "magerr"))
_columns("magerr negative", _all(-0.1, "magerr"))
_columns("fwhm 0", _all(0.0, "fwhm", "a", "b"))
_columns("fwhm huge", _all(1e6, "fwhm"))
_columns("all flagged", lambda columns: columns.update(flag=np.full(26, 255)))
_columns("flags true and false", lambda columns: columns.update(flag=np.zeros(26, bool)))
_columns("names in capitals", lambda c: [c.update({n.upper(): c.pop(n)}) for n in list(c)])


@dataclass(frozen=True)
class Request:
    """An operation and a good request for it.

    `parameters(one, sky, others)` gets the file that may be damaged, the sky frames (the first of them is that file if
    it is a sky frame) and the calibration frames by kind. `kind` is what the one file is.
    """

    operation: str
    parameters: Callable
    kind: str = "sky"
    #: Which damages can matter: groups of `damage`.
    reads: frozenset = frozenset({"pixels", "wcs", "cards", "cat"})


APERTURES = {"aperture_radius": 3.0, "annulus_inner_radius": 5.0, "annulus_outer_radius": 8.0}
_RGB = ({"r": 255, "g": 60, "b": 0}, {"r": 0, "g": 80, "b": 255})
_CATALOGUES_ONLY = frozenset({"cards", "cat"})
_PIXELS_ONLY = frozenset({"pixels"})
_PIXELS_AND_CARDS = frozenset({"pixels", "cards"})
_NOT_CAT = frozenset({"pixels", "wcs", "cards"})


def _calibration(one, sky, others):
    return {"input_files": sky[:1], **{f"{kind}_file": [others[kind]] for kind in ("bias", "dark", "flat")}}


def _stacking(**more):
    return lambda one, sky, others: {"input_files": sky[:3], **more}


REQUESTS = {
    "Median": Request("Median", lambda one, sky, others: {"input_files": sky[:3]}, reads=_NOT_CAT),
    "Normalization": Request("Normalization", lambda one, sky, others: {"input_files": [one]}),
    "Subtraction": Request(
        "Subtraction", lambda one, sky, others: {"input_files": [one], "subtraction_file": [sky[1]]}
    ),
    "Subtraction of it": Request(
        "Subtraction",
        lambda one, sky, others: {"input_files": [sky[1]], "subtraction_file": [one]},
        reads=_PIXELS_ONLY,
    ),
    "Pixel Arithmetic": Request(
        "Pixel Arithmetic",
        lambda one, sky, others: {"a": [one], "b": [sky[1]], "expression": "(a - median(a)) / b + a / 2"},
    ),
    "Pixel Arithmetic with it": Request(
        "Pixel Arithmetic",
        lambda one, sky, others: {"a": [sky[1]], "b": [one], "expression": "where(b > mean(b), a, b / std(b))"},
        reads=_PIXELS_ONLY,
    ),
    "Cropping": Request(
        "Cropping",
        lambda one, sky, others: {"input_files": [one], "x_start": 11, "y_start": 6, "width": 60, "height": 70},
    ),
    "Cropping around": Request(
        "Cropping",
        lambda one, sky, others: {
            "input_files": [one],
            "source": target(),
            "width": 40.5,
            "height": 30,
            "units": "arcsec",
        },
        reads=_NOT_CAT,
    ),
    "Alignment": Request(
        "Alignment", lambda one, sky, others: {"input_files": [one, sky[1]], "reference_file": [sky[2]]}
    ),
    "Alignment to it": Request(
        "Alignment", lambda one, sky, others: {"input_files": sky[1:3], "reference_file": [one]}
    ),
    "Alignment by WCS": Request(
        "Alignment",
        lambda one, sky, others: {"input_files": [one, sky[1]], "reference_file": [sky[2]], "method": "wcs"},
    ),
    "Alignment by WCS to it": Request(
        "Alignment",
        lambda one, sky, others: {"input_files": sky[1:3], "reference_file": [one], "method": "wcs"},
        reads=frozenset({"wcs"}),
    ),
    "Stacking": Request("Stacking", _stacking()),
    "Stacking by exposure time": Request("Stacking", _stacking(weighting="exposure time", combine="average")),
    "Stacking by variance": Request("Stacking", _stacking(weighting="inverse variance", combine="sigma-clipped")),
    "Stacking reprojected": Request("Stacking", _stacking(stacking_mode="reproject")),
    "Stacking reprojected median": Request(
        "Stacking", _stacking(stacking_mode="reproject", combine="median"), reads=_NOT_CAT
    ),
    "Color Image": Request(
        "Color Image",
        lambda one, sky, others: {
            "color_channels": [{"file": one, "color": _RGB[0]}, {"file": sky[1], "color": _RGB[1], "zmin": 100}]
        },
    ),
    "Master Frame bias": Request(
        "Master Frame",
        lambda one, sky, others: {"input_files": [one, others["second bias"]]},
        kind="bias",
        reads=_PIXELS_AND_CARDS,
    ),
    "Master Frame flat": Request(
        "Master Frame",
        lambda one, sky, others: {
            "input_files": [one, others["second flat"]],
            "kind": "flat",
            "bias_file": [others["bias"]],
            "dark_file": [others["dark"]],
            "combine": "median",
        },
        kind="flat",
        reads=_PIXELS_AND_CARDS,
    ),
    "Calibration": Request("Calibration", _calibration),
    "Calibration, its bias": Request("Calibration", _calibration, kind="bias", reads=_PIXELS_AND_CARDS),
    "Calibration, its dark": Request("Calibration", _calibration, kind="dark", reads=_PIXELS_AND_CARDS),
    "Calibration, its flat": Request("Calibration", _calibration, kind="flat", reads=_PIXELS_AND_CARDS),
    "Cosmic Ray Removal": Request("Cosmic Ray Removal", lambda one, sky, others: {"input_files": [one]}),
    "Source Extraction": Request("Source Extraction", lambda one, sky, others: {"input_files": [one]}),
    "Source Extraction in apertures": Request(
        "Source Extraction",
        lambda one, sky, others: {"input_files": [one], "aperture_radius": 3.0},
        reads=frozenset({"wcs", "cards"}),
    ),
    "Plate Solving": Request("Plate Solving", lambda one, sky, others: {"input_files": [one]}),
    "Plate Solving around": Request(
        "Plate Solving",
        lambda one, sky, others: {"input_files": [one], "source": target(), "pixel_scale": 1.0},
        reads=frozenset({"wcs"}),
    ),
    "Light Curve": Request(
        "Light Curve", lambda one, sky, others: {"input_files": [one], "source": target()}, reads=_CATALOGUES_ONLY
    ),
    "Variable Star": Request(
        "Variable Star",
        lambda one, sky, others: {"input_files": sky, "source": target()},
        reads=_CATALOGUES_ONLY,
    ),
    "Aperture Photometry": Request(
        "Aperture Photometry", lambda one, sky, others: {"input_files": sky[:3], "source": target(), **APERTURES}
    ),
    "Aperture Photometry alone": Request(
        "Aperture Photometry", lambda one, sky, others: {"input_files": [one], "source": target(), **APERTURES}
    ),
    "Moving Target Aperture Photometry": Request(
        "Moving Target Aperture Photometry",
        lambda one, sky, others: {
            "input_files": sky[:3],
            "target_positions": [mover(0), mover(2)],
            **APERTURES,
        },
        reads=_NOT_CAT | {"cat"},
    ),
    "Non-Sidereal Aperture Photometry": Request(
        "Non-Sidereal Aperture Photometry", lambda one, sky, others: {"input_files": sky[:3], **APERTURES}
    ),
    "HR Diagram": Request(
        "HR Diagram",
        lambda one, sky, others: {
            "blue_filter_files": [one],
            "red_filter_files": [others["infrared"]],
            "cluster": target(),
            "search_radius_arcmin": 1.0,
        },
        reads=frozenset({"cards", "wcs", "cat"}),
    ),
}


@functools.cache
def _made_once(kind):
    return sky_frame(0) if kind == "sky" else calibration_frame(kind)


def damaged_frame(kind, name):
    """Return a frame of a kind with the damage of that name; None is no damage."""
    frame = copy.deepcopy(_made_once(kind))
    if name is not None:
        DAMAGES[name](frame)
    return frame


def write_good_files(folder):
    """Write the sky frames, and the calibration frames by kind."""
    sky = [sky_frame(number).write(folder, f"frame-{number}") for number in range(SKY_FRAMES)]
    others = {
        name: calibration_frame(name.split()[-1]).write(folder, name.replace(" ", "-"))
        for name in ("bias", "second bias", "dark", "flat", "second flat")
    }
    infrared = copy.deepcopy(sky_frame(1))
    infrared.cards["FILTER"] = "ip"
    others["infrared"] = infrared.write(folder, "infrared")
    return sky, others


def request_with(name, one, sky, others):
    """Return the parameters of a request in which the file `one` may be damaged; `basename` is "damaged"."""
    request = REQUESTS[name]
    if request.kind == "sky":
        return request.parameters(one, [one, *sky[1:]], others)
    return request.parameters(one, sky, others | {request.kind: one})


def damages_of(name):
    """Return the names of the damages that can matter for a request."""
    return [each for each, function in DAMAGES.items() if function.needs & REQUESTS[name].reads]
