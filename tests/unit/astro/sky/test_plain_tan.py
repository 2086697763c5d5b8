"""What is taken for plain world coordinates is what the whole reading finds nothing to say of."""

import math
import random
from datetime import timedelta

import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from datalab.astro.headers.cards import HeaderCards
from datalab.astro.sky.plain_tan import PlainTan
from datalab.astro.sky.wcs import pixel_scale_arcsec, read_wcs, wcs_notes

SHAPE = (2000, 3000)
LIMITS = settings(max_examples=150, deadline=timedelta(seconds=60))

#: Cards that make coordinates less than plain, or say more than where pixels are.
UNUSUAL = [
    {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
    {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 3e-5},
    {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"},
    {"CTYPE1": "ra---tan"},
    {"CUNIT1": "arcsec"},
    {"CUNIT1": "Deg"},
    {"RADESYS": "FK5", "EQUINOX": 2000.0},
    {"RADESYS": "FK4", "EQUINOX": 1950.0},
    {"RADESYS": "JNOW"},
    {"RADESYS": None},
    {"EQUINOX": 1950.0},
    {"EQUINOX": "J2000"},
    {"CRVAL1": "10:45:03"},
    {"CRVAL1": 1234.5},
    {"CRVAL2": -90.0},
    {"CRVAL2": 90.5},
    {"CRVAL2": None},
    {"CRPIX1": None},
    {"CRPIX1": 1e12},
    {"CD1_2": None},
    {"CD1_1": 0.0, "CD1_2": 0.0},
    {"CD1_1": 30.0, "CD2_2": 30.0},
    {"CD2_2": 1e-6},
    {"CDELT1": 1.0, "CDELT2": 1.0},
    {"CDELT1": 0.3, "CDELT2": 0.3},
    {"PC1_1": 1.0},
    {"CROTA2": 12.0},
    {"PV2_1": 1.0},
    {"LONPOLE": 0.0},
    {"LATPOLE": 45.0},
    {"WCSAXES": 3},
    {"WCSAXES": "2"},
    {"PIXSCALE": 3.3},
    {"WCSERR": 4.0},
    {"PLTSOLVD": False},
    {"XPIXSZ": 9.0, "FOCALLEN": 500.0},
    {"MJD-OBS": "yesterday"},
    {"DATE-OBS": 12},
    {"DATE-OBS": "2026-03-14T01:02:03.5", "MJD-OBS": 61113.043, "TIMESYS": "UTC"},
    {"PCOUNT": 0},
    {"CTYPE1A": "LINEAR"},
    {"EPOCH": 2000.0},
    {"LTV1": -12.0},
]


def header_of(cards):
    header = fits.Header()
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, SHAPE[1], SHAPE[0]
    for keyword, value in cards.items():
        if value is not None:
            header[keyword] = value
    return header


def plain_of(header):
    cards = HeaderCards(header)
    return PlainTan.of({keyword: cards[keyword] for keyword in cards if keyword != "NAXIS"})


def plain_cards(*, right_ascension=150.0, declination=30.0, scale_arcsec=0.6, angle=0.4, flipped=1.0):
    scale = scale_arcsec / 3600.0
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRVAL1": right_ascension,
        "CRVAL2": declination,
        "CRPIX1": 1500.5,
        "CRPIX2": 1000.5,
        "CD1_1": -flipped * scale * math.cos(angle),
        "CD1_2": scale * math.sin(angle),
        "CD2_1": flipped * scale * math.sin(angle),
        "CD2_2": scale * math.cos(angle),
        "RADESYS": "ICRS",
    }


@given(
    right_ascension=st.floats(-10.0, 370.0),
    declination=st.floats(-89.99, 89.99),
    scale_arcsec=st.floats(0.01, 60.0),
    angle=st.floats(-4.0, 4.0),
    flipped=st.sampled_from([1.0, -1.0]),
)
@LIMITS
def test_plain_coordinates_hold_on_the_whole_image(right_ascension, declination, scale_arcsec, angle, flipped):
    header = header_of(
        plain_cards(
            right_ascension=right_ascension,
            declination=declination,
            scale_arcsec=scale_arcsec,
            angle=angle,
            flipped=flipped,
        )
    )
    plain, reading = plain_of(header), read_wcs(header, SHAPE)
    assert plain is not None
    assert reading.wcs is not None
    assert plain.pixel_scale_arcsec == pytest.approx(pixel_scale_arcsec(reading.wcs), rel=1e-9)
    assert wcs_notes(header, SHAPE) == reading.notes == ()


@pytest.mark.parametrize("changes", UNUSUAL, ids=" ".join)
def test_the_notes_on_anything_unusual_are_those_of_the_whole_reading(changes):
    header = header_of(plain_cards() | changes)
    assert wcs_notes(header, SHAPE) == read_wcs(header, SHAPE).notes


@given(st.lists(st.sampled_from(UNUSUAL), min_size=2, max_size=4), st.randoms(use_true_random=False))
@LIMITS
def test_what_is_unusual_together_is_noted_alike(chosen, shuffling: random.Random):
    cards = plain_cards()
    for changes in chosen:
        cards |= changes
    items = list(cards.items())
    shuffling.shuffle(items)
    header = header_of(dict(items))
    assert wcs_notes(header, SHAPE) == read_wcs(header, SHAPE).notes


def test_a_card_that_comes_twice_is_read_as_the_whole_reading_does():
    header = header_of(plain_cards())
    header.append(("CRVAL1", "none at all"))
    assert wcs_notes(header, SHAPE) == read_wcs(header, SHAPE).notes
