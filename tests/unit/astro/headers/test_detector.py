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


def header_of(cards):
    header = fits.Header()
    header.update(cards)
    return header


@pytest.mark.parametrize(
    ("cards", "gain"),
    [
        pytest.param({"GAIN": 360, "EGAIN": 0.25}, 0.25, id="NINA and SharpCap write both"),
        pytest.param({"GAIN": 120.0, "CVF": 0.33}, 0.33, id="Siril"),
        pytest.param({"GAIN": 2.0, "EGAIN": 1.6}, 1.6, id="EGAIN first"),
        pytest.param({"GAIN": 2.0, "EGAIN": "N/A"}, 2.0, id="EGAIN without value"),
        pytest.param({"GAIN": (7.7, "[electrons/count] Pixel gain")}, 7.7, id="observatories"),
        pytest.param({"GAIN": (30000.0, "[e-/count] after a division")}, 30000.0, id="a scaled image"),
        pytest.param({"GAIN": (200, "e-/ADU")}, 200.0, id="the comment says it"),
        pytest.param({"GAIN": 51.5}, 51.5, id="no setting is broken"),
        pytest.param({"GAIN": 4}, 4.0, id="a small whole number"),
    ],
)
def test_electrons_per_count_are_found(cards, gain):
    detector = Detector.of(header_of(cards))
    assert (detector.gain_e_per_adu, detector.gain_is_known, detector.notes) == (gain, True, ())


@pytest.mark.parametrize(
    "cards",
    [
        pytest.param({"GAIN": 360}, id="setting"),
        pytest.param({"GAIN": 100.0}, id="INDI writes floats"),
        pytest.param({"GAIN": (80, "Sensor gain")}, id="Seestar"),
        pytest.param({"GAIN": 0, "OFFSET": 10}, id="lowest setting"),
        pytest.param({"GAIN": 5, "OFFSET": 30}, id="with an offset"),
        pytest.param({"GAIN": 10, "BLKLEVEL": 30}, id="SharpCap"),
        pytest.param({"GAIN": -1}, id="negative"),
    ],
)
def test_a_setting_of_the_camera_is_no_gain_and_noted(cards):
    detector = Detector.of(header_of(cards))
    assert (detector.gain_e_per_adu, detector.gain_is_known) == (1.0, False)
    (note,) = detector.notes
    assert note.startswith("GAIN: ")
