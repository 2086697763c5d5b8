"""Pictures as files."""

import numpy as np
import pytest
from PIL import Image

from datalab.fits.pictures import save_jpeg, save_large_and_small_jpeg, save_tiff

GREY = np.arange(600, dtype=np.uint8).reshape(20, 30)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "colour"])
def test_nothing_has_to_be_loaded_to_write_one(tmp_path, pixels):
    before = dict(vars(Image))
    save_tiff(pixels, tmp_path / "a.tif")
    save_jpeg(pixels, tmp_path / "a.jpg")
    save_large_and_small_jpeg(pixels, tmp_path / "large.jpg", tmp_path / "small.jpg")
    assert vars(Image) == before
    with Image.open(tmp_path / "a.tif") as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    for path in tmp_path.glob("*.jpg"):
        with Image.open(path) as picture:
            assert picture.format == "JPEG"
