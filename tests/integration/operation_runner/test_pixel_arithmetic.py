import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from operation_runner.operations.pixel_arithmetic import PixelArithmetic
from operation_runner.sdk import UsageError
from support.operations import run
from support.runner import WCS_CARDS, stars, write_fits


def pixels_of(path):
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        return hdus["SCI"].data


@pytest.mark.parametrize("processes", [1, 2])
def test_a_formula_gives_an_image_for_each_image_of_a(tmp_path, processes):
    rng_images = [stars(700, 60, seed=n).astype("u2") for n in range(3)]  # several bands of rows
    dark = np.full((650, 70), 100, "u2")
    paths = [write_fits(tmp_path / f"{n}.fits", image, header=WCS_CARDS) for n, image in enumerate(rng_images)]
    dark_path = write_fits(tmp_path / "dark.fits", dark)
    made = run(
        PixelArithmetic(),
        {"a": paths, "b": [dark_path], "expression": "(a - b) / median(a) + 0 * min(b)"},
        work_dir=tmp_path / "work",
        processes=processes,
    )
    for number, image in enumerate(rng_images):
        cropped = image[:650, :60].astype("f8")
        expected = (cropped - 100) / np.median(cropped)
        np.testing.assert_array_equal(pixels_of(made.fits(number)), expected.astype("f4"))
    with fits.open(made.fits(1)) as hdus:
        comment = "".join(hdus[0].header["COMMENT"])
        assert comment == "Datalab Pixel Arithmetic: (a - b) / median(a) + 0 * min(b) with a = 1, b = dark"
        assert hdus["SCI"].header["OBJECT"] == "M 51"


def test_the_catalogue_follows_the_pixels(tmp_path):
    """Twice the light is twice the flux, measured at the stars; of an image without stars no catalogue is left."""
    y, x = np.mgrid[:100, :120]
    positions = [(20 + 20 * n, 20 + 15 * m) for n in range(5) for m in range(4)]
    pixels = 100 + sum(5000 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in positions)
    path = write_fits(tmp_path / "stars.fits", pixels.astype("f4"), header=WCS_CARDS)
    sources = Table(
        {
            "x": [px + 1.0 for px, _ in positions],
            "y": [py + 1.0 for _, py in positions],
            "flux": np.full(len(positions), 5000 * 8 * np.pi),
            "fwhm": np.full(len(positions), 4.7),
            "flag": np.zeros(len(positions), int),
        }
    )
    fits.append(path, fits.table_to_hdu(sources).data, fits.Header({"EXTNAME": "CAT"}))
    made = run(PixelArithmetic(), {"a": [path], "expression": "2 * a - 70"}, work_dir=tmp_path / "twice")
    carried = Table.read(made.fits(), hdu="CAT")
    np.testing.assert_allclose(carried["flux"], 2 * sources["flux"], rtol=1e-3)
    made = run(PixelArithmetic(), {"a": [path], "expression": "a * 0"}, work_dir=tmp_path / "none")
    with fits.open(made.fits()) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI"]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("a - b", "there is no image 'b'; there are a"),
        ("a +", "the expression cannot be read"),
        ("__import__('os')", "there is no function '__import__'"),
    ],
)
def test_a_formula_that_cannot_work_is_explained(tmp_path, expression, said):
    path = write_fits(tmp_path / "a.fits", np.ones((4, 5), "f4"))
    with pytest.raises(UsageError, match=f"Operation Pixel Arithmetic: .*{said}"):
        run(PixelArithmetic(), {"a": [path], "expression": expression}, work_dir=tmp_path / "work")
