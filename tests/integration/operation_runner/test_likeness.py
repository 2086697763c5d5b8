"""What is combined is compared first: refused where the result would be wrong, noted where it may be."""

import numpy as np
import pytest
from astropy.io import fits

from operation_runner.operations.calibration import Calibration
from operation_runner.operations.master_frame import MasterFrame
from operation_runner.operations.median import Median
from operation_runner.operations.pixel_arithmetic import PixelArithmetic
from operation_runner.operations.stacking import Stacking
from operation_runner.operations.subtraction import Subtraction
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import WCS_CARDS, stars, write_fits

WHERE = {name: value for name, value in WCS_CARDS.items() if name[:2] in {"CR", "CT", "CD", "CU"}}


@pytest.fixture
def file(tmp_path):
    def make(name, pixels=None, **cards):
        seed = sum(map(ord, name))
        values = stars(24, 30, seed=seed) if pixels is None else pixels
        return write_fits(tmp_path / f"{name}.fits", np.asarray(values, "f4"), header=cards)

    return make


def notes_of(operation, parameters, work_dir):
    made = run(operation, parameters, work_dir=work_dir)
    with fits.open(made.fits()) as hdus:
        history = "".join(hdus[0].header["HISTORY"])
        header = hdus["SCI"].header
    return made.products[0].notes, history, header


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"FILTER": "gp"}, "The filters differ: rp (a), gp (b)"),
        ({"EXPTIME": 10.0}, "The exposure times differ: from 10 (b) to 30 (a)"),
        ({"CCD-TEMP": 5.0}, "The temperatures of the detector differ: from -20 (a) to 5 C (b)"),
        ({"INSTRUME": "fa16"}, "The cameras differ: fa15 (a), fa16 (b)"),
        ({"GAIN": 3.0}, "The gains (GAIN) differ: from 1.5 (a) to 3 (b)"),
        ({"ZEROCOR": "x"}, "Not the same was corrected in all: nothing (a), bias (b)"),
        ({"CRPIX1": WHERE["CRPIX1"] + 5.8}, "Pixels do not show the same sky: b is 5.8 px off a"),
    ],
)
@pytest.mark.parametrize("operation", [Stacking, Median])
def test_unlike_images_are_combined_with_a_note(tmp_path, file, operation, cards, said):
    alike = {"FILTER": "rp", "EXPTIME": 30.0, "CCD-TEMP": -20.0, "INSTRUME": "fa15", "GAIN": 1.5} | WHERE
    files = [file("a", **alike), file("b", **alike | cards)]
    notes, history, header = notes_of(operation(), {"input_files": files}, tmp_path / "work")
    assert any(note.startswith(said) for note in notes)
    assert said[:40] in history.replace("\n", "")
    if "FILTER" in cards:
        assert header["FILTER"] == "rp+gp"


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"BUNIT": "electron"}, r"the units \(BUNIT\) differ: adu \(a\), electron \(b\)"),
        ({"CCDSUM": "2 2", "CRVAL1": None}, "the binnings differ"),
        ({"OBSTYPE": "BIAS"}, "the types differ"),
        ({"CRVAL2": WHERE["CRVAL2"] + 30}, "different parts of the sky: a and b"),
    ],
)
def test_what_would_be_wrong_is_refused(tmp_path, file, cards, said):
    alike = {"BUNIT": "adu", "CCDSUM": "1 1", "OBSTYPE": "EXPOSE"} | WHERE
    other = {name: value for name, value in (alike | cards).items() if value is not None}
    files = [file("a", **alike), file("b", **other)]
    with pytest.raises(UsageError, match=f"The input files cannot be combined: .*{said}"):
        run(Stacking(), {"input_files": files}, work_dir=tmp_path / "work")


def test_images_of_two_binnings_that_are_aligned_are_combined(tmp_path, file):
    files = [file("a", **WHERE | {"CCDSUM": "1 1"}), file("b", **WHERE | {"CCDSUM": "2 2"})]
    notes, _, _ = notes_of(Stacking(), {"input_files": files}, tmp_path / "work")
    assert "The binnings differ: 1 x 1 (a), 2 x 2 (b)" in notes


def test_an_image_counts_once_however_often_it_is_given(tmp_path, file):
    pixels = stars(24, 30, seed=5)
    a, copy, b = file("a", pixels), file("copy", pixels), file("b")
    notes, _, header = notes_of(Stacking(), {"input_files": [a, a, a, b, copy]}, tmp_path / "work")
    assert header["NCOMBINE"] == 3
    assert [note for note in notes if "counted" in note] == [
        "a: given more than once, counted once",
        "copy: the same pixels as a, and counted as another image",
    ]
    with pytest.raises(UsageError, match="At least 2 different images are needed; a is given more than once"):
        run(Median(), {"input_files": [a, a]}, work_dir=tmp_path / "twice")


def test_images_that_are_cropped_are_noted(tmp_path, file):
    files = [file("a"), file("b"), file("wide", np.ones((20, 50)))]
    notes, _, _ = notes_of(Median(), {"input_files": files}, tmp_path / "work")
    assert notes == ("The sizes differ: 30 x 24 (a, b), 50 x 20 (wide): cropped from the first pixel on to 30 x 20",)


def test_two_images_tell_no_outlier(tmp_path, file):
    notes, _, _ = notes_of(Median(), {"input_files": [file("a"), file("b")]}, tmp_path / "work")
    assert any("nobody can tell an outlier" in note for note in notes)
    notes, _, _ = notes_of(Median(), {"input_files": [file("a"), file("b"), file("c")]}, tmp_path / "more")
    assert notes == ()


def test_differences_of_images_are_compared_too(tmp_path, file):
    a, b = file("a", FILTER="rp", EXPTIME=30.0, BUNIT="adu"), file("b", FILTER="gp", EXPTIME=10.0, BUNIT="adu")
    notes, _, _ = notes_of(Subtraction(), {"input_files": [a], "subtraction_file": [b]}, tmp_path / "1")
    assert [note.split(":")[0] for note in notes[:2]] == ["The filters differ", "The exposure times differ"]
    notes, _, _ = notes_of(PixelArithmetic(), {"a": [a], "b": [b], "expression": "a / b"}, tmp_path / "2")
    assert any("filters differ" in note for note in notes)
    notes, _, _ = notes_of(Subtraction(), {"input_files": [a], "subtraction_file": [a]}, tmp_path / "3")
    assert "a: combined with itself" in notes
    dark = file("dark", OBSTYPE="DARK", EXPTIME=10.0, BUNIT="adu")
    notes, _, _ = notes_of(Subtraction(), {"input_files": [a], "subtraction_file": [dark]}, tmp_path / "4")
    assert not any("differ" in note for note in notes)
    electrons = file("electrons", BUNIT="electron")
    with pytest.raises(UsageError, match="electrons cannot be subtracted from a: the units"):
        run(Subtraction(), {"input_files": [a], "subtraction_file": [electrons]}, work_dir=tmp_path / "5")


CAMERA = {
    "INSTRUME": "fa15",
    "GAIN": 1.5,
    "READMODE": "full",
    "CCDSUM": "1 1",
    "CCDSEC": "[1:30,1:24]",
    "CCD-TEMP": -20.0,
    "BUNIT": "adu",
}


@pytest.mark.parametrize(
    ("kind", "cards", "said"),
    [
        ("bias", {"INSTRUME": "fa16"}, "the cameras differ"),
        ("bias", {"GAIN": 3.0}, "the gains"),
        ("bias", {"CCDSEC": "[31:60,1:24]"}, "the regions of the detector differ"),
        ("bias", {"READMODE": "fast"}, "the read modes differ"),
        ("bias", {"CCDSUM": "2 2"}, "binned 2 x 2"),
        ("bias", {"EXPTIME": 30.0}, "b is not a bias frame: it was exposed for 30 s"),
        ("bias", {"OBSTYPE": "Light Frame"}, "b is not a bias frame: its header says EXPOSE"),
        ("bias", {"OVERSCAN": "[1:2,*]"}, "the overscan is not subtracted from all"),
        ("bias", {"CALSTAT": "B"}, "not the same was corrected in all"),
        ("dark", {"CCD-TEMP": 10.0}, "the temperatures of the detector differ: from -20"),
    ],
)
def test_calibration_frames_of_one_kind_are_of_one_camera(tmp_path, file, kind, cards, said):
    exposed = CAMERA | {"EXPTIME": 0.0 if kind == "bias" else 60.0}
    files = [file("a", **exposed), file("b", **exposed | cards)]
    with pytest.raises(UsageError, match=said):
        run(MasterFrame(), {"input_files": files, "kind": kind}, work_dir=tmp_path / "work")


@pytest.mark.parametrize(
    ("field", "cards", "said"),
    [
        ("dark_file", {"GAIN": 200}, "The dark master does not fit image: the gains"),
        ("dark_file", {"CCD-TEMP": 5.0}, "The dark master does not fit image: the temperatures"),
        ("dark_file", {"READMODE": "fast"}, "The dark master does not fit image: the read modes"),
        ("bias_file", {"INSTRUME": "fa16"}, "The bias master does not fit image: the cameras"),
        ("bias_file", {"CCDSEC": "[31:60,1:24]"}, "The bias master does not fit image: the regions"),
        ("flat_file", {"CCDSEC": "[31:60,1:24]", "ZEROCOR": "x"}, "The flat master does not fit image: the regions"),
        ("flat_file", {"OBSTYPE": "DARK"}, "master is not a flat frame: its header says DARK"),
        ("dark_file", {"IMAGETYP": "Bias Frame"}, "master is not a dark frame: its header says BIAS"),
    ],
)
def test_a_calibration_frame_must_fit_the_image(tmp_path, file, field, cards, said):
    image = file("image", **CAMERA | {"EXPTIME": 60.0})
    master = file("master", **CAMERA | {"EXPTIME": 0.0 if field == "bias_file" else 60.0} | cards)
    with pytest.raises(UsageError, match=said):
        run(Calibration(), {"input_files": [image], field: [master]}, work_dir=tmp_path / "work")


def test_a_small_difference_of_temperature_is_noted(tmp_path, file):
    image, dark = (
        file("image", **CAMERA | {"EXPTIME": 60.0}),
        file("dark", **CAMERA | {"EXPTIME": 60.0, "CCD-TEMP": -15}),
    )
    notes, _, _ = notes_of(Calibration(), {"input_files": [image], "dark_file": [dark]}, tmp_path / "work")
    assert notes == (
        "The dark dark does not quite fit: the temperatures of the detector differ: from -20 (image) to -15 C (dark)",
    )


@pytest.mark.parametrize(
    "cards",
    [{"CALSTAT": "BDF"}, {"SUBBIAS": "ccd=<CCDData>"}, {"CALSTAT": "D"}, {"RLEVEL": 91}, {"BIASCORR": "COMPLETE"}],
)
def test_nothing_is_calibrated_twice(tmp_path, file, cards):
    image, bias = file("image", EXPTIME=60.0, **cards), file("bias", EXPTIME=0.0)
    with pytest.raises(UsageError, match="image has been corrected with a bias already"):
        run(Calibration(), {"input_files": [image], "bias_file": [bias]}, work_dir=tmp_path / "work")
