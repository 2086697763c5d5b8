import pytest
from astropy.io import fits

from datalab.astro.headers.frame_state import FrameState


@pytest.mark.parametrize(
    ("cards", "steps"),
    [
        ({}, "nothing"),
        ({"CALSTAT": "BDF"}, "bias, dark, flat"),
        ({"CALSTAT": "bd"}, "bias, dark"),
        ({"CALSTAT": "D"}, "bias, dark"),  # a dark alone takes the bias along
        ({"CALSTAT": "F"}, "flat"),
        ({"CALSTAT": "B, F"}, "bias, flat"),
        ({"CALSTAT": "raw"}, "nothing"),
        ({"CALSTAT": "none"}, "nothing"),
        ({"CALSTAT": "bias dark"}, "bias, dark"),
        ({"SUBBIAS": "ccd=<CCDData>, master=<CCDData>"}, "bias"),
        ({"SUBDARK": True, "FLATCOR": "x"}, "dark, flat"),
        ({"BIASSUB": True, "FLATDIV": False}, "bias"),
        ({"BIASCORR": "COMPLETE", "DARKCORR": "PERFORM", "FLATCORR": "OMIT"}, "bias"),
        ({"L1STATBI": 1, "L1STATDA": 0, "L1STATFL": "1"}, "bias, flat"),
        ({"L1IDBIAS": "N/A"}, "nothing"),
        ({"ZEROCOR": "F"}, "nothing"),
        ({"RLEVEL": 91}, "bias, dark, flat"),
        ({"RLEVEL": 0}, "nothing"),
        ({"HISTORY": "Bias corrected with mbias.fits"}, "bias"),
        ({"HISTORY": "flat-field corrected; dark subtracted"}, "bias, dark, flat"),
        ({"HISTORY": "take the dark frame next"}, "nothing"),
    ],
)
def test_what_was_done_is_read_from_the_cards_of_many_programs(cards, steps):
    assert FrameState.of(fits.Header(cards)).steps == steps


@pytest.mark.parametrize(
    ("cards", "binning"),
    [
        ({"CCDSUM": "2 2"}, (2, 2)),
        ({"CCDSUM": "1 2"}, (1, 2)),
        ({"BINNING": "3x3"}, (3, 3)),
        ({"BINNING": 2}, (2, 2)),
        ({"XBINNING": 2, "YBINNING": 1, "CCDSUM": "1 1"}, (2, 1)),
        ({"BINNING": "none"}, None),
        ({}, None),
    ],
)
def test_binning_is_read_from_numbers_and_texts(cards, binning):
    assert FrameState.of(fits.Header(cards)).binning == binning


def test_a_width_of_the_overscan_is_not_its_subtraction():
    assert not FrameState.of(fits.Header({"OVERSCAN": 32})).overscan_removed
    assert FrameState.of(fits.Header({"OVERSCAN": "[1:32,*] mean 480.2"})).overscan_removed
    assert FrameState.of(fits.Header({"SUBOSCAN": "ccd=<CCDData>"})).overscan_removed
