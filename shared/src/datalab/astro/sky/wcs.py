"""World coordinates: reading them from headers, writing them, and the grid that several images have in common.

Pixel coordinates are those of numpy and astropy: x is the column, y the row, whole numbers at pixel centres from 0 on.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TypeGuard

import numpy as np
from astropy import units
from astropy.coordinates import CartesianRepresentation, ConvertError, SkyCoord, UnitSphericalRepresentation
from astropy.io import fits
from astropy.wcs import WCS, Sip
from astropy.wcs.utils import pixel_to_pixel, proj_plane_pixel_area

from datalab.astro.headers.cards import header_cards
from datalab.astro.types import FloatArray

#: Takes x and y of pixels, of any one shape, to x and y in another image; NaN for what has no place there.
PixelMapping = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]

#: What astropy.wcs raises for damaged keywords; its own errors are ValueErrors.
_ASTROPY_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    ConvertError,
    fits.VerifyError,
)

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
_REFERENCE_PIXEL = re.compile(r"CRPIX(?P<axis>[12])[A-Z]?")

#: Points along each side of an image that stand for its outline: straight sides need one, SIP bends them little.
_OUTLINE_POINTS_PER_SIDE = 16
#: So much of an outermost pixel may be missing from a grid around images.
_EDGE_TOLERANCE_PX = 0.01
#: A pixel taken to the sky and back must return.
_ROUND_TRIP_PX = 0.1


class WcsError(ValueError):
    """World coordinates cannot be used together; the text is for users."""


def celestial_wcs(header: fits.Header, shape: tuple[int, int]) -> WCS | None:
    """Return the celestial WCS of an image, distortions (SIP, TPV) included, or None if there is none to rely on.

    Never raises and never warns, whatever is in the header. The result has two axes and knows its `array_shape`.

    Args:
        header: of the image; CD, PC with CDELT, and CROTA are understood.
        shape: (rows, columns).
    """
    rows, columns = shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy tells what it mended in the header
        try:
            if not (_is_solved(header) and _has_small_counts(header)):
                return None
            wcs = WCS(_with_two_axes(header))
            if not wcs.has_celestial:
                return None
            wcs = wcs if wcs.naxis == 2 else wcs.celestial
            corners = wcs.pixel_to_world([0, columns - 1, 0, columns - 1], [0, 0, rows - 1, rows - 1]).icrs
        except _ASTROPY_ERRORS:
            return None
        if not (np.isfinite(corners.ra.deg).all() and np.isfinite(corners.dec.deg).all() and _returns(wcs, shape)):
            return None
    wcs.array_shape = shape
    return wcs


def pixel_scale_arcsec(wcs: WCS) -> float:
    """Return the side of a square of the area that a pixel has at the reference point."""
    return float(np.sqrt(proj_plane_pixel_area(wcs))) * 3600.0


def position_angle_deg(wcs: WCS, shape: tuple[int, int]) -> float:
    """Return the direction in which rows grow, at the middle of an image: from north through east, in [0, 360)."""
    rows, columns = shape
    x, y = (columns - 1) / 2, (rows - 1) / 2
    here, above = wcs.pixel_to_world([x, x], [y - 0.5, y + 0.5]).icrs
    return float(here.position_angle(above).to_value(units.deg))


def between(target: WCS, source: WCS) -> PixelMapping:
    """Return the mapping from the pixels of `target` to those of `source` that show the same place on the sky.

    Differing celestial frames are converted. Places that the projection of `source` cannot show become NaN.
    """

    def mapping(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        if not np.size(x):  # astropy cannot take none to the sky
            return x, y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SIP has no inverse far outside the image; nothing is taken from there
            source_x, source_y = pixel_to_pixel(target, source, x, y)
        return np.asarray(source_x, np.float64), np.asarray(source_y, np.float64)

    return mapping


def common_wcs(
    wcses: Sequence[WCS], shapes: Sequence[tuple[int, int]], *, rotation_deg: float = 0.0
) -> tuple[WCS, tuple[int, int]]:
    """Return the smallest gnomonic (TAN) grid around all images, and its shape (rows, columns).

    East is to the left of north, the scale is that of the finest image, the tangent point is the mean of all corners.

    Args:
        wcses: of the images, at least one.
        shapes: (rows, columns) of each.
        rotation_deg: position angle, from north through east, in which rows grow; 0 is north up.

    Raises:
        WcsError: the images lie too far apart on the sky for one plane.

    References:
        M. R. Calabretta and E. W. Greisen, A&A 395, 1077 (2002), section 5.1.3.
    """
    corners = [outline(wcs, shape, points_per_side=1) for wcs, shape in zip(wcses, shapes, strict=True)]
    directions = np.concatenate([sky.cartesian.xyz.value for sky in corners], axis=1)
    centre = CartesianRepresentation(directions.mean(axis=1)).represent_as(UnitSphericalRepresentation)
    scale_deg = min(map(pixel_scale_arcsec, wcses)) / 3600.0
    cosine, sine = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))

    mosaic = tangent_wcs(
        (centre.lon.deg, centre.lat.deg), scale_deg * np.array([[-cosine, sine], [sine, cosine]]), crpix=(1.0, 1.0)
    )

    outlines = [outline(wcs, shape) for wcs, shape in zip(wcses, shapes, strict=True)]
    x, y = np.concatenate([np.array(mosaic.world_to_pixel(sky)) for sky in outlines], axis=1)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise WcsError("the images lie too far apart on the sky to be put on one plane")
    columns, rows = (math.ceil(float(np.ptp(side)) - _EDGE_TOLERANCE_PX) for side in (x, y))
    mosaic.wcs.crpix = [0.5 - x.min(), 0.5 - y.min()]  # the outermost edge becomes that of the first pixel
    mosaic.wcs.set()
    mosaic.array_shape = (rows, columns)
    return mosaic, (rows, columns)


def tangent_wcs(centre: tuple[float, float], matrix: FloatArray, *, crpix: tuple[float, float]) -> WCS:
    """Return the TAN WCS (ICRS) with this tangent point (degrees), CD matrix and 1-based reference pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.crval = centre
    wcs.wcs.cd = matrix
    wcs.wcs.crpix = crpix
    wcs.wcs.set()
    return wcs


def outline(wcs: WCS, shape: tuple[int, int], *, points_per_side: int = _OUTLINE_POINTS_PER_SIDE) -> SkyCoord:
    """Return places along the outer edge of an image of the shape (rows, columns), all corners included."""
    rows, columns = shape
    part = np.arange(points_per_side) / points_per_side
    x = np.concatenate([part, np.ones_like(part), 1 - part, np.zeros_like(part)]) * columns - 0.5
    y = np.concatenate([np.zeros_like(part), part, np.ones_like(part), 1 - part]) * rows - 0.5
    return wcs.pixel_to_world(x, y).icrs


def moved_origin(wcs: WCS, *, x_start: int, y_start: int, shape: tuple[int, int]) -> WCS:
    """Return the WCS of the part of an image that begins at column `x_start`, row `y_start` (counted from 0)."""
    moved = wcs.deepcopy()
    moved.wcs.crpix = moved.wcs.crpix - [x_start, y_start]
    if moved.sip is not None:
        moved.sip = Sip(moved.sip.a, moved.sip.b, moved.sip.ap, moved.sip.bp, moved.wcs.crpix)
    moved.wcs.set()
    moved.array_shape = shape
    return moved


def footprint(header: fits.Header, shape: tuple[int, int]) -> list[tuple[float, float]] | None:
    """Return the corners of an image on the sky as ICRS (right ascension, declination) in degrees, or None without WCS.

    The order is that of the outer corners of pixels [0, 0], [0, last], [last, last], [last, 0]. Right ascensions are
    in [0, 360), so a footprint across RA 0 has values from both ends.

    Args:
        header: of the image; an invalid WCS counts as none.
        shape: (rows, columns).
    """
    wcs = celestial_wcs(header, shape)
    if wcs is None:
        return None
    corners = outline(wcs, shape, points_per_side=1)
    if not (np.isfinite(corners.ra.deg).all() and np.isfinite(corners.dec.deg).all()):
        return None
    return list(zip((corners.ra.deg % 360.0).tolist(), corners.dec.deg.tolist(), strict=True))


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

    The reference pixels of all its world coordinates move; everything else about them, distortions too, stays true.

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
        if reference and _is_number(value):
            changed[keyword] = value - (x_start if reference["axis"] == "1" else y_start)
    return changed


def _returns(wcs: WCS, shape: tuple[int, int]) -> bool:
    """Tell whether pixels have an area and come back from the sky: matrices and distortions may have no inverse."""
    if not pixel_scale_arcsec(wcs) > 0.0:
        return False
    x, y = np.array([0.0, (shape[1] - 1) / 2, shape[1] - 1.0]), np.array([0.0, (shape[0] - 1) / 2, shape[0] - 1.0])
    back_x, back_y = wcs.world_to_pixel_values(*wcs.pixel_to_world_values(x, y))
    return bool((np.hypot(back_x - x, back_y - y) < _ROUND_TRIP_PX).all())


def _set_axes(header: fits.Header, shape: tuple[int, int]) -> None:
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, shape[1], shape[0]
    for keyword in {keyword for keyword in header if PIXEL_REGION.fullmatch(keyword)}:
        header.remove(keyword, remove_all=True)


def _is_solved(header: fits.Header) -> bool:
    """Tell whether position and scale are given; for missing or zero ones WCSLIB assumes 0 and 1 degree per pixel."""
    scales = ("CD1_1", "CD1_2", "CDELT1")
    return all(_is_number(header.get(keyword)) for keyword in ("CRVAL1", "CRVAL2")) and any(
        _is_number(header.get(keyword)) and header[keyword] != 0 for keyword in scales
    )


def _has_small_counts(header: fits.Header) -> bool:
    """Tell whether the counts that astropy.wcs sizes its tables by have one digit, as WCS axes and SIP orders have."""
    counts = (header.get(keyword, 0) for keyword in ("WCSAXES", "A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"))
    return all(isinstance(count, int) and 0 <= count <= 9 for count in counts)


def _with_two_axes(header: fits.Header) -> fits.Header:
    two_axes = header.copy()
    two_axes["NAXIS"] = 2  # WCSLIB sizes its tables by this one too
    return two_axes


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
