import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from operation_runner.operations.normalization import Normalization
from operation_runner.operations.subtraction import Subtraction
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import WCS_CARDS, stars, write_fits

REAL_DATA = os.environ.get("DATALAB_REAL_DATA")


def read(path):
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        return hdus["SCI"].data, hdus["SCI"].header, "".join(hdus[0].header["COMMENT"])


def frame(path, pixels, **options):
    sources = Table({"x": [3.0, 20.0], "y": [4.0, 30.0], "flux": [1e4, 2e4], "mag": [14.0, 13.2]})
    write_fits(path, pixels, header=WCS_CARDS | {"GAIN": 2.0}, **options)
    fits.append(path, fits.table_to_hdu(sources).data, fits.Header({"EXTNAME": "CAT"}))
    return path


@pytest.mark.parametrize("processes", [1, 2])
def test_each_image_is_divided_by_its_own_median(tmp_path, processes):
    pixels = [stars(40, 50, seed=n).astype("u2") for n in range(3)]
    paths = [frame(tmp_path / f"{n}.fits", image) for n, image in enumerate(pixels)]
    made = run(Normalization(), {"input_files": paths}, work_dir=tmp_path / "work", processes=processes)
    assert len(made.products) == 3
    for number, image in enumerate(pixels):
        data, header, comment = read(made.fits(number))
        np.testing.assert_allclose(data, image / np.median(image), rtol=2e-7)
        assert np.median(data) == pytest.approx(1)
        assert comment == f"Datalab Normalization on file {number}"
        assert header["GAIN"] == pytest.approx(2.0 * np.median(image))  # electrons of a pixel stay what they were
        sources = Table.read(made.fits(number), hdu="CAT")
        np.testing.assert_allclose(sources["flux"], np.array([1e4, 2e4]) / np.median(image))
        assert list(sources["mag"]) == [14.0, 13.2]
    assert [fraction for fraction, _ in made.progress] == [1 / 3, 2 / 3, 1.0]
    assert {(product.filter_name, product.is_exposure) for product in made.products} == {("rp", False)}


def test_blank_pixels_do_not_count_and_stay_blank(tmp_path):
    pixels = stars(20, 30, seed=1).astype("f4")
    pixels[5, 6] = np.nan
    path = write_fits(tmp_path / "a.fits", pixels)
    data, _, _ = read(run(Normalization(), {"input_files": [path]}, work_dir=tmp_path / "work").fits())
    np.testing.assert_allclose(data, pixels / np.nanmedian(pixels), rtol=2e-7)


def test_a_product_names_only_the_inputs_it_was_made_of(tmp_path):
    """Otherwise a thousand files would hold a million lines of provenance."""
    paths = [frame(tmp_path / f"image{n}.fits", stars(20, 30, seed=n)) for n in range(3)]
    made = run(Subtraction(), {"input_files": paths[:2], "subtraction_file": [paths[2]]}, work_dir=tmp_path / "work")
    with fits.open(made.fits(1)) as hdus:
        history = "\n".join(hdus[0].header["HISTORY"])
        assert hdus[0].header["DLABNIN"] == 2
    assert [line.split()[1] for line in history.split("\n") if line.startswith("input")] == ["image1", "image2"]
    assert "image0" not in history


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((4, 5), "f4"), "its median is 0"),
        (np.full((4, 5), np.nan, "f4"), "it has no defined pixel"),
        (np.full((4, 5), -200, "f4"), "its median is -200, which would turn its signs"),
    ],
)
def test_what_cannot_be_normalized_is_named(tmp_path, pixels, said):
    bad = write_fits(tmp_path / "bad.fits", pixels)
    with pytest.raises(UsageError, match=f"bad cannot be normalized: {said}"):
        run(Normalization(), {"input_files": [bad]}, work_dir=tmp_path / "work")


def test_a_scale_that_is_chance_is_noted(tmp_path):
    path = write_fits(tmp_path / "sky.fits", np.random.default_rng(1).normal(0.2, 5.0, (40, 50)).astype("f4") + 0.5)
    (product,) = run(Normalization(), {"input_files": [path]}, work_dir=tmp_path / "work").products
    assert "is less than the noise of a pixel" in product.notes[0]


@pytest.mark.parametrize("processes", [1, 2])
def test_one_image_is_taken_from_each_of_the_others(tmp_path, processes):
    shapes = [(40, 50), (30, 60)]
    pixels = [stars(*shape, seed=n).astype("u2") for n, shape in enumerate(shapes)]
    paths = [frame(tmp_path / f"{n}.fits", image) for n, image in enumerate(pixels)]
    sky = np.full((35, 45), 40_000, "u2")  # more than is there: unsigned pixels would wrap
    sky_path = write_fits(tmp_path / "sky.fits", sky, compression="RICE_1")
    made = run(
        Subtraction(),
        {"input_files": paths, "subtraction_file": [sky_path]},
        work_dir=tmp_path / "work",
        processes=processes,
    )
    for number, (image, (rows, columns)) in enumerate(zip(pixels, [(35, 45), (30, 45)], strict=True)):
        data, header, comment = read(made.fits(number))
        np.testing.assert_array_equal(data, image[:rows, :columns].astype("f8") - 40_000)
        assert comment == f"Datalab Subtraction of sky subtracted from {number}"
        assert header["OBJECT"] == "M 51"
        assert len(Table.read(made.fits(number), hdu="CAT")) == 2 - (rows < 30)
    assert [fraction for fraction, _ in made.progress] == [0.5, 1.0]


@pytest.mark.skipif(not REAL_DATA, reason="DATALAB_REAL_DATA names no folder with fits_1.fits.fz and fits_2.fits.fz")
def test_the_numbers_of_two_real_frames(tmp_path):
    """Numbers of the predecessor, for the same files."""
    one, two = (Path(REAL_DATA) / f"fits_{n}.fits.fz" for n in (1, 2))
    normalized, _, _ = read(run(Normalization(), {"input_files": [one]}, work_dir=tmp_path / "n").fits())
    assert (f"{normalized.max():.6f}", f"{normalized[0, 0]:.6f}") == ("8.042679", "0.991738")
    made = run(Subtraction(), {"input_files": [one], "subtraction_file": [two]}, work_dir=tmp_path / "s")
    difference, _, _ = read(made.fits())
    assert f"{difference.mean(dtype='f8'):.6f} {difference[0, 0]:.6f}" == "-2045.787743 -2068.918213"
