"""Shapes on the sky as the document store's index of the sphere takes them: GeoJSON.

A longitude is the right ascension, less 360 degrees where it is beyond 180.
Edges are great circles, as the edges of an image in the gnomonic projection are. The inside of a polygon is the smaller
part of the sphere, whichever way its corners run, so that poles and RA 0 need no care.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from datalab.documents.document import Document

#: Corners nearer to each other than this are one to the index, which takes no polygon with a corner twice (0.004").
_LEAST_SIDE_RAD = 2e-8
#: A circle as a polygon: with so many corners it is wider than the circle by 0.13 % where they are.
_CIRCLE_CORNERS = 60

_Vector = tuple[float, float, float]


def point(ra_deg: float, dec_deg: float) -> Document:
    """Return a position as GeoJSON."""
    return {"type": "Point", "coordinates": [_longitude(ra_deg), dec_deg]}


def polygon(corners: Sequence[tuple[float, float]]) -> Document | None:
    """Return a convex polygon, given by its corners (RA, declination) in degrees, as GeoJSON.

    None for what is no such polygon, or not within a hemisphere: the index would refuse the document for it.
    """
    return ring(corners) if len(corners) >= 3 and _is_convex([_vector(*corner) for corner in corners]) else None


def ring(corners: Sequence[tuple[float, float]]) -> Document:
    """Return corners as the GeoJSON of a polygon, whether it is one or not."""
    positions = [[_longitude(ra), dec] for ra, dec in corners]
    return {"type": "Polygon", "coordinates": [[*positions, positions[0]]]}


def circle(ra_deg: float, dec_deg: float, radius_deg: float) -> Document:
    """Return the polygon around a circle of less than 90 degrees."""
    # The middles of its sides are on the circle, its corners a little outside.
    outer = math.atan(math.tan(math.radians(radius_deg)) / math.cos(math.pi / _CIRCLE_CORNERS))
    middle, (ra, dec) = _vector(ra_deg, dec_deg), (math.radians(ra_deg), math.radians(dec_deg))
    north = (-math.sin(dec) * math.cos(ra), -math.sin(dec) * math.sin(ra), math.cos(dec))
    east = (-math.sin(ra), math.cos(ra), 0.0)
    corners = []
    for number in range(_CIRCLE_CORNERS):
        angle = 2 * math.pi * number / _CIRCLE_CORNERS
        x, y, z = (
            math.cos(outer) * m + math.sin(outer) * (math.cos(angle) * n + math.sin(angle) * e)
            for m, n, e in zip(middle, north, east, strict=True)
        )
        corners.append([_longitude(math.degrees(math.atan2(y, x))), math.degrees(math.atan2(z, math.hypot(x, y)))])
    return {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}


def _longitude(ra_deg: float) -> float:
    longitude = ra_deg % 360.0
    return longitude - 360.0 if longitude > 180.0 else longitude


def _vector(ra_deg: float, dec_deg: float) -> _Vector:
    ra, dec = math.radians(ra_deg), math.radians(dec_deg)
    return math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)


def _is_convex(corners: Sequence[_Vector]) -> bool:
    """Tell whether the path turns the same way at every corner, once around, and stays within a hemisphere."""
    middle = tuple(sum(corner[axis] for corner in corners) for axis in range(3))
    length = math.hypot(*middle)
    if length == 0.0 or any(_dot(corner, middle) <= 0.0 for corner in corners):
        return False
    turned = 0.0
    directions = set()
    for number, corner in enumerate(corners):
        following, next_but_one = (corners[(number + step) % len(corners)] for step in (1, 2))
        if math.dist(corner, following) < _LEAST_SIDE_RAD:
            return False
        side = _cross(corner, following)
        # Relative to the sides, so that small images are judged as large ones are.
        turn = _dot(side, next_but_one) / (math.hypot(*side) * math.dist(following, next_but_one) or 1.0)
        directions.add(turn > 0.0)
        if abs(turn) < _LEAST_SIDE_RAD:
            return False
        turned += _angle_around(middle, corner, following)
    return len(directions) == 1 and math.isclose(abs(turned), 2 * math.pi, rel_tol=1e-3)


def _angle_around(axis: tuple[float, ...], start: _Vector, end: _Vector) -> float:
    """Return by how much one turns about the axis on the way from start to end, in radians."""
    length = math.hypot(*axis)
    unit = (axis[0] / length, axis[1] / length, axis[2] / length)
    first, second = _cross(unit, start), _cross(unit, end)
    return math.atan2(_dot(unit, _cross(first, second)), _dot(first, second))


def _cross(first: _Vector, second: _Vector) -> _Vector:
    return (
        first[1] * second[2] - first[2] * second[1],
        first[2] * second[0] - first[0] * second[2],
        first[0] * second[1] - first[1] * second[0],
    )


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))
