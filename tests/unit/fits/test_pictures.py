"""Pictures as files."""

import errno

import numpy as np
import pytest
from PIL import Image

from datalab.fits.pictures import save_jpeg, save_large_and_small_jpeg, save_tiff
from support.short_files import files_end_at

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


@pytest.mark.parametrize("save", [save_jpeg, save_tiff])
def test_a_picture_there_is_no_room_for_says_why(tmp_path, save):
    pixels = np.random.default_rng(1).integers(0, 255, (100, 100), dtype=np.uint8)
    target = tmp_path / "picture"
    save(pixels, target)
    whole = target.stat().st_size
    for length in (0, 100, whole // 2, whole - 1):
        with files_end_at(length), pytest.raises(OSError) as refused:
            save(pixels, target)
        assert refused.value.errno == errno.EFBIG
