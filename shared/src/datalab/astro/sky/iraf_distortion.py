"""The distortions of IRAF's projections TNX and ZPX, as terms of the conventions that others read.

References:
    D. Tody and L. Davis, "The TNX world coordinate system" and F. Valdes, "ZPX" (NOAO IRAF documents, registered as
    FITS conventions).
"""

from __future__ import annotations

import re
from itertools import product

import numpy as np
from numpy.polynomial import chebyshev, legendre, polynomial

from datalab.astro.sky.tpv import term_of_powers
from datalab.astro.types import FloatArray

_SURFACE = re.compile(r'(?:lng|lat)cor\s*=\s*"(?P<numbers>[^"]*)"?', re.IGNORECASE)
_RADIAL = re.compile(r"projp(?P<power>\d)\s*=\s*(?P<value>[+-]?[\d.]+(?:[EeDd][+-]?\d+)?)", re.IGNORECASE)
_HEADER_NUMBERS = 8
_CHEBYSHEV, _LEGENDRE, _POWERS = 1, 2, 3
_NO_CROSS_TERMS, _ALL_CROSS_TERMS, _HALF_CROSS_TERMS = 0, 1, 2
_MOST_ORDER = 8


class IrafDistortionError(ValueError):
    """A description of a distortion cannot be read; the text says why."""


def standard_polynomials(
    longitude: str, latitude: str
) -> tuple[dict[int, float], tuple[dict[int, float], dict[int, float]]]:
    """Return radial terms (ZPN, by power) and polynomials (TPV, by PV term) of the joined WAT texts of both axes.

    The radial terms are empty if there are none but the linear one, and so are the polynomials without corrections.

    Raises:
        IrafDistortionError: see there.
    """
    radial = _radial_terms(latitude) or _radial_terms(longitude)
    if not any(value for power, value in radial.items() if power != 1):
        if radial.get(1, 1.0) != 1.0:
            raise IrafDistortionError("its linear radial term is not 1")
        radial = {}
    surfaces = _surface(longitude), _surface(latitude)
    if all(surface is None for surface in surfaces):
        return radial, ({}, {})
    return radial, (_terms(surfaces[0], own=0), _terms(surfaces[1], own=1))


def _radial_terms(text: str) -> dict[int, float]:
    return {int(found["power"]): float(found["value"].upper().replace("D", "E")) for found in _RADIAL.finditer(text)}


def _surface(text: str) -> FloatArray | None:
    """Return the coefficients of x^i y^j, x eastward and y northward in degrees, shape (i, j)."""
    found = _SURFACE.search(text)
    if found is None or not found["numbers"].strip():
        return None
    try:
        numbers = [float(word.upper().replace("D", "E")) for word in found["numbers"].split()]
    except ValueError:
        raise IrafDistortionError("its coefficients are not numbers") from None
    if len(numbers) < _HEADER_NUMBERS:
        raise IrafDistortionError("its coefficients are too few")
    kind, x_order, y_order, crossing = (int(number) for number in numbers[:4])
    if kind not in {_CHEBYSHEV, _LEGENDRE, _POWERS} or not (0 < x_order <= _MOST_ORDER and 0 < y_order <= _MOST_ORDER):
        raise IrafDistortionError(f"surfaces of type {kind}, orders {x_order} and {y_order}, are not known")
    pairs = [pair for pair in _coefficient_order(x_order, y_order) if _is_there(pair, x_order, y_order, crossing)]
    coefficients = numbers[_HEADER_NUMBERS:]
    if len(coefficients) != len(pairs):
        raise IrafDistortionError(f"it has {len(coefficients)} coefficients in place of {len(pairs)}")
    surface = np.zeros((x_order, y_order))
    for (i, j), value in zip(pairs, coefficients, strict=True):
        surface[i, j] = value
    if kind == _POWERS:
        return surface
    x_low, x_high, y_low, y_high = numbers[4:_HEADER_NUMBERS]
    if not (x_high > x_low and y_high > y_low):
        raise IrafDistortionError("its ranges are empty")
    in_x = _in_degrees(kind, x_order, x_low, x_high)
    in_y = _in_degrees(kind, y_order, y_low, y_high)
    expanded: FloatArray = in_x.T @ surface @ in_y
    return expanded


def _coefficient_order(x_order: int, y_order: int) -> list[tuple[int, int]]:
    return [(i, j) for j, i in product(range(y_order), range(x_order))]


def _is_there(pair: tuple[int, int], x_order: int, y_order: int, crossing: int) -> bool:
    i, j = pair
    if crossing == _NO_CROSS_TERMS:
        return i == 0 or j == 0
    return crossing != _HALF_CROSS_TERMS or i + j < max(x_order, y_order)


def _in_degrees(kind: int, order: int, low: float, high: float) -> FloatArray:
    """Return the polynomials of one kind up to an order as rows of coefficients of powers of the unscaled number."""
    scaled = np.array([-(high + low) / (high - low), 2.0 / (high - low)])
    rows = np.zeros((order, order))
    for degree in range(order):
        alone = [0.0] * degree + [1.0]
        powers = chebyshev.cheb2poly(alone) if kind == _CHEBYSHEV else legendre.leg2poly(alone)
        unscaled = np.zeros(1)
        for coefficient in powers[::-1]:  # Horner's scheme, of polynomials
            unscaled = polynomial.polyadd(polynomial.polymul(unscaled, scaled), [coefficient])
        rows[degree, : unscaled.size] = unscaled[:order]
    return rows


def _terms(surface: FloatArray | None, *, own: int) -> dict[int, float]:
    """Return the PV terms of x + surface (or y + surface)."""
    terms = {1: 1.0}
    if surface is None:
        return terms
    for (i, j), value in np.ndenumerate(surface):
        if not value:
            continue
        term = term_of_powers(*((i, j) if own == 0 else (j, i)))
        if term is None:
            raise IrafDistortionError("its degree is higher than 7")
        terms[term] = terms.get(term, 0.0) + float(value)
    return terms
