"""What else a header says that does not go with its world coordinates: those may be of another binning, or nominal."""

from __future__ import annotations

from astropy.io import fits

from datalab.astro.headers.cards import readable

#: Keywords for the width of a pixel, arcsec: those of LCO, of PinPoint, MaxIm and SGP, and of KPNO.
_SCALES = ("PIXSCALE", "SECPIX", "SECPIX1", "SCALE", "PIXSCAL1")
#: Binning changes the width by a factor of 2 or more; nominal focal lengths are wrong by some per cent.
_SAME_SCALE = 1.3
#: Scales in these units, if that; an unbinned pixel is between.
_SCALES_ARCSEC = (1e-3, 1e3)

#: Keywords of doubt with the words for it: LCO writes WCSERR, MaxIm and NINA PLTSOLVD.
DOUBT_KEYWORDS = frozenset({*_SCALES, "WCSERR", "PLTSOLVD"})


def doubts(header: fits.Header, pixel_arcsec: float) -> list[str]:
    """Return notes on cards that contradict world coordinates with pixels of this width.

    Args:
        header: of the image.
        pixel_arcsec: the width of a pixel by its world coordinates.
    """
    notes = []
    for keyword in _SCALES:
        value = readable(header, keyword, None)
        is_scale = isinstance(value, int | float) and not isinstance(value, bool)
        if is_scale and _SCALES_ARCSEC[0] < value < _SCALES_ARCSEC[1]:
            ratio = float(value) / pixel_arcsec
            if not 1 / _SAME_SCALE < ratio < _SAME_SCALE:
                notes.append(
                    f"{keyword}: {value:g} arcsec are not the {pixel_arcsec:.4g} of the world coordinates, "
                    "which may be those of another binning"
                )
            break
    error = readable(header, "WCSERR", 0)
    if isinstance(error, int | float) and error:
        notes.append(f"WCSERR: {error:g}, the world coordinates are nominal, not solved")
    if readable(header, "PLTSOLVD", None) is False:
        notes.append("PLTSOLVD: F, the world coordinates are nominal, not solved")
    return notes
