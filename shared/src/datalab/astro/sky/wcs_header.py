"""World coordinates written into headers, and kept true when an image is cut."""

from __future__ import annotations

import re

from astropy.io import fits
from astropy.wcs import WCS

from datalab.astro.headers.cards import header_cards
from datalab.astro.sky.wcs import is_number
from datalab.astro.sky.wcs_words import number_in

#: Keywords of the world coordinates of images, alternates and the conventions SIP, TPV and TNX included.
#: FITS Standard 4.0, section 8; SIP: Shupe et al. 2005, ASP Conf. Ser. 347, 491.
_WCS_KEYWORD = re.compile(
    r"(?:WCSAXES|WCSNAME|CTYPE\d|CUNIT\d|CRVAL\d|CRPIX\d|CDELT\d|CRDER\d|CSYER\d|LONPOLE|LATPOLE|RADESYS|EQUINOX|"
    r"(?:CD|PC)\d_\d|(?:PV|PS)\d_\d+)[A-Z]?|"
    r"CROTA\d|(?:CD|PC)00\d00\d|RADECSYS|WAT\d_\d+|(?:CPDIS|CQDIS|CPERR|CQERR)\d|D[PQ]\d\..*|"
    r"(?:A|B|AP|BP)_(?:ORDER|DMAX|\d_\d)"
)
#: Cards that name regions of an image by pixel numbers; on other pixels they are wrong.
PIXEL_REGION = re.compile(r"(?:DATA|TRIM|CCD|BIAS|DET|AMP)SEC\d*")
#: Cards that lead from the pixels of an image to those of its detector: of IRAF (LTM, LTV: "Mosaic Data Structures" of
#: NOAO), and the origin of a part of the detector as MaxIm DL writes it.
_DETECTOR_PIXELS = re.compile(r"LTV[12]|LTM[12]_[12]|[XY]ORGSUBF")
_REFERENCE_PIXEL = re.compile(r"CRPIX(?P<axis>[12])[A-Z]?")


def is_of_coordinates(keyword: str) -> bool:
    """Tell whether a card belongs to the world coordinates of an image."""
    return _WCS_KEYWORD.fullmatch(keyword) is not None


def wcs_cards(wcs: WCS) -> list[fits.Card]:
    """Return the cards of a WCS, with the CD matrix that most readers know best, and nothing but the WCS."""
    header = wcs.to_header(relax=True)  # with SIP
    kept = [card for card in header.cards if _WCS_KEYWORD.fullmatch(card.keyword) and card.keyword[:2] != "PC"]
    cards = [card for card in kept if not card.keyword.startswith("CDELT")]
    matrix = wcs.pixel_scale_matrix
    return cards + [
        fits.Card(f"CD{row + 1}_{column + 1}", float(matrix[row, column]), "[deg] per pixel")
        for row in range(2)
        for column in range(2)
    ]


def with_wcs(header: fits.Header, wcs: WCS, shape: tuple[int, int]) -> fits.Header:
    """Return a copy of a header for an image on other pixels: it has the given WCS and no trace of another.

    Args:
        header: not modified.
        wcs: of the image the new header describes.
        shape: (rows, columns) of that image.
    """
    changed = header.copy()
    for keyword in {keyword for keyword in changed if _WCS_KEYWORD.fullmatch(keyword)}:
        changed.remove(keyword, remove_all=True)
    _set_axes(changed, shape)
    changed.update(wcs_cards(wcs))
    return changed


def cutout_header(header: fits.Header, *, x_start: int, y_start: int, shape: tuple[int, int]) -> fits.Header:
    """Return a copy of a header for the part of its image that begins at column `x_start`, row `y_start`.

    The reference pixels of all its world coordinates move, and so does what says which pixel of the detector the first
    one is; everything else about them, distortions too, stays true.

    Args:
        header: not modified.
        x_start: column of the part's first pixel, counted from 0.
        y_start: its row.
        shape: (rows, columns) of the part.
    """
    changed = header.copy()
    _set_axes(changed, shape)
    for keyword, value in header_cards(header).items():
        reference = _REFERENCE_PIXEL.fullmatch(keyword)
        number = value if is_number(value) else number_in(value) if isinstance(value, str) else None
        if reference and number is not None:
            changed.remove(keyword, remove_all=True)  # of several the last counts
            changed[keyword] = number - (x_start if reference["axis"] == "1" else y_start)
    if "CTYPE1" in changed and "CRPIX1" not in changed and "CRPIX2" not in changed:  # where it is 0 by default
        changed["CRPIX1"], changed["CRPIX2"] = float(-x_start), float(-y_start)
    for keyword, moved in (("LTV1", -x_start), ("LTV2", -y_start), ("XORGSUBF", x_start), ("YORGSUBF", y_start)):
        if is_number(changed.get(keyword)):
            changed[keyword] += moved
    return changed


def resampled_header(header: fits.Header, wcs: WCS, shape: tuple[int, int]) -> fits.Header:
    """Return what `with_wcs` does for an image on pixels that are no longer those of its detector."""
    changed = with_wcs(header, wcs, shape)
    for keyword in {keyword for keyword in changed if _DETECTOR_PIXELS.fullmatch(keyword)}:
        changed.remove(keyword, remove_all=True)
    return changed


def _set_axes(header: fits.Header, shape: tuple[int, int]) -> None:
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, shape[1], shape[0]
    for keyword in {keyword for keyword in header if PIXEL_REGION.fullmatch(keyword)}:
        header.remove(keyword, remove_all=True)
