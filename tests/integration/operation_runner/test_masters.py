"""Saturated, dead and masked pixels of calibration frames are no numbers to calculate with."""

import numpy as np
import pytest
from astropy.io import fits

from operation_runner.operations.calibration import Calibration
from operation_runner.operations.master_frame import MasterFrame
from operation_runner.operations.median import Median
from operation_runner.operations.normalization import Normalization
from operation_runner.operations.pixel_arithmetic import PixelArithmetic
from operation_runner.operations.stacking import Stacking
from operation_runner.operations.subtraction import Subtraction
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import write_fits

SHAPE = (40, 50)


@pytest.fixture
def file(tmp_path):
    def make(name, pixels, mask=None, **cards):
        path = write_fits(tmp_path / f"{name}.fits", np.broadcast_to(pixels, SHAPE).copy(), header=cards)
        if mask is not None:
            fits.append(path, mask.astype("u1"), fits.Header({"EXTNAME": "BPM"}))
        return path

    return make


def made_of(operation, parameters, work_dir):
    made = run(operation, parameters, work_dir=work_dir)
    with fits.open(made.fits()) as hdus:
        mask = hdus["MASK"].data if "MASK" in hdus else None
        return hdus["SCI"].data, hdus["SCI"].header, made.products[0].notes, mask


def test_flats_at_the_end_of_their_type_are_saturated(tmp_path, file):
    files = [file(f"f{n}", np.uint16(65535), ZEROCOR="x") for n in range(3)]
    with pytest.raises(UsageError, match="The flat f0 is saturated"):
        run(MasterFrame(), {"input_files": files, "kind": "flat"}, work_dir=tmp_path / "w")


@pytest.mark.parametrize("cards", [{}, {"SATURATE": 60_000.0}])
def test_saturated_pixels_of_some_flats_do_not_lower_the_sensitivity(tmp_path, file, cards):
    """A third of the frame is 4.5 times as sensitive, and saturated in the brightest flats."""
    pattern = np.ones(SHAPE)
    pattern[:13] = 4.5
    files = []
    for number, level in enumerate((9000, 10_000, 11_000, 20_000, 30_000)):
        counts = np.minimum(np.random.default_rng(number).poisson(level * pattern), cards.get("SATURATE", 65_535))
        files.append(file(f"f{number}", counts.astype("u2"), ZEROCOR="x", **cards))
    flat, header, notes, _ = made_of(MasterFrame(), {"input_files": files, "kind": "flat"}, tmp_path / "w")
    assert np.median(flat) == pytest.approx(1.0)
    assert np.median(flat[:13]) / np.median(flat[13:]) == pytest.approx(4.5, rel=1e-3)
    assert {"SATURATE", "BUNIT", "GAIN"}.isdisjoint(header)
    assert notes == ()


def test_pixels_saturated_in_every_frame_are_blank_and_counted(tmp_path, file):
    pixels = np.full(SHAPE, 1000, "u2")
    pixels[3, 4:6] = 65_535
    noise = np.random.default_rng(1).integers(0, 9, (3, *SHAPE)).astype("u2")
    files = [file(f"d{n}", np.where(pixels == 65_535, pixels, pixels + noise[n]), EXPTIME=60.0) for n in range(3)]
    dark, header, notes, _ = made_of(MasterFrame(), {"input_files": files, "kind": "dark"}, tmp_path / "w")
    assert np.argwhere(np.isnan(dark)).tolist() == [[3, 4], [3, 5]]
    assert "2 of 2000 pixels are saturated or blank in every frame, or insensitive" in notes
    assert header["EXPTIME"] == 60.0
    image = file("image", np.uint16(5000), EXPTIME=60.0)
    pixels, header, notes, _ = made_of(Calibration(), {"input_files": [image], "dark_file": files[:1]}, tmp_path / "c")
    assert np.argwhere(np.isnan(pixels)).tolist() == [[3, 4], [3, 5]]
    assert "d0: 2 of 2000 pixels are saturated or blank: blank in the result" in notes
    assert header["SATURATE"] == pytest.approx(65_535 - 1004, abs=5)  # the end of the type of the raw image


def test_two_frames_are_noted(tmp_path, file):
    files = [file(f"b{n}", np.float32(1000 + n), EXPTIME=0.0) for n in range(2)]
    _, _, notes, _ = made_of(MasterFrame(), {"input_files": files}, tmp_path / "w")
    assert notes == ("Of two images nobody can tell an outlier: cosmic rays are in the result by half",)


def test_a_dead_pixel_of_a_flat_is_blank_in_the_image(tmp_path, file):
    image, bias = file("image", np.float32(1100), EXPTIME=60.0), file("bias", np.float32(100), EXPTIME=0.0)
    counts = np.full(SHAPE, 10_100, "f4")
    counts[7, 7:10] = 100.5, 1000, 1200
    parameters = {"input_files": [image], "bias_file": [bias], "flat_file": [file("flat", counts)]}
    pixels, _, notes, _ = made_of(Calibration(), parameters, tmp_path / "w")
    assert np.argwhere(np.isnan(pixels)).tolist() == [[7, 7], [7, 8]]
    assert np.nanmedian(pixels) == 1000
    assert np.nanmax(pixels) <= 10_000
    (note,) = notes
    assert note.startswith("flat: 2 of 2000 pixels are saturated, blank or below 0.1 of the median of this flat")


@pytest.fixture
def masked(file):
    """Files whose masks call 60 % bad, which have another level, and the mask."""
    bad = np.random.default_rng(3).random(SHAPE) < 0.6
    bad[0, 0] = False

    def make(name, level, **cards):
        noise = np.random.default_rng(len(name) + int(level)).normal(0, 1, SHAPE)
        return file(name, np.where(bad, 0.02, level + noise).astype("f4"), bad, **cards)

    return make, bad


def test_masks_are_honoured_and_carried_by_what_is_made_of_one_image(tmp_path, file, masked):
    make, bad = masked
    a, plain = make("a", 1000.0, EXPTIME=60.0), file("plain", np.float32(100), EXPTIME=0.0)
    requests = [
        (Normalization(), {"input_files": [a]}, 1.0),
        (Subtraction(), {"input_files": [a], "subtraction_file": [plain]}, 900.0),
        (PixelArithmetic(), {"a": [a], "b": [plain], "expression": "a + b"}, 1100.0),
        (PixelArithmetic(), {"a": [plain], "b": [a], "expression": "a + b"}, 1100.0),
        (Calibration(), {"input_files": [a], "bias_file": [plain]}, 900.0),
    ]
    for number, (operation, parameters, level) in enumerate(requests):
        pixels, _, _, mask = made_of(operation, parameters, tmp_path / str(number))
        np.testing.assert_array_equal(mask, bad)
        assert np.median(pixels[~bad]) == pytest.approx(level, rel=1e-3), operation.name


def test_masked_pixels_do_not_count_in_what_is_made_of_several(tmp_path, file, masked):
    make, bad = masked
    files = [make(f"frame{'x' * n}", 1000.0, EXPTIME=0.0) for n in range(3)]
    whole = file("whole", np.float32(1000), EXPTIME=0.0)
    for number, (operation, more) in enumerate(
        ((Median(), {}), (Stacking(), {"combine": "average"}), (MasterFrame(), {"kind": "bias"}))
    ):
        pixels, _, _, _ = made_of(operation, {"input_files": [*files, whole]} | more, tmp_path / str(number))
        np.testing.assert_array_equal(pixels[bad], 1000.0)
        pixels, _, _, _ = made_of(operation, {"input_files": files} | more, tmp_path / f"{number}-blank")
        np.testing.assert_array_equal(np.isnan(pixels), bad)
        assert np.nanmedian(pixels) == pytest.approx(1000.0, abs=1.0)
    image = file("image", np.float32(3000), EXPTIME=60.0)
    pixels, _, _, _ = made_of(Calibration(), {"input_files": [image], "bias_file": files[:1]}, tmp_path / "c")
    np.testing.assert_array_equal(np.isnan(pixels), bad)
