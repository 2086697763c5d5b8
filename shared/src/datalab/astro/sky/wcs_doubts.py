"""What else a header says that does not go with its world coordinates: those may be of another binning, or nominal."""

from __future__ import annotations

from collections.abc import Mapping

from astropy.io import fits

from datalab.astro.headers.cards import HeaderValue, readable

#: Keywords for the width of a pixel, arcsec: those of LCO, of PinPoint, MaxIm and SGP, and of KPNO.
_SCALES = ("PIXSCALE", "SECPIX", "SECPIX1", "SCALE", "PIXSCAL1")
#: Binning changes the width by a factor of 2 or more; nominal focal lengths are wrong by some per cent.
_SAME_SCALE = 1.3
#: Scales in these units, if that; an unbinned pixel is between.
_SCALES_ARCSEC = (1e-3, 1e3)

#: The width of a pixel in micrometres, the focal length in millimetres, and the binning.
_OPTICS = ("XPIXSZ", "FOCALLEN", "XBINNING")
_ARCSEC_PER_UM_MM = 206.265
#: Focal lengths are nominal; only what looks like a binning is told.
_BINNINGS, _NEAR = (2.0, 3.0, 4.0, 0.5, 0.25), 0.1
#: Keywords of doubt with the words for it: LCO writes WCSERR, MaxIm and NINA PLTSOLVD.
DOUBT_KEYWORDS = frozenset({*_SCALES, *_OPTICS, "WCSERR", "PLTSOLVD"})


def _binning_of_optics(header: fits.Header | Mapping[str, HeaderValue], pixel_arcsec: float) -> float | None:
    """Return how many times as wide as by the WCS pixels are by the optics, if that is a binning; None else.

    XPIXSZ is that of binned pixels by SBIG's convention, of unbinned ones by some programs.
    """
    size_um, focal_mm, count = (_number(header, keyword) for keyword in _OPTICS)
    if not size_um or not focal_mm or size_um < 0 or focal_mm < 0:
        return None
    ratio = _ARCSEC_PER_UM_MM * size_um / focal_mm / pixel_arcsec
    likely = {ratio, ratio * (count or 1.0)}
    if any(abs(each - 1.0) < _NEAR for each in likely):
        return None
    return next((binning for binning in _BINNINGS for each in likely if abs(each / binning - 1.0) < _NEAR), None)


def _number(header: fits.Header | Mapping[str, HeaderValue], keyword: str) -> float | None:
    value = readable(header, keyword, None)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def doubts(header: fits.Header | Mapping[str, HeaderValue], pixel_arcsec: float) -> list[str]:
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
    binning = _binning_of_optics(header, pixel_arcsec)
    if binning is not None:
        notes.append(
            f"FOCALLEN: with XPIXSZ it makes pixels {binning:g} times those of the world coordinates, "
            "which may be those of another binning"
        )
    error = readable(header, "WCSERR", 0)
    if isinstance(error, int | float) and error:
        notes.append(f"WCSERR: {error:g}, the world coordinates are nominal, not solved")
    if readable(header, "PLTSOLVD", None) is False:
        notes.append("PLTSOLVD: F, the world coordinates are nominal, not solved")
    return notes
