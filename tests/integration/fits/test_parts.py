"""Parts of images, against astropy reading the whole file."""

import bz2
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from datalab.errors import TransientError, UsageError
from datalab.fits.image import FitsImage
from datalab.fits.parts import PartialImage
from datalab.fits.stored import NotInPartsError
from support.runner import WCS_CARDS

REAL_DATA = os.environ.get("DATALAB_REAL_DATA")
SHAPE = (123, 217)
INTEGERS = np.random.default_rng(5).normal(1000, 40, SHAPE)
HOLED = INTEGERS.astype("f4")
HOLED[40:50, 100] = np.nan
#: Rows and columns: all, one pixel, in the middle, the last ones.
BOXES = [((0, 123), (0, 217)), ((0, 1), (0, 1)), ((37, 58), (90, 141)), ((110, 123), (205, 217)), ((60, 61), (0, 217))]
SIP = {
    **{keyword: value for keyword, value in WCS_CARDS.items() if not keyword.startswith("DATE")},
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 2,
    "A_2_0": 1e-6,
    "B_ORDER": 2,
    "B_0_2": -2e-6,
}


class File:
    """A file of which every reading is counted."""

    def __init__(self, path):
        self.path = path
        self.size_bytes = path.stat().st_size
        self.readings = []

    def read(self, offset, length):
        assert offset >= 0
        assert 0 < length <= self.size_bytes - offset
        self.readings.append((offset, length))
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    @property
    def read_bytes(self):
        return sum(length for _, length in self.readings)


def partial(path):
    source = File(path)
    return PartialImage(basename="f", sha256="ab" * 32, source=source), source


def compressed(pixels, kind="RICE_1", *, header=None, name="SCI", **options):
    return fits.CompImageHDU(pixels, fits.Header(header or SIP), name=name, compression_type=kind, **options)


def plain(pixels, *, header=None):
    return fits.ImageHDU(pixels, fits.Header(header or SIP), name="SCI")


def catalogue():
    return fits.BinTableHDU(Table({"x": [1.0]}), name="CAT")


def scaled():
    hdu = plain(INTEGERS.astype("f4"))
    hdu.scale("int16", bscale=0.1, bzero=1000)
    return hdu


def blanked():
    hdu = plain(INTEGERS.astype("i2"))
    hdu.header["BLANK"] = int(hdu.data[50, 100])
    return hdu


FORMS = {
    "RICE, rows, unsigned": lambda: [fits.PrimaryHDU(), compressed(INTEGERS.astype("u2"))],
    "RICE, rows, signed": lambda: [fits.PrimaryHDU(), compressed(INTEGERS.astype("i2"))],
    "RICE, rows, 32 bits": lambda: [fits.PrimaryHDU(), compressed((1e5 * INTEGERS).astype("i4")), catalogue()],
    "RICE, rows, bytes": lambda: [fits.PrimaryHDU(), compressed(np.clip(INTEGERS / 8, 0, 255).astype("u1"))],
    "RICE, squares": lambda: [fits.PrimaryHDU(), compressed(INTEGERS.astype("i2"), tile_shape=(32, 40))],
    "RICE, several rows": lambda: [fits.PrimaryHDU(), compressed(INTEGERS.astype("u2"), tile_shape=(10, 217))],
    "RICE, floats": lambda: [fits.PrimaryHDU(), compressed(HOLED, quantize_level=16)],
    "RICE, floats, dithered": lambda: [
        fits.PrimaryHDU(),
        compressed(INTEGERS.astype("f4"), quantize_level=16, quantize_method=1, dither_seed=9990),
    ],
    "RICE, floats, squares, dithered": lambda: [
        fits.PrimaryHDU(),
        compressed(INTEGERS.astype("f4"), quantize_level=16, quantize_method=2, dither_seed=77, tile_shape=(30, 50)),
    ],
    "GZIP": lambda: [fits.PrimaryHDU(), compressed(HOLED, "GZIP_2", quantize_level=0)],
    "GZIP, integers": lambda: [fits.PrimaryHDU(), compressed(INTEGERS.astype("i4"), "GZIP_1")],
    "HCOMPRESS": lambda: [fits.PrimaryHDU(), compressed(INTEGERS.astype("i4"), "HCOMPRESS_1", tile_shape=(41, 62))],
    "PLIO": lambda: [fits.PrimaryHDU(), compressed((INTEGERS > 1000).astype("i2"), "PLIO_1")],
    "behind a mask": lambda: [
        fits.PrimaryHDU(),
        fits.ImageHDU(np.zeros((3, 3), "u1"), name="MASK"),
        compressed(INTEGERS.astype("i2")),
        catalogue(),
    ],
    "without a name": lambda: [fits.PrimaryHDU(), compressed(INTEGERS.astype("u2"), name=None), catalogue()],
    "plain, unsigned": lambda: [fits.PrimaryHDU(), plain(INTEGERS.astype("u2"))],
    "plain, floats": lambda: [fits.PrimaryHDU(), plain(HOLED)],
    "plain, doubles, primary": lambda: [fits.PrimaryHDU(INTEGERS, fits.Header(SIP)), catalogue()],
    "plain, bytes": lambda: [fits.PrimaryHDU(np.clip(INTEGERS / 8, 0, 255).astype("u1"), fits.Header(SIP))],
    "plain, scaled": lambda: [fits.PrimaryHDU(), scaled()],
    "plain, blanks": lambda: [fits.PrimaryHDU(), blanked()],
}


@pytest.fixture(params=FORMS)
def file(request, tmp_path):
    path = tmp_path / "f.fits"
    fits.HDUList(FORMS[request.param]()).writeto(path)
    return path


def test_a_part_is_that_of_the_whole(file, tmp_path):
    whole = FitsImage("f", file, work_dir=tmp_path)
    image, _ = partial(file)
    assert image.shape == whole.shape == SHAPE
    for rows, columns in BOXES:
        expected = whole.pixels()[slice(*rows), slice(*columns)]
        found = image.box(rows, columns)
        assert (found.dtype, found.dtype.isnative) == (expected.dtype, True)
        np.testing.assert_array_equal(found, expected)
    whole.close()


def test_the_header_is_that_of_the_whole(file, tmp_path):
    whole = FitsImage("f", file, work_dir=tmp_path)
    image, _ = partial(file)
    assert list(map(str, image.cards().cards)) == list(map(str, whole.header.cards))
    truth = WCS(fits.Header(SIP))
    np.testing.assert_allclose(image.wcs().all_pix2world([[3, 4]], 0), truth.all_pix2world([[3, 4]], 0), rtol=1e-12)
    whole.close()


def test_no_more_is_read_than_the_part_needs(tmp_path):
    path = tmp_path / "f.fits.fz"
    pixels = np.random.default_rng(1).normal(1000, 30, (2000, 1500)).astype("u2")
    fits.HDUList([fits.PrimaryHDU(), compressed(pixels), catalogue()]).writeto(path)
    image, source = partial(path)
    headers = source.read_bytes
    assert headers < 120_000
    np.testing.assert_array_equal(image.box((700, 800), (10, 20)), pixels[700:800, 10:20])
    assert source.read_bytes - headers < 1.1 * source.size_bytes * 100 / 2000
    begun = len(source.readings)
    image.box((700, 800), (900, 1000))
    assert len(source.readings) == begun + 1


def test_of_tiles_in_squares_only_those_of_the_part_are_read(tmp_path):
    path = tmp_path / "f.fits.fz"
    pixels = np.random.default_rng(1).normal(1000, 30, (1000, 1000)).astype("i4")
    fits.HDUList([fits.PrimaryHDU(), compressed(pixels, "HCOMPRESS_1", tile_shape=(100, 100))]).writeto(path)
    image, source = partial(path)
    headers = source.read_bytes
    np.testing.assert_array_equal(image.box((150, 250), (150, 250)), pixels[150:250, 150:250])
    assert source.read_bytes - headers < 0.06 * source.size_bytes  # 4 of 100 tiles, and gaps


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress])
def test_a_packed_file_has_to_be_had_as_a_whole(tmp_path, packed):
    path = tmp_path / "f.fits"
    fits.PrimaryHDU(INTEGERS).writeto(path)
    path.write_bytes(packed(path.read_bytes()))
    with pytest.raises(NotInPartsError):
        partial(path)


def damaged(path, change):
    hdu = fits.HDUList([fits.PrimaryHDU(), compressed(INTEGERS.astype("u2"))])
    hdu.writeto(path)
    path.write_bytes(change(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda data: data[:5000], "the file ends"),
        (lambda data: data[: len(data) - 5760], "the file ends before"),
        (lambda data: b"hello" * 1000, "SIMPLE"),
        (lambda data: data.replace(b"NAXIS2  =                  123", b"NAXIS2  =                   99", 1), "tiles"),
        (
            lambda data: data.replace(b"ZTILE1  =                  217", b"ZTILE1  =                   -5", 1),
            "in parts",
        ),
        (lambda data: data.replace(b"TFORM1  = '1PB", b"TFORM1  = '9PB", 1), "do not fill its rows"),
    ],
)
def test_damage_is_told(tmp_path, change, text):
    path = damaged(tmp_path / "f.fits", change)
    with pytest.raises((UsageError, NotInPartsError), match=text):
        partial(path)[0].box((0, 5), (0, 5))


@pytest.mark.parametrize("value", [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00"])
@pytest.mark.parametrize("place", [0, 4])
def test_a_tile_that_points_elsewhere_is_damage(tmp_path, value, place):
    path = tmp_path / "f.fits"
    fits.HDUList([fits.PrimaryHDU(), compressed(INTEGERS.astype("u2"))]).writeto(path)
    with fits.open(path, disable_image_compression=True) as hdus:
        table = hdus[1].fileinfo()["datLoc"]
    data = bytearray(path.read_bytes())
    data[table + 8 * 10 + place : table + 8 * 10 + place + 4] = value
    path.write_bytes(data)
    image, _ = partial(path)
    if (value, place) == (b"\x00\x00\x00\x00", 4):
        return  # the first tile's bytes, which can be decoded
    with pytest.raises(UsageError, match=r"damaged|described where|has no data"):
        image.box((5, 15), (0, 5))


def test_what_the_store_says_is_not_taken_for_damage(tmp_path):
    path = tmp_path / "f.fits"
    fits.HDUList([fits.PrimaryHDU(), compressed(INTEGERS.astype("u2"))]).writeto(path)
    image, source = partial(path)

    class Away:
        size_bytes = source.size_bytes

        def read(self, offset, length):
            raise TransientError("away")

    image.reading_from(Away())
    with pytest.raises(TransientError, match="away"):
        image.box((0, 5), (0, 5))
    image.reading_from(source)
    assert image.box((0, 5), (0, 5)).shape == (5, 5)


@pytest.mark.skipif(not REAL_DATA, reason="DATALAB_REAL_DATA names no folder of real frames")
def test_parts_of_real_frames(tmp_path):
    paths = sorted(Path(REAL_DATA).glob("*.fits.fz"))
    assert paths
    for path in paths:
        whole = FitsImage("f", path, work_dir=tmp_path)
        image, source = partial(path)
        rows, columns = ((side // 2, side // 2 + side // 4) for side in whole.shape)
        np.testing.assert_array_equal(image.box(rows, columns), whole.pixels()[slice(*rows), slice(*columns)])
        assert list(map(str, image.cards().cards)) == list(map(str, whole.header.cards))
        assert source.size_bytes < 200_000 or source.read_bytes < 0.5 * source.size_bytes
        whole.close()
