import pytest
from astropy.io import fits

from datalab.astro.headers.likeness import GAIN_OF_PIXELS, FrameTraits, Trait, differences, kind_of


def found(*headers):
    frames = [FrameTraits.of(f"f{n}", fits.Header(cards)) for n, cards in enumerate(headers)]
    return {difference.trait: difference for difference in differences(frames)}


ALIKE = {
    "FILTER": "rp",
    "EXPTIME": 30.0,
    "INSTRUME": "fa15",
    "TELESCOP": "1m0-05",
    "GAIN": 1.5,
    "READMODE": "full_frame",
    "CCDSUM": "1 1",
    "CCDSEC": "[1:4096,1:4096]",
    "CCD-TEMP": -20.0,
    "BUNIT": "adu",
    "OBSTYPE": "EXPOSE",
    "OBJECT": "M 51",
    "DATE-OBS": "2026-03-01T02:00:00.5",
}


@pytest.mark.parametrize(
    ("trait", "cards"),
    [
        (Trait.FILTER, {"FILTER": "gp"}),
        (Trait.EXPOSURE, {"EXPTIME": 10.0}),
        (Trait.CAMERA, {"INSTRUME": "fa16"}),
        (Trait.TELESCOPE, {"TELESCOP": "1m0-07"}),
        (Trait.GAIN, {"GAIN": 100}),
        (Trait.READ_MODE, {"READMODE": "central_2k"}),
        (Trait.BINNING, {"CCDSUM": "2 2"}),
        (Trait.REGION, {"CCDSEC": "[1:2048,1:2048]"}),
        (Trait.TEMPERATURE, {"CCD-TEMP": -15.0}),
        (Trait.UNIT, {"BUNIT": "electron"}),
        (Trait.KIND, {"OBSTYPE": "BIAS"}),
        (Trait.TARGET, {"OBJECT": "M 101"}),
        (Trait.CORRECTION, {"ZEROCOR": "master"}),
    ],
)
def test_each_respect_is_compared_and_named(trait, cards):
    other = ALIKE | {"DATE-OBS": "2026-03-01T02:30:00.5"} | cards
    differing = found(ALIKE, other)
    assert list(differing) == [trait]
    assert "f1" in differing[trait].text
    assert not differing[trait].is_gross


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"BUNIT": "ADU"}, {"BUNIT": "count"}),
        ({"BUNIT": "electron/s"}, {"BUNIT": "e- / sec"}),
        ({"BUNIT": "adu"}, {"BUNIT": "ADU / pixel"}),
        ({"OBJECT": "M 51"}, {"OBJECT": "m51"}),
        ({"INSTRUME": "ZWO ASI 294"}, {"INSTRUME": "zwo asi294"}),
        ({"CCDSUM": "2 2"}, {"XBINNING": 2, "YBINNING": 2}),
        ({"CCD-TEMP": -20.0}, {"CCD-TEMP": -19.3}),
        ({"EXPTIME": 30.0}, {"EXPTIME": 30.01}),
        ({"GAIN": 1.5}, {}),
        ({"CCDSEC": "[1:10, 1:20]"}, {"CCDSEC": "[1:10,1:20]"}),
    ],
)
def test_what_is_only_written_differently_is_alike(one, other):
    assert found(one, other) == {}


def test_a_gross_difference_of_temperature_is_told_from_a_small_one():
    assert found({"CCD-TEMP": -20}, {"CCD-TEMP": 5})[Trait.TEMPERATURE].is_gross
    assert found({"SET-TEMP": -20}, {"CCDATEMP": -9.9})[Trait.TEMPERATURE].is_gross
    assert not found({"CCD-TEMP": -20}, {"CCD-TEMP": -14})[Trait.TEMPERATURE].is_gross


def test_one_exposure_in_two_forms_is_seen():
    assert Trait.DUPLICATE in found(ALIKE, ALIKE | {"ZEROCOR": "master"})
    assert Trait.DUPLICATE not in found(ALIKE | {"DATE-OBS": "2026-03-01"}, ALIKE | {"DATE-OBS": "2026-03-01"})
    assert Trait.DUPLICATE not in found(*[ALIKE | {"EXPTIME": 0.1}] * 2)  # a clock of whole seconds


def test_sentences_stay_short_however_many_frames_there_are():
    text = found(*[{"FILTER": "rp"}] * 30, {"FILTER": "gp"})[Trait.FILTER].text
    assert text == "the filters differ: rp (f0, f1, f2 and 27 more), gp (f30)"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Dark Frame", "dark"),
        ("BIAS", "bias"),
        ("Light", "sky"),
        ("flat_field", "flat"),
        ("Skyflat", "flat"),
        ("GUIDE", None),
        (None, None),
    ],
)
def test_words_for_kinds_of_frames(word, kind):
    assert kind_of(word) == kind


def test_the_gain_of_combined_pixels_is_not_that_of_their_camera():
    combined = fits.Header([("GAIN", 15.0, GAIN_OF_PIXELS)])
    frames = [FrameTraits.of("stack", combined), FrameTraits.of("image", fits.Header({"GAIN": 1.5}))]
    assert differences(frames) == []
