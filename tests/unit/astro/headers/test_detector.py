import math

import pytest
from astropy.io import fits

from datalab.astro.headers.detector import Detector


@pytest.mark.parametrize("gain", ["GAIN", "EGAIN"])
@pytest.mark.parametrize("noise", ["RDNOISE", "READNOIS", "HIERARCH READNOISE"])
def test_the_usual_cards_are_read(gain, noise):
    header = fits.Header({gain: 1.7, noise: "3.2", "SATURATE": 60_000})
    assert Detector.of(header) == Detector(gain_e_per_adu=1.7, read_noise_e=3.2, saturation_adu=60_000.0)


@pytest.mark.parametrize("cards", [{}, {"GAIN": 0.0, "RDNOISE": -1, "SATURATE": "N/A"}, {"GAIN": "unknown"}])
def test_what_is_missing_or_unusable_is_a_detector_that_counts_electrons_for_ever(cards):
    assert Detector.of(fits.Header(cards)) == Detector(gain_e_per_adu=1.0, read_noise_e=0.0, saturation_adu=math.inf)
