import numpy as np
import pytest
from astropy.io import fits

from datalab.astro.pixels.combine import average_rows, median_rows, sum_rows
from datalab.astro.pixels.stacked_header import effective_images, stacked_header

GAIN, READ_NOISE_E, LEVEL = 2.0, 6.0, 80.0
COUNT = 12
WEIGHTS = np.linspace(1.0, 3.0, COUNT)
HEADER = fits.Header({"GAIN": GAIN, "RDNOISE": READ_NOISE_E, "SATURATE": 60000, "EXPTIME": 30.0, "OBJECT": "M 51"})


def frames():
    rng = np.random.default_rng(7)
    electrons = rng.poisson(LEVEL * GAIN, (COUNT, 150, 200)) + rng.normal(0, READ_NOISE_E, (COUNT, 150, 200))
    return (electrons / GAIN).astype("f8")


@pytest.mark.parametrize(
    ("combine", "weights", "is_sum", "tolerance"),
    [
        (sum_rows, None, True, 0.02),
        (sum_rows, WEIGHTS, True, 0.02),
        (average_rows, None, False, 0.02),
        (average_rows, WEIGHTS, False, 0.02),
        (median_rows, None, False, 0.1),  # the efficiency of a median is that of many values
    ],
)
def test_gain_and_read_noise_of_the_stack_give_the_scatter_it_has(combine, weights, is_sum, tolerance):
    stack = combine(frames()) if weights is None else combine(frames(), weights=weights)
    effective = effective_images(COUNT, weights=weights, is_median=combine is median_rows)
    header = stacked_header(HEADER, exposure_times_s=[30.0] * COUNT, effective=effective, is_sum=is_sum)
    level = LEVEL * (COUNT if is_sum else 1)
    predicted = np.sqrt(level * header["GAIN"] + header["RDNOISE"] ** 2) / header["GAIN"]
    assert stack.std() == pytest.approx(predicted, rel=tolerance)


def test_levels_and_exposure_of_a_sum_are_those_of_all_images():
    summed = stacked_header(HEADER, exposure_times_s=[30.0, 60.0], effective=2.0, is_sum=True)
    assert (summed["SATURATE"], summed["EXPTIME"], summed["NCOMBINE"]) == (120000, 90.0, 2)
    unknown = stacked_header(HEADER, exposure_times_s=[30.0, None], effective=2.0, is_sum=True)
    assert unknown["EXPTIME"] == 30.0
    mean = stacked_header(HEADER, exposure_times_s=[30.0, 60.0], effective=2.0, is_sum=False)
    assert (mean["SATURATE"], mean["EXPTIME"], mean["OBJECT"]) == (60000, 30.0, "M 51")
    assert HEADER["EXPTIME"] == 30.0


def test_cards_that_are_no_numbers_are_left_alone():
    header = fits.Header({"GAIN": "high", "RDNOISE": True})
    stacked = stacked_header(header, exposure_times_s=[None, None], effective=2.0, is_sum=True)
    assert (stacked["GAIN"], stacked["RDNOISE"]) == ("high", True)


def test_a_median_of_two_is_their_mean():
    assert effective_images(2, is_median=True) == 2
    assert effective_images(10, is_median=True) == pytest.approx(6.37, abs=0.01)
