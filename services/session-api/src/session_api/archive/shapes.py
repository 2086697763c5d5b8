"""Shapes on the sky as clients write them: `POINT(RA DEC)` and `POLYGON((RA DEC, ...))`, in degrees (WKT)."""

from __future__ import annotations

import math
import re

from datalab.documents.document import Document
from datalab.documents.sky import circle, point, polygon
from datalab.errors import UsageError

_WKT = re.compile(r"\s*(?:SRID=\d+;)?\s*(?P<kind>[A-Z]+)\s*\((?P<inside>[^a-z]*)\)\s*", re.IGNORECASE)
_PAIR = re.compile(r"\s*(\S+)\s+(\S+)\s*")
_MOST_CORNERS = 100
_LARGEST_RADIUS_DEG = 45.0
#: Of smaller circles (0.4") the corners would be one to the index.
_LEAST_RADIUS_DEG = 1e-4


def covered_points(text: str) -> list[Document]:
    """Return the points that a frame has to cover to cover the shape. Raises `UsageError`."""
    corners = _corners(text, "covers")
    if len(corners) > 1:
        _polygon(corners, "covers")
    return [point(ra, dec) for ra, dec in corners]


def intersecting_shape(text: str) -> Document:
    """Return the shape that a frame has to have a part of. Raises `UsageError`."""
    corners = _corners(text, "intersects")
    return point(*corners[0]) if len(corners) == 1 else _polygon(corners, "intersects")


def cone(ra_deg: float, dec_deg: float, radius_deg: float) -> Document:
    """Return a circle, or its middle if it has no size. Raises `UsageError`."""
    if not (-360 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise UsageError("A cone needs ra from 0 to 360 and dec from -90 to 90 degrees.")
    if not 0 <= radius_deg <= _LARGEST_RADIUS_DEG:
        raise UsageError(f"The radius of a cone is from 0 to {_LARGEST_RADIUS_DEG:g} degrees.")
    return circle(ra_deg, dec_deg, radius_deg) if radius_deg >= _LEAST_RADIUS_DEG else point(ra_deg, dec_deg)


def _polygon(corners: list[tuple[float, float]], query: str) -> Document:
    shape = polygon(corners)
    if shape is None:
        raise UsageError(f"Error with {query} query: a polygon must be convex and smaller than half of the sky")
    return shape


def _corners(text: str, query: str) -> list[tuple[float, float]]:
    """Return the one position of a point, or the corners of a polygon without the last, which is the first."""
    error = UsageError(f"Error with {query} query: give 'POINT(RA DEC)' or 'POLYGON((RA DEC, RA DEC, ...))' in degrees")
    match = _WKT.fullmatch(text)
    if match is None:
        raise error
    kind, inside = match["kind"].upper(), match["inside"].strip()
    if kind == "POLYGON":
        if not (inside.startswith("(") and inside.endswith(")") and inside.count("(") == 1):
            raise error
        inside = inside[1:-1]
    pairs = [_PAIR.fullmatch(pair) for pair in inside.split(",")]
    if not 1 <= len(pairs) <= _MOST_CORNERS + 1:
        raise error
    corners = []
    for pair in pairs:
        try:
            ra, dec = (float(pair[1]), float(pair[2])) if pair else (math.nan, math.nan)
        except ValueError:
            raise error from None
        if not (-360.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0):
            raise error
        corners.append((ra % 360.0, dec))
    if kind == "POINT" and len(corners) == 1:
        return corners
    if kind == "POLYGON" and len(corners) >= 4 and corners[0] == corners[-1]:
        return corners[:-1]
    raise error
