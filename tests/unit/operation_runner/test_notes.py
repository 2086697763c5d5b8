"""Notes on input images reach what is made of them, from whichever process, and never outgrow a message."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from datalab.events.operations import OutputFile
from operation_runner.inputs.notes import InputNotes
from operation_runner.operations.median import Median
from operation_runner.operations.normalization import Normalization
from operation_runner.results.notes import with_few_notes
from operation_runner.sdk import DataProduct, FitsFile, ImageProduct, Operation, OperationParameters
from support.operations import run
from support.runner import WCS_CARDS, stars, write_fits

ODD = {"EXPTIME": "long"}
NOTE = "EXPTIME: 'long' is not a finite number: left out"


class SeenImage:
    def __init__(self, basename, *notes):
        self.basename = basename
        self.notes = notes


def test_notes_come_after_the_name_of_their_image_and_only_of_those_asked_for():
    noted = InputNotes()
    noted.add(SeenImage("a", "x", "y"))
    noted.add(SeenImage("b", "x"))
    assert noted.of(None) == ["a: x", "a: y", "b: x"]
    assert noted.of(["b", "unknown"]) == ["b: x"]


def test_what_another_process_has_noted_is_learned():
    there, here = InputNotes(), InputNotes()
    for notes in (there, here):
        notes.add(SeenImage("a", "x"))
    there.add(SeenImage("b", "y"))
    here.learn(there.since(1))
    assert len(there) == 1
    assert here.of(None) == ["b: y", "a: x"]


def output(*notes):
    return OutputFile(basename="o", type="fits", files={}, notes=notes)


def test_notes_of_many_products_fit_into_a_message():
    files = [output(*["n" * 900] * 50) for _ in range(1000)]
    shown = with_few_notes([*files, output()])
    assert sum(len(note) for file in shown for note in file.notes) < 400_000
    assert shown[0].notes[-1] == "... and 50 more, in the HISTORY of the file"
    assert shown[-1].notes == ()
    few = output("a", "b" * 600)
    assert with_few_notes([few])[0].notes == ("a", "b" * 500 + "...")


@pytest.fixture
def images(tmp_path):
    """Return two images, one of which has an odd card."""
    plain = write_fits(tmp_path / "plain.fits", stars(8, 9, seed=1).astype("f4"), header=WCS_CARDS)
    odd = write_fits(tmp_path / "odd.fits", stars(8, 9, seed=2).astype("f4"), header=WCS_CARDS | ODD)
    return [plain, odd]


def history(path: Path) -> list[str]:
    return [line for line in map(str, fits.getheader(path)["HISTORY"]) if line.startswith("note ")]


def test_a_product_says_what_was_noted_on_its_inputs(images, tmp_path):
    made = run(Median(), {"input_files": images}, work_dir=tmp_path / "work")
    assert made.products[0].notes[-1] == f"odd: {NOTE}"  # after its own
    assert history(made.fits())[-1] == f"note odd: {NOTE}"


@pytest.mark.parametrize("processes", [1, 2])
def test_a_product_of_one_image_says_what_was_noted_on_that_one(images, tmp_path, processes):
    made = run(Normalization(), {"input_files": images}, work_dir=tmp_path / "work", processes=processes)
    assert [product.notes for product in made.products] == [(f"odd: {NOTE}",), ()]
    assert history(made.fits(0)) == [f"note odd: {NOTE}"]


class Both(Operation):
    """Makes an image and data with notes of their own, and looks at its inputs in other processes."""

    name = "Both"
    description = "For this test."
    version = 1

    class Parameters(OperationParameters):
        input_files: list[FitsFile]

    def compute(self, inputs, parameters, progress):
        list(inputs.parallel_images(lambda image: image.shape, parameters.input_files, progress=progress))
        long = "the sky is bright, the seeing poor, and the night was none that anybody would have observed in"
        yield ImageProduct(pixels=np.zeros((3, 3), "f4"), header=fits.Header(), comment="", notes=[long])
        yield DataProduct(content={"answer": 42, "notes": ["one point was left out"]})
        yield DataProduct(content={"answer": 43})


@pytest.mark.parametrize("processes", [1, 2])
def test_own_notes_come_first_and_data_have_them_too(images, tmp_path, processes):
    made = run(Both(), {"input_files": images}, work_dir=tmp_path / "work", processes=processes)
    own, of_input = made.products[0].notes
    assert (own[:18], of_input) == ("the sky is bright,", f"odd: {NOTE}")
    lines = history(made.fits())
    assert (lines[0][:10], lines[1][:7], lines[2]) == ("note the s", "note + ", f"note odd: {NOTE}")
    assert "".join([lines[0].removeprefix("note "), lines[1].removeprefix("note + ")]) == own
    assert [data.content for data in made.data] == [
        {"answer": 42, "notes": ["one point was left out", f"odd: {NOTE}"]},
        {"answer": 43, "notes": [f"odd: {NOTE}"]},
    ]
