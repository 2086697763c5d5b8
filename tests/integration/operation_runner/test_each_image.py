"""One image of no use does not cost the others."""

import numpy as np
import pytest

from operation_runner.operations.calibration import Calibration
from operation_runner.operations.normalization import Normalization
from operation_runner.operations.pixel_arithmetic import PixelArithmetic
from operation_runner.operations.subtraction import Subtraction
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import stars, write_fits


@pytest.fixture
def file(tmp_path):
    def make(name, pixels, **cards):
        return write_fits(tmp_path / f"{name}.fits", np.asarray(pixels, "f4"), header=cards)

    return make


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("order", ["first", "middle", "last"])
def test_the_good_ones_are_delivered_and_the_others_noted(tmp_path, file, processes, order):
    names = {"first": "0", "middle": "2x", "last": "9"}
    good = [file(str(n), stars(20, 30, seed=n)) for n in (1, 2, 3)]
    bad = file(names[order], np.zeros((20, 30)))
    damaged = tmp_path / f"{names[order]}d.fits"
    damaged.write_bytes(bad.read_bytes()[:3000])
    files = sorted([*good, bad, damaged])
    made = run(Normalization(), {"input_files": files}, work_dir=tmp_path / "work", processes=processes)
    assert [product.inputs for product in made.products] == [("1",), ("2",), ("3",)]
    noted = [note for note in made.products[-1].notes if "left out" in note]
    assert len(noted) == 2
    assert f"{names[order]}: left out: {names[order]} cannot be normalized: its median is 0" in noted[0]
    assert noted[1].startswith(f"{names[order]}d: left out: ")


def test_it_fails_if_none_remains_and_says_why(tmp_path, file):
    zero, blank = file("zero", np.zeros((5, 6))), file("blank", np.full((5, 6), np.nan))
    with pytest.raises(UsageError, match=r"^zero cannot be normalized: its median is 0"):
        run(Normalization(), {"input_files": [zero]}, work_dir=tmp_path / "one")
    with pytest.raises(UsageError, match=r"Not one of the 2 input files could be used\. blank cannot.*zero cannot"):
        run(Normalization(), {"input_files": [blank, zero]}, work_dir=tmp_path / "two")


def test_every_operation_on_single_images_delivers_the_good_ones(tmp_path, file):
    good, blank = file("good", stars(20, 30, seed=1)), file("blank", np.full((20, 30), np.nan))
    other = file("other", np.ones((20, 30)))
    wide = file("wide", np.ones((20, 31)))
    requests = [
        (Subtraction(), {"input_files": [blank, good], "subtraction_file": [other]}),
        (PixelArithmetic(), {"a": [blank, good], "expression": "a + 1"}),
        (Calibration(), {"input_files": [good, wide], "bias_file": [other]}),
    ]
    for number, (operation, parameters) in enumerate(requests):
        made = run(operation, parameters, work_dir=tmp_path / str(number))
        assert len(made.products) == 1, operation.name
        assert any("left out" in note for note in made.products[0].notes), operation.name
