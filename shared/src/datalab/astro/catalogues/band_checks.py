"""Whether the magnitudes of two images can make colours: the bands are in order, and the magnitudes calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from datalab.astro.catalogues.colour_magnitude import ColouredStars, Counterparts, synthetic
from datalab.astro.robust import median_of_known
from datalab.astro.types import FloatArray

#: Middles of filters (nm): SDSS (Fukugita et al. 1996, AJ 111, 1748), PanSTARRS y (Tonry et al. 2012, ApJ 750, 99) and
#: Johnson-Cousins (Bessell 1990, PASP 102, 1181), by the names observatories write.
_MIDDLES_NM = {
    **dict.fromkeys(("up", "u", "sdss-u", "u'"), 355.0),
    **dict.fromkeys(("U", "bessell-u"), 366.0),
    **dict.fromkeys(("B", "bessell-b"), 438.0),
    **dict.fromkeys(("gp", "g", "sdss-g", "g'"), 477.0),
    **dict.fromkeys(("V", "bessell-v"), 545.0),
    **dict.fromkeys(("rp", "r", "sdss-r", "r'"), 623.0),
    **dict.fromkeys(("R", "bessell-r"), 641.0),
    **dict.fromkeys(("ip", "i", "sdss-i", "i'"), 763.0),
    **dict.fromkeys(("I", "bessell-i"), 798.0),
    **dict.fromkeys(("zs", "zp", "z", "sdss-z", "z'"), 880.0),
    **dict.fromkeys(("Y", "y"), 962.0),
}
#: Stars that tell something about all, at the least.
_LEAST_STARS = 5
_LEAST_STARS_FOR_ORDER = 10
#: Calibrated magnitudes differ from Gaia's by a few tenths (colour terms, apertures); those of counts by 20 and more.
_MOST_OFFSET_MAG, _NOTED_OFFSET_MAG = 3.0, 0.3
#: G differs from any band of a star that is not extreme by less than this.
_MOST_OFFSET_FROM_G_MAG = 6.0
#: Between the hottest and the coolest stars, reddening included, colours are from -1 to 5.
_COLOURS_OF_STARS = (-2.0, 6.0)
#: No field that a CCD camera takes has so bright stars; magnitudes of counts are negative.
_LEAST_MEDIAN_MAG = 0.0
#: Colours that fall where Gaia's rise (correlation coefficient) are of exchanged images.
_EXCHANGED_CORRELATION = -0.5
_SAME_MAG = 1e-9


class BandError(ValueError):
    """Two images can make no colours; the text says why."""


@dataclass(frozen=True, slots=True)
class Band:
    """One of the images, as texts name it: its name, its filter, and the Sloan band that stands for, None for none."""

    image: str
    filter_name: str | None
    sloan: str | None


def check_order(blue: Band, red: Band) -> list[str]:
    """Return notes about the filters of two images. Raises `BandError` if they are the same, or exchanged."""
    notes = []
    if blue.filter_name is not None and blue.filter_name == red.filter_name:
        raise BandError(
            f"Both images were taken in the filter {blue.filter_name}: a colour needs two filters. "
            "Choose an image in another one."
        )
    bluer, redder = middles = _middle_nm(blue.filter_name), _middle_nm(red.filter_name)
    if bluer is not None and redder is not None and bluer >= redder:
        raise BandError(
            f"The blue image was taken in {blue.filter_name} and the red image in {red.filter_name}, which is bluer: "
            "exchange the two."
        )
    for band, middle in zip((blue, red), middles, strict=True):
        if middle is None:
            told = f"the filter {band.filter_name}, which is not known here" if band.filter_name else "no filter"
            notes.append(f"{band.image} states {told}: whether the blue image is the bluer one was not checked.")
    return notes


def _middle_nm(filter_name: str | None) -> float | None:
    if filter_name is None:
        return None
    return _MIDDLES_NM.get(filter_name, _MIDDLES_NM.get(filter_name.lower()))


def check_colours(stars: ColouredStars, blue: Band, red: Band) -> None:
    """Raise `BandError` if the magnitudes of stars in two images make impossible colours."""
    if len(stars) >= _LEAST_STARS and np.all(np.abs(stars.color) < _SAME_MAG):
        raise BandError(
            f"All {len(stars)} stars have the same magnitudes in {blue.image} and {red.image}: it is the same image "
            "twice."
        )
    if len(stars) < _LEAST_STARS:
        return
    colour, mag = float(np.median(stars.color)), float(np.median(stars.mag))
    if mag < _LEAST_MEDIAN_MAG:
        raise BandError(_instrumental(red, f"their median is {mag:.1f}"))
    if not _COLOURS_OF_STARS[0] <= colour <= _COLOURS_OF_STARS[1]:
        band = blue if colour < 0.0 else red
        raise BandError(_instrumental(band, f"the median colour would be {colour:.1f}, which no star has"))


def check_with_gaia(stars: ColouredStars, gaia: Table, found: Counterparts, blue: Band, red: Band) -> list[str]:
    """Return notes about magnitudes that differ from Gaia's.

    Raises:
        BandError: they differ by what no calibration does, or the colours run against Gaia's.
    """
    known, rows = found.known, found.rows[found.known]
    g_mag = gaia["phot_g_mean_mag"].data[rows]
    measured = {blue: (stars.mag + stars.color)[known], red: stars.mag[known]}
    expected = {band: synthetic(gaia, band.sloan)[0][rows] for band in measured}
    notes = []
    for band, mags in measured.items():
        offset, from_g = _offset(mags, expected[band]), _offset(mags, g_mag)
        if abs(offset) > _MOST_OFFSET_MAG or abs(from_g) > _MOST_OFFSET_FROM_G_MAG:
            worse = offset if abs(offset) > _MOST_OFFSET_MAG else from_g
            raise BandError(_instrumental(band, f"they differ from Gaia's by {worse:+.1f}"))
        if abs(offset) > _NOTED_OFFSET_MAG:
            notes.append(
                f"The magnitudes of {band.image} differ from Gaia's in {band.filter_name} by {offset:+.2f}: its zero "
                "point may be wrong."
            )
    colours, of_gaia = measured[blue] - measured[red], expected[blue] - expected[red]
    both = np.isfinite(colours) & np.isfinite(of_gaia)
    if (
        np.count_nonzero(both) >= _LEAST_STARS_FOR_ORDER
        and min(np.ptp(colours[both]), np.ptp(of_gaia[both])) > _NOTED_OFFSET_MAG
        and np.corrcoef(colours[both], of_gaia[both])[0, 1] < _EXCHANGED_CORRELATION
    ):
        raise BandError(
            f"The colours run against those Gaia has for the same stars: {blue.image} and {red.image} are exchanged, "
            "or one of their filters is not what its header says."
        )
    return notes


def _offset(mags: FloatArray, expected: FloatArray) -> float:
    """Return the median difference, 0 if there are too few stars to tell."""
    differences = mags - expected
    if np.count_nonzero(np.isfinite(differences)) < _LEAST_STARS:
        return 0.0
    return median_of_known(differences)


def _instrumental(band: Band, evidence: str) -> str:
    return (
        f"The magnitudes of {band.image} are not calibrated ({evidence}): a zero point is missing. Choose an image "
        "with a calibrated catalog."
    )
