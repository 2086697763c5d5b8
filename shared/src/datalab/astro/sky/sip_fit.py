"""Fitting world coordinates with distortion (SIP) to places known both in pixels and on the sky.

References:
    D. L. Shupe et al., "The SIP convention for representing distortion in FITS image headers", ASP Conf. Ser. 347, 491
    (2005).
"""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS, Sip
from scipy.special import fdtrc

from datalab.astro.sky.cross_match import arcsec_of_chord, unit_vectors
from datalab.astro.sky.tangent_fit import PlaneError, fit_tangent_wcs, from_plane, tangent_wcs, to_plane
from datalab.astro.types import FloatArray

#: Optics of telescopes need no more: a radial distortion is of the third order, correctors add the fifth.
MOST_SIP_ORDER = 5
#: A term is added if chance would gain as much only so often.
SIGNIFICANCE = 1e-3
#: Stars for each coefficient of an axis: fewer leave corners of the image to guesswork.
_STARS_PER_COEFFICIENT = 3
#: The tangent point is moved to the fitted centre until it stays.
_PASSES = 4
#: The grid that the inverse, and distortions of other conventions, are fitted on.
_GRID_POINTS = 25


def coefficients_of(order: int) -> int:
    """Return how many numbers a polynomial of two variables has; order 1 are those of an undistorted axis."""
    return (order + 1) * (order + 2) // 2


def fit_wcs(
    x: FloatArray,
    y: FloatArray,
    ra_deg: FloatArray,
    dec_deg: FloatArray,
    shape: tuple[int, int],
    *,
    most_order: int = MOST_SIP_ORDER,
) -> tuple[WCS, int]:
    """Return the TAN or TAN-SIP WCS (ICRS) that fits places best, and its order: 1 without distortion.

    An order is taken if it is significantly better than the last one taken, by the F-test, and if the places suffice.

    Args:
        x: 0-based columns of at least three places that are not in line.
        y: their rows.
        ra_deg: their right ascensions.
        dec_deg: their declinations.
        shape: (rows, columns) of the image.
        most_order: the highest order to try.

    Raises:
        PlaneError: the places are too few, in line, or on opposite sides of the sky.
    """
    best, best_order = fit_tangent_wcs(x, y, ra_deg, dec_deg, shape), 1
    squares = squares_arcsec2(best, x, y, ra_deg, dec_deg)
    for order in range(2, most_order + 1):
        if np.size(x) < _STARS_PER_COEFFICIENT * coefficients_of(order):
            break
        wcs = fit_sip_wcs(x, y, ra_deg, dec_deg, shape, order=order)
        improved = squares_arcsec2(wcs, x, y, ra_deg, dec_deg)
        if is_better(
            squares,
            improved,
            measured=2 * np.size(x),
            parameters=2 * coefficients_of(order),
            added=2 * (coefficients_of(order) - coefficients_of(best_order)),
        ):
            best, best_order, squares = wcs, order, improved
    return best, best_order


def is_better(
    squares: float, improved: float, *, measured: int, parameters: int, added: int, least_ratio: float = 0.0
) -> bool:
    """Tell whether `added` of `parameters` lower a sum of squares of `measured` numbers by more than chance would.

    By chance each lowers it by the variance of one number; `least_ratio` is how much more each must, on the average.
    """
    left = measured - parameters
    if left <= 0 or improved >= squares:
        return False
    if improved <= 0:
        return True
    ratio = (squares - improved) / added / (improved / left)
    return ratio >= least_ratio and bool(fdtrc(added, left, ratio) < SIGNIFICANCE)


def squares_arcsec2(wcs: WCS, x: FloatArray, y: FloatArray, ra_deg: FloatArray, dec_deg: FloatArray) -> float:
    """Return the sum of squared distances of places from where a WCS has them."""
    return float((distances_arcsec(wcs, x, y, ra_deg, dec_deg) ** 2).sum())


def distances_arcsec(wcs: WCS, x: FloatArray, y: FloatArray, ra_deg: FloatArray, dec_deg: FloatArray) -> FloatArray:
    """Return how far places are from where a WCS (axes RA and Dec, ICRS or nearly so) has them, arcsec."""
    sky = wcs.pixel_to_world(x, y).icrs
    chords = np.linalg.norm(unit_vectors(sky.ra.deg, sky.dec.deg) - unit_vectors(ra_deg, dec_deg), axis=-1)
    return arcsec_of_chord(chords)


def fit_sip_wcs(
    x: FloatArray, y: FloatArray, ra_deg: FloatArray, dec_deg: FloatArray, shape: tuple[int, int], *, order: int
) -> WCS:
    """Return the TAN-SIP WCS of an order that fits places best; see `fit_wcs`. Its inverse (AP, BP) is in it too."""
    middle_x, middle_y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    powers = [(i, degree - i) for degree in range(order + 1) for i in range(degree, -1, -1)]
    unit = max(shape) / 2.0  # powers of numbers about 1 keep their digits
    u, v = (np.asarray(x) - middle_x) / unit, (np.asarray(y) - middle_y) / unit
    terms = np.column_stack([u**i * v**j for i, j in powers])
    if np.linalg.matrix_rank(terms) < len(powers):
        raise PlaneError("the places lie too regularly for a distortion")
    undistorted = fit_tangent_wcs(x, y, ra_deg, dec_deg, shape)
    centre = (float(undistorted.wcs.crval[0]), float(undistorted.wcs.crval[1]))
    fitted = np.zeros((len(powers), 2))
    for _ in range(_PASSES):
        fitted = np.asarray(np.linalg.lstsq(terms, np.column_stack(to_plane(ra_deg, dec_deg, centre)), rcond=None)[0])
        moved_ra, moved_dec = from_plane(fitted[0, 0], fitted[0, 1], centre)
        centre = (float(moved_ra), float(moved_dec))
    matrix = fitted[1:3].T / unit
    inverse = np.linalg.inv(matrix)
    a, b = np.zeros((2, order + 1, order + 1))
    for (i, j), coefficients in list(zip(powers, fitted, strict=True))[3:]:
        a[i, j], b[i, j] = inverse @ coefficients / unit ** (i + j)
    wcs = tangent_wcs(centre, matrix, crpix=(middle_x + 1, middle_y + 1))
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.sip = Sip(a, b, *_inverse_of(a, b, shape, order), wcs.wcs.crpix)
    wcs.wcs.set()
    wcs.array_shape = shape
    return wcs


def _inverse_of(a: FloatArray, b: FloatArray, shape: tuple[int, int], order: int) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients that lead from undistorted pixels back, fitted on a grid."""
    u, v = grid(shape)
    u, v = u - (shape[1] - 1) / 2, v - (shape[0] - 1) / 2
    moved_u, moved_v = u + np.polynomial.polynomial.polyval2d(u, v, a), v + np.polynomial.polynomial.polyval2d(u, v, b)
    unit = max(shape) / 2.0
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    terms = np.column_stack([(moved_u / unit) ** i * (moved_v / unit) ** j for i, j in powers])
    fitted = np.linalg.lstsq(terms, np.column_stack([u - moved_u, v - moved_v]), rcond=None)[0]
    ap, bp = np.zeros((2, order + 1, order + 1))
    for (i, j), (in_x, in_y) in zip(powers, fitted, strict=True):
        ap[i, j], bp[i, j] = in_x / unit ** (i + j), in_y / unit ** (i + j)
    return ap, bp


def grid(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return x and y of points all over an image."""
    x, y = np.meshgrid(np.linspace(0, shape[1] - 1, _GRID_POINTS), np.linspace(0, shape[0] - 1, _GRID_POINTS))
    return x.ravel(), y.ravel()
