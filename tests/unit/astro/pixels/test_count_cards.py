import math

import numpy as np
import pytest
from astropy.io import fits

from datalab.astro.pixels.count_cards import affine_header, saturation_of, without_counts

CARDS = {
    "GAIN": 1.5,
    "SATURATE": 60_000,
    "RDNOISE": 5.0,
    "BUNIT": "adu",
    "MAGZP": 25.0,
    "L1ZP": 22.0,
    "L1MEDIAN": 300.0,
    "OBJECT": "M 51",
}


def test_scaled_pixels_have_cards_that_follow_them():
    header = fits.Header(CARDS)
    scaled = affine_header(header, scale=0.01)
    assert scaled["GAIN"] == pytest.approx(150)
    assert scaled["SATURATE"] == pytest.approx(600)
    assert (scaled["RDNOISE"], scaled["OBJECT"]) == (5.0, "M 51")  # electrons stay what they were
    assert (scaled["MAGZP"], scaled["L1ZP"]) == (pytest.approx(20), pytest.approx(17))
    assert {"BUNIT", "L1MEDIAN"}.isdisjoint(scaled)
    assert header["GAIN"] == 1.5


def test_shifted_pixels_keep_their_gain_and_unit():
    shifted = affine_header(fits.Header(CARDS), scale=1.0, offset=-500.0)
    assert (shifted["SATURATE"], shifted["GAIN"], shifted["BUNIT"]) == (59_500, 1.5, "adu")
    assert shifted["MAGZP"] == 25.0
    assert "SATURATE" not in affine_header(fits.Header(CARDS), scale=1.0, offset=-70_000.0)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_pixels_that_are_no_counts_have_none_of_their_cards(scale):
    assert set(affine_header(fits.Header(CARDS), scale=scale)) == {"OBJECT"}
    assert set(without_counts(fits.Header(CARDS | {"EGAIN": 1.5}))) == {"OBJECT"}


def test_a_scaled_gain_is_not_taken_for_a_setting():
    scaled = affine_header(fits.Header({"GAIN": 2.0}), scale=0.01)
    assert scaled["GAIN"] == pytest.approx(200)
    assert "electron" in scaled.comments["GAIN"]
    assert affine_header(fits.Header({"GAIN": 100, "EGAIN": 0.5}), scale=0.5)["EGAIN"] == 1.0


def test_gain_as_text_is_a_number_too():
    assert affine_header(fits.Header({"GAIN": "1.5"}), scale=0.5)["GAIN"] == 3.0


@pytest.mark.parametrize(
    ("dtype", "cards", "level"),
    [
        ("u2", {}, 65_535),
        ("i2", {}, 32_767),
        ("u1", {}, 255),
        ("u2", {"SATURATE": 50_000}, 50_000),
        ("f4", {}, math.inf),
        ("i4", {}, math.inf),
    ],
)
def test_a_camera_is_saturated_where_its_type_ends(dtype, cards, level):
    assert saturation_of(fits.Header(cards), np.dtype(dtype)) == level
