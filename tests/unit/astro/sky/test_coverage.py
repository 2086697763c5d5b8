"""The corners of images with plain world coordinates are those that astropy finds."""

import math
from datetime import timedelta

import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from datalab.astro.headers.cards import header_cards
from datalab.astro.sky.coverage import Coverage, coverage, plain_coverage
from datalab.astro.sky.wcs import footprint, read_wcs
from unit.astro.sky.test_plain_tan import SHAPE, UNUSUAL, header_of, plain_cards

LIMITS = settings(max_examples=200, deadline=timedelta(seconds=60))
#: 4 microarcseconds
TOLERANCE_DEG = 1e-9


def differences_deg(corners, expected):
    """Return how far corners are from where they should be, on the sky."""
    return [
        max(abs(math.remainder(ra - true_ra, 360.0)) * math.cos(math.radians(true_dec)), abs(dec - true_dec))
        for (ra, dec), (true_ra, true_dec) in zip(corners, expected, strict=True)
    ]


@given(
    right_ascension=st.one_of(st.floats(-10.0, 370.0), st.sampled_from([0.0, 360.0])),
    declination=st.one_of(st.floats(-89.99, 89.99), st.sampled_from([0.0, 89.9, -89.9])),
    scale_arcsec=st.floats(0.01, 60.0),
    angle=st.floats(-4.0, 4.0),
    flipped=st.sampled_from([1.0, -1.0]),
    crpix=st.tuples(st.floats(-5000.0, 8000.0), st.floats(-5000.0, 8000.0)),
)
@LIMITS
def test_plain_corners_are_those_of_astropy(right_ascension, declination, scale_arcsec, angle, flipped, crpix):
    header = header_of(
        plain_cards(
            right_ascension=right_ascension,
            declination=declination,
            scale_arcsec=scale_arcsec,
            angle=angle,
            flipped=flipped,
        )
        | {"CRPIX1": crpix[0], "CRPIX2": crpix[1]}
    )
    found = plain_coverage(header_cards(header), SHAPE)
    assert found is not None
    assert found == coverage(header, SHAPE)
    assert max(differences_deg(found.corners, footprint(header, SHAPE))) < TOLERANCE_DEG
    assert all(0.0 <= ra < 360.0 for ra, _ in found.corners)


@pytest.mark.parametrize("changes", UNUSUAL, ids=" ".join)
def test_anything_unusual_is_read_as_ever(changes):
    header = header_of(plain_cards() | changes)
    reading, expected = read_wcs(header, SHAPE), footprint(header, SHAPE)
    for found in (coverage(header, SHAPE), plain_coverage(header_cards(header), SHAPE)):
        if found is None:
            continue
        assert found.notes == reading.notes
        assert (found.corners is None) is (expected is None)
        if expected is not None:
            assert max(differences_deg(found.corners, expected)) < TOLERANCE_DEG


@pytest.mark.parametrize("changes", [{"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}, {"A_ORDER": 2}, {"CD1_1": None}])
def test_what_is_not_plain_is_nothing_the_cards_alone_can_tell(changes):
    assert plain_coverage(header_cards(header_of(plain_cards() | changes)), SHAPE) is None


def test_an_image_without_coordinates_covers_nothing():
    assert coverage(fits.Header(), SHAPE) == Coverage()
