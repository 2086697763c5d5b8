import math
from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.io import fits

from datalab.astro.headers.description import describe_header
from datalab.astro.headers.exposure_times import midpoint
from datalab.astro.pixels.combine import average_rows, median_rows, sum_rows
from datalab.astro.pixels.stacked_header import StackedImage, effective_images, stacked_header

GAIN, READ_NOISE_E, LEVEL = 2.0, 6.0, 80.0
COUNT = 12
WEIGHTS = np.linspace(1.0, 3.0, COUNT)
CARDS = {"GAIN": GAIN, "RDNOISE": READ_NOISE_E, "SATURATE": 60000, "EXPTIME": 30.0, "OBJECT": "M 51"}


def stacked(*all_cards, how="sum", weights=None):
    images = []
    for number, cards in enumerate(all_cards):
        header = fits.Header({name: value for name, value in cards.items() if value is not None})
        level = cards.get("SATURATE") or math.inf
        images.append(
            StackedImage(name=f"f{number}", header=header, description=describe_header(header), saturation=level)
        )
    before = images[0].header.copy()
    made, notes = stacked_header(images[0].header, images, how=how, weights=weights)
    assert images[0].header == before
    return made, notes


def frames():
    rng = np.random.default_rng(7)
    electrons = rng.poisson(LEVEL * GAIN, (COUNT, 150, 200)) + rng.normal(0, READ_NOISE_E, (COUNT, 150, 200))
    return (electrons / GAIN).astype("f8")


@pytest.mark.parametrize(
    ("combine", "weights", "how", "tolerance"),
    [
        (sum_rows, None, "sum", 0.02),
        (sum_rows, WEIGHTS, "sum", 0.02),
        (average_rows, None, "average", 0.02),
        (average_rows, WEIGHTS, "average", 0.02),
        (median_rows, None, "median", 0.1),  # the efficiency of a median is that of many values
    ],
)
def test_gain_and_read_noise_of_the_stack_give_the_scatter_it_has(combine, weights, how, tolerance):
    stack = combine(frames()) if weights is None else combine(frames(), weights=weights)
    header, notes = stacked(*[CARDS] * COUNT, how=how, weights=weights)
    level = LEVEL * (COUNT if how == "sum" else 1)
    predicted = np.sqrt(level * header["GAIN"] + header["RDNOISE"] ** 2) / header["GAIN"]
    assert stack.std() == pytest.approx(predicted, rel=tolerance)
    assert notes == []


@pytest.mark.parametrize(
    ("how", "weights", "exposure_s", "saturate"),
    [
        ("sum", None, 40.0, 80_000.0),
        ("average", None, 20.0, 40_000.0),
        ("median", None, 20.0, 40_000.0),
        ("average", [1.0, 3.0], 25.0, 50_000.0),
        ("sum", [1.0, 3.0], 50.0, 100_000.0),
    ],
)
def test_exposure_and_saturation_are_those_of_the_pixels(how, weights, exposure_s, saturate):
    """Of 10 s and 30 s (mirar#512); a star of constant light is saturated in the longer one first."""
    weights = None if weights is None else np.array(weights)
    header, notes = stacked(CARDS | {"EXPTIME": 10.0}, CARDS | {"EXPTIME": 30.0}, how=how, weights=weights)
    assert header["EXPTIME"] == pytest.approx(exposure_s)
    assert header["SATURATE"] == pytest.approx(saturate)
    assert (header["NCOMBINE"], header["OBJECT"], notes) == (2, "M 51", [])


def test_an_exposure_time_that_one_image_does_not_tell_is_left_out_and_noted():
    header, notes = stacked(CARDS, CARDS | {"EXPTIME": None})
    assert "EXPTIME" not in header
    assert notes == ["EXPTIME: not known of f1, left out"]
    header, notes = stacked(CARDS | {"EXPTIME": None, "EXPOSURE": 5.0}, CARDS)
    assert (header["EXPOSURE"], notes) == (35.0, [])


START = {"DATE-OBS": "2026-03-01T01:00:00", "EXPTIME": 60.0}
LATER = {"DATE-OBS": "2026-03-01T02:00:00.5", "EXPTIME": 60.0}


def test_a_stack_begins_with_the_first_exposure_and_lies_at_the_mean_of_their_middles():
    one_exposure = {"TIME-OBS": "02:00:00", "MJD-OBS": 61100.1, "UTSTOP": "x", "LST": "1", "HA": 2.0, "ALTITUDE": 40.0}
    header, notes = stacked(LATER | one_exposure, START, how="average")
    assert header["DATE-OBS"] == "2026-03-01T01:00:00.000"
    assert header["DATE-END"] == "2026-03-01T02:01:00.500"
    assert header["DATE-AVG"] == "2026-03-01T01:30:30.250"
    assert header["MJD-AVG"] == pytest.approx(61100 + (1.5 + 30.25 / 3600) / 24, abs=1e-9)
    assert header["MJD-OBS"] == pytest.approx(61100 + 1 / 24, abs=1e-9)
    assert {"TIME-OBS", "UTSTOP", "LST", "HA", "ALTITUDE"}.isdisjoint(header)
    assert notes == []


@pytest.mark.parametrize("how", ["sum", "average", "median"])
def test_light_curves_have_a_stack_at_its_mean_time_and_so_do_stacks_of_stacks(how):
    header, _ = stacked(START, LATER, how=how)
    middle = datetime(2026, 3, 1, 1, 30, 30, 250_000, UTC)
    assert midpoint(describe_header(header)) == middle
    assert describe_header(header).capture_time == datetime(2026, 3, 1, 1, tzinfo=UTC)
    again, _ = stacked(dict(header), dict(header), how=how)
    assert midpoint(describe_header(again)) == middle
    assert again["DATE-END"] == header["DATE-END"] == "2026-03-01T02:01:00.500"
    assert again["NCOMBINE"] == 4


def test_the_mean_time_has_the_weights_of_the_pixels():
    header, _ = stacked(START, LATER, how="average", weights=np.array([3.0, 1.0]))
    assert header["DATE-AVG"] == "2026-03-01T01:15:30.125"


def test_a_time_that_one_image_does_not_tell_is_left_out_and_noted():
    header, notes = stacked(START, {"EXPTIME": 60.0})
    assert {"DATE-OBS", "DATE-AVG", "MJD-AVG", "DATE-END"}.isdisjoint(header)
    assert notes == ["DATE-OBS: not known of f1, left out"]
    header, notes = stacked(START, {"DATE-OBS": LATER["DATE-OBS"]})
    assert header["DATE-OBS"] == "2026-03-01T01:00:00.000"
    assert {"DATE-AVG", "MJD-AVG", "EXPTIME"}.isdisjoint(header)
    assert notes == ["EXPTIME: not known of f1, left out"]


def test_times_of_another_scale_become_utc():
    header, _ = stacked(START | {"TIMESYS": "UTC"}, LATER | {"TIMESYS": "UTC"})
    assert header["TIMESYS"] == "UTC"


@pytest.mark.parametrize(
    ("how", "weights", "expected"),
    [
        ("sum", None, 25.0 + 2.5 * math.log10(2)),
        ("average", None, 25.0),
        ("median", None, 25.0),
        ("average", [1.0, 3.0], 25.0),
    ],
)
def test_zero_points_follow_the_counts(how, weights, expected):
    weights = None if weights is None else np.array(weights)
    cards = {"MAGZP": 25.0, "L1ZP": 22.0, "EXPTIME": 30.0, "PHOTZP": 25.0}
    header, notes = stacked(cards, cards, how=how, weights=weights)
    assert header["MAGZP"] == pytest.approx(expected)
    assert header["L1ZP"] == pytest.approx(22.0)  # of counts per second
    assert ("PHOTZP" in header) == (how != "sum")
    assert len(notes) == (how == "sum")


def test_unequal_zero_points_give_that_of_the_light_together():
    """A star of magnitude 20 has 100 counts in one image and 50 in the other; or so many per second."""
    zeros = [20 + 2.5 * math.log10(100), 20 + 2.5 * math.log10(50)]
    header, _ = stacked({"MAGZP": zeros[0]}, {"MAGZP": zeros[1]})
    assert header["MAGZP"] - 2.5 * math.log10(150) == pytest.approx(20)
    header, _ = stacked({"L1ZP": zeros[0], "EXPTIME": 10.0}, {"L1ZP": zeros[1], "EXPTIME": 30.0}, how="average")
    counts_per_second = (100 * 10 + 50 * 30) / 2 / 20
    assert header["L1ZP"] - 2.5 * math.log10(counts_per_second) == pytest.approx(20)
    header, notes = stacked({"MAGZP": 25.0}, {})
    assert "MAGZP" not in header
    assert notes == ["MAGZP: not known of f1, left out"]


def test_gains_of_two_cameras_are_no_gain_and_those_of_stacks_are():
    header, notes = stacked(CARDS, CARDS | {"GAIN": 3.0})
    assert {"GAIN", "RDNOISE"}.isdisjoint(header)
    assert notes == ["GAIN, RDNOISE: from 2 to 3, left out"]
    header, notes = stacked(CARDS | {"GAIN": 6.0, "NCOMBINE": 3}, CARDS | {"GAIN": 2.0}, how="average")
    # The variance of the mean is (c / 6 + c / 2) / 4, in counts.
    assert header["GAIN"] == pytest.approx(6.0)
    assert (header["NCOMBINE"], notes) == (4, [])


def test_a_setting_of_the_camera_stays_and_the_electrons_per_count_follow():
    cards = {"GAIN": 360, "EGAIN": 0.25}
    header, _ = stacked(cards, cards, how="average")
    assert (header["GAIN"], header["EGAIN"]) == (360, 0.5)
    assert "electron" in header.comments["EGAIN"]


def test_a_level_that_one_image_does_not_tell_is_that_of_the_others():
    header, notes = stacked(CARDS, CARDS | {"SATURATE": None})
    assert header["SATURATE"] == 120_000
    assert notes == ["SATURATE: not known of f1, that of the others counts"]


def test_airmass_and_temperatures_are_means_and_what_differs_is_left_out():
    one = {"AIRMASS": 1.0, "CCD-TEMP": -20.0, "TELESCOP": "a", "OBJECT": "M 51", "ORIGNAME": "1"}
    other = {"AIRMASS": 1.5, "CCD-TEMP": -10.0, "TELESCOP": "b", "OBJECT": "m  51", "ORIGNAME": "2"}
    header, notes = stacked(one, other)
    assert (header["AIRMASS"], header["CCD-TEMP"], header["OBJECT"]) == (1.25, -15.0, "M 51")
    assert {"TELESCOP", "ORIGNAME"}.isdisjoint(header)
    assert notes == ["TELESCOP: not the same in all images, left out"]
    header, notes = stacked(one, {"TELESCOP": "a"})
    assert {"AIRMASS", "CCD-TEMP"}.isdisjoint(header)
    assert notes == ["AIRMASS: not known of all images, left out", "CCD-TEMP: not known of f1, left out"]


def test_cards_that_are_no_numbers_are_left_alone():
    cards = {"GAIN": "high", "RDNOISE": True}
    header, _ = stacked(cards, cards)
    assert (header["GAIN"], header["RDNOISE"]) == ("high", True)


def test_a_median_of_two_is_their_mean():
    assert effective_images(2, is_median=True) == 2
    assert effective_images(10, is_median=True) == pytest.approx(6.37, abs=0.01)
