"""Footprints as the index of the sphere takes them: what it would refuse must not reach it."""

import math

import pytest

from datalab.documents.sky import circle, point, polygon


@pytest.mark.parametrize(
    ("ra", "longitude"), [(0, 0), (180, 180), (180.5, -179.5), (359.75, -0.25), (360, 0), (-0.25, -0.25)]
)
def test_right_ascensions_become_longitudes(ra, longitude):
    assert point(ra, 5) == {"type": "Point", "coordinates": [longitude, 5]}


def test_a_footprint_is_a_closed_ring():
    assert polygon([(359.5, -1), (0.5, -1), (0.5, 1), (359.5, 1)]) == {
        "type": "Polygon",
        "coordinates": [[[-0.5, -1], [0.5, -1], [0.5, 1], [-0.5, 1], [-0.5, -1]]],
    }


@pytest.mark.parametrize(
    "corners",
    [
        [(10, 10), (11, 10), (11, 11), (10, 11)],
        [(10, 10), (10, 11), (11, 11), (11, 10)],
        [(0, 89), (90, 89), (180, 89), (270, 89)],
        [(0, -89.999), (90, -89.999), (180, -89.999), (270, -89.999)],
        [(10, 60), (10.0002, 60), (10.0002, 60.0001), (10, 60.0001)],
        [(0, 0), (80, 0), (40, 60)],
    ],
    ids=["either", "way round", "north pole", "south pole", "small", "large"],
)
def test_images_are_polygons(corners):
    assert polygon(corners)


@pytest.mark.parametrize(
    "corners",
    [
        [],
        [(10, 10), (11, 10)],
        [(10, 10), (11, 11), (11, 10), (10, 11)],
        [(10, 10), (10, 10), (11, 11), (10, 11)],
        [(10, 10), (10.000000001, 10), (11, 11), (10, 11)],
        [(0, 0), (1, 0), (2, 0), (3, 0)],
        [(0, 0), (2, 0), (1, 0.1), (2, 2)],
        [(0, 0), (120, 0), (240, 0)],
        [(0, 10), (100, 10), (180, -10), (260, 10)],
        [(72 * 2 * k, 80) for k in range(5)],
        [(math.nan, 0), (1, 0), (1, 1)],
    ],
    ids=["none", "line", "crossed", "twice", "nearly twice", "flat", "concave", "equator", "wide", "star", "nan"],
)
def test_what_is_no_image_is_none(corners):
    assert polygon(corners) is None


@pytest.mark.parametrize("middle", [(0, 0), (359.9, 45), (10, 90), (200, -89.9)], ids=str)
@pytest.mark.parametrize("radius", [1e-4, 0.5, 30])
def test_a_circle_is_a_polygon_a_little_wider(middle, radius):
    (ring,) = circle(*middle, radius)["coordinates"]
    corners = [(longitude % 360, latitude) for longitude, latitude in ring[:-1]]
    assert polygon(corners)
    for corner in corners:
        assert radius * 0.999 < separation_deg(middle, corner) < radius * 1.003


def separation_deg(first, second):
    """Return the angle between two directions, well also for small ones."""
    (ra1, dec1), (ra2, dec2) = [(math.radians(ra), math.radians(dec)) for ra, dec in (first, second)]
    haversine = math.sin((dec2 - dec1) / 2) ** 2 + math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(haversine)))
