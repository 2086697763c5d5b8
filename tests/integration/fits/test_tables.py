"""The sources of a file, read by our own reader or by astropy: nobody can tell which."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from datalab.errors import UsageError
from datalab.fits.image import FitsImage
from datalab.fits.tables import plain_table
from support.runner import write_fits

PLAIN = {
    "X": np.array([1.5, 2.5, np.nan]),
    "flux": np.array([1, 2, 3], ">f4"),
    "flag": np.array([0, 4, 1], "i2"),
    "xpeak": np.array([1, -2, 3], "i4"),
    "ID": np.array([1, 2, 2**60]),
    "small": np.array([0, 255, 7], "u1"),
}


def image_with(tmp_path, columns, *, units=None, change=lambda _: None):
    path = write_fits(tmp_path / "image.fits", np.ones((10, 12), "f4"))
    table = fits.table_to_hdu(Table(columns, units=units))
    table.name = "CAT"
    change(table)
    with fits.open(path, mode="append") as hdus:
        hdus.append(table)
    return path


def opened(path, tmp_path):
    return FitsImage("image", path, work_dir=tmp_path)


def is_read_directly(path):
    with fits.open(path) as hdus:
        return plain_table(path, hdus["CAT"].fileinfo()["hdrLoc"]) is not None


def test_numbers_are_read_directly_and_right(tmp_path):
    path = image_with(tmp_path, PLAIN, units={"X": "pix", "flux": "count"})
    assert is_read_directly(path)
    table = opened(path, tmp_path).catalogue()
    assert table.colnames == ["x", "flux", "flag", "xpeak", "id", "small"]
    for name, values in PLAIN.items():
        read = np.asarray(table[name.lower()])
        np.testing.assert_array_equal(read, values)
        assert read.dtype.isnative
        assert read.dtype.itemsize == values.dtype.itemsize
    assert (str(table["x"].unit), str(table["flux"].unit), table["flag"].unit) == ("pix", "ct", None)


@pytest.mark.parametrize(
    "columns",
    [
        {"x": [1.0], "name": ["a star"]},
        {"x": [1.0], "good": [True]},
        {"x": [1.0], "fluxes": [[1.0, 2.0, 3.0]]},
        {"x": [1.0], "number": np.array([40_000], "u2")},
    ],
)
def test_anything_else_is_left_to_astropy(tmp_path, columns):
    path = image_with(tmp_path, columns)
    assert not is_read_directly(path)
    table = opened(path, tmp_path).catalogue()
    for name, values in columns.items():
        np.testing.assert_array_equal(table[name], values)


def test_a_file_without_sources_has_none(tmp_path):
    path = write_fits(tmp_path / "image.fits", np.ones((10, 12), "f4"))
    assert opened(path, tmp_path).catalogue() is None


def test_an_empty_catalogue_is_one(tmp_path):
    path = image_with(tmp_path, {"x": np.empty(0), "y": np.empty(0)})
    table = opened(path, tmp_path).catalogue()
    assert (len(table), table.colnames) == (0, ["x", "y"])


def test_a_catalogue_cut_short_is_the_files_fault(tmp_path):
    path = image_with(tmp_path, {"x": np.arange(3000.0)})
    image = opened(path, tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 5 * 2880)
    with pytest.raises(UsageError, match="The catalog of image cannot be read"):
        image.catalogue()
