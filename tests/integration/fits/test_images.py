import bz2
import contextlib
import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalab.errors import UsageError
from datalab.fits import image as fits_images
from datalab.fits.image import FitsImage
from datalab.fits.stored import StoredImage
from support.runner import write_fits

ROWS, COLUMNS = 45, 70
DTYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def image_pixels(dtype, rows=ROWS, columns=COLUMNS):
    """Return pixels over the whole range of a type; neighbours are close, so that codecs have something to do."""
    rng = np.random.default_rng(7)
    if np.dtype(dtype).kind == "f":
        pixels = rng.normal(100, 20, (rows, columns)).astype(dtype)
        pixels[3, 5:9] = np.nan
        return pixels
    limits = np.iinfo(dtype)
    pixels = rng.integers(0, 100, (rows, columns)).astype(dtype)
    pixels[0, :2] = limits.min, limits.max
    return pixels


def expected(path):
    """Read the science image at once, as astropy does."""
    with fits.open(path) as hdus:
        image = next(hdu for hdu in hdus if hdu.data is not None and hdu.data.ndim == 2 and hdu.is_image)
        return np.array(image.data)


def opened(path, work_dir, basename="one"):
    return contextlib.closing(FitsImage(basename, path, work_dir=work_dir))


def read_all(path, work_dir, basename="one"):
    with opened(path, work_dir, basename) as image:
        return image.rows(0, image.shape[0])


def assert_reads_like_astropy(path, work_dir, *, band=7):
    """Return the image's rows, read band by band."""
    with opened(path, work_dir) as image:
        return _assert_reads_like_astropy(image, path, band)


def _assert_reads_like_astropy(image, path, band):
    whole = expected(path)
    assert image.shape == whole.shape
    assert image.dtype == whole.dtype.newbyteorder("=")
    for start in range(0, image.shape[0], band):
        rows = image.rows(start, min(start + band, image.shape[0]))
        assert rows.dtype == image.dtype
        assert rows.dtype.isnative
        np.testing.assert_array_equal(rows, whole[start : start + band])
    return image.rows(0, image.shape[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_images_of_every_type(tmp_path, dtype):
    rows = assert_reads_like_astropy(write_fits(tmp_path / "a.fits", image_pixels(dtype)), tmp_path)
    assert rows.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(rows, image_pixels(dtype))


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4"])
def test_rice_rows_are_read_without_astropy_and_like_it(tmp_path, dtype, monkeypatch):
    path = write_fits(tmp_path / "a.fits.fz", image_pixels(dtype), compression="RICE_1")
    monkeypatch.setattr(StoredImage, "__init__", None)  # all other images go through it
    np.testing.assert_array_equal(assert_reads_like_astropy(path, tmp_path), image_pixels(dtype))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
@pytest.mark.parametrize(
    ("compression", "options"),
    [
        ("RICE_1", {"tile_shape": (7, 33)}),
        ("RICE_1", {"tile_shape": (16, COLUMNS)}),
        ("RICE_1", {"tile_shape": (ROWS, COLUMNS)}),
        ("GZIP_1", {}),
        ("GZIP_2", {}),
        ("GZIP_2", {"tile_shape": (20, 20)}),
        ("HCOMPRESS_1", {"tile_shape": (16, COLUMNS)}),
        ("HCOMPRESS_1", {"tile_shape": (ROWS, COLUMNS)}),
    ],
)
def test_integers_in_other_tiles_and_codecs(tmp_path, dtype, compression, options):
    pixels = image_pixels(dtype)
    path = write_fits(tmp_path / "a.fits.fz", pixels, compression=compression, **options)
    np.testing.assert_array_equal(assert_reads_like_astropy(path, tmp_path), pixels)


def test_masks_in_plio(tmp_path):
    pixels = (image_pixels("i2") % 3).astype("i2").clip(0)
    assert_reads_like_astropy(write_fits(tmp_path / "a.fits.fz", pixels, compression="PLIO_1"), tmp_path)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    ("compression", "options"),
    [
        ("RICE_1", {"quantize_level": 16}),
        ("RICE_1", {"quantize_level": 4, "tile_shape": (10, 30)}),
        ("GZIP_2", {"quantize_level": 0}),
        ("GZIP_1", {"quantize_level": 0, "tile_shape": (ROWS, COLUMNS)}),
    ],
)
def test_floats_lossy_or_not_are_what_astropy_reads(tmp_path, dtype, compression, options):
    pixels = image_pixels(dtype)
    path = write_fits(tmp_path / "a.fits.fz", pixels, compression=compression, **options)
    rows = assert_reads_like_astropy(path, tmp_path)
    assert np.isnan(rows[3, 5:9]).all()
    if options["quantize_level"] == 0:
        np.testing.assert_array_equal(rows, pixels)


def stored_integers(path, pixels, **cards):
    """Write integers with scaling cards as they are, without astropy scaling anything."""
    image = fits.ImageHDU(pixels, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    for card, value in cards.items():
        with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
            hdus[1].header[card] = value
    return path


def test_scaled_and_blank_integers_become_floats_with_nan(tmp_path):
    pixels = image_pixels("i2")
    pixels[10, 10:20] = -999
    path = stored_integers(tmp_path / "a.fits", pixels, BSCALE=0.5, BZERO=100.0, BLANK=-999)
    rows = assert_reads_like_astropy(path, tmp_path)
    assert np.isnan(rows[10, 10:20]).all()
    assert rows[10, 0] == pixels[10, 0] * 0.5 + 100


def test_blank_integers_without_scale(tmp_path):
    pixels = image_pixels("i2")
    pixels[2, 4] = 77
    rows = assert_reads_like_astropy(stored_integers(tmp_path / "a.fits", pixels, BLANK=77), tmp_path)
    assert np.isnan(rows[2, 4])


def test_blank_pixels_in_rice_are_left_to_astropy(tmp_path):
    pixels = image_pixels("i2")
    path = write_fits(tmp_path / "a.fits.fz", pixels, header={"BLANK": 55}, compression="RICE_1")
    rows = assert_reads_like_astropy(path, tmp_path)
    assert np.count_nonzero(np.isnan(rows)) == np.count_nonzero(pixels == 55) > 0


@pytest.mark.parametrize("packed", [gzip, bz2])
@pytest.mark.parametrize("compression", [None, "RICE_1"])
def test_files_packed_as_a_whole(tmp_path, packed, compression):
    plain = write_fits(tmp_path / "a.fits", image_pixels("u2"), compression=compression)
    path = tmp_path / "a.packed"
    path.write_bytes(packed.compress(plain.read_bytes()))
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    np.testing.assert_array_equal(read_all(path, work_dir), image_pixels("u2"))


def test_the_image_may_be_in_the_primary_hdu(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(image_pixels("u2")).writeto(path)
    assert_reads_like_astropy(path, tmp_path)


def test_the_image_may_be_in_an_extension_without_name(tmp_path):
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image_pixels("f4"))]).writeto(path)
    assert_reads_like_astropy(path, tmp_path)


def test_the_extension_named_sci_goes_first_wherever_it_is(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])], name="CAT")
    other = fits.ImageHDU(np.zeros((3, 4), "f4"), name="ERR")
    path = write_fits(tmp_path / "a.fits", image_pixels("i4"), before=[other, table])
    with opened(path, tmp_path) as image:
        assert image.header["EXTNAME"] == "SCI"
        np.testing.assert_array_equal(image.rows(0, ROWS), image_pixels("i4"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_range_of_rows(tmp_path, data):
    dtype = data.draw(st.sampled_from(["u2", "i4", "f4"]))
    compression = data.draw(st.sampled_from([None, "RICE_1", "GZIP_2"]))
    rows, columns = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    pixels = image_pixels("f8", 40, 40)[:rows, :columns]
    pixels = (np.nan_to_num(pixels) if dtype != "f4" else pixels).astype(dtype)
    options = {"quantize_level": 0} if compression == "GZIP_2" else {}
    if compression == "RICE_1" and dtype == "f4":
        compression = None
    path = write_fits(tmp_path / "any.fits", pixels, compression=compression, **options)
    start = data.draw(st.integers(0, rows - 1))
    stop = data.draw(st.integers(start + 1, rows))
    with opened(path, tmp_path) as image:
        np.testing.assert_array_equal(image.rows(start, stop), pixels[start:stop])


# --- damaged files ----------------------------------------------------------------------------------------------------


def header_only(**cards):
    header = fits.Header([("SIMPLE", True), *cards.items()])
    return header.tostring().encode() + bytes(2880)


BROKEN = {
    "empty": b"",
    "text": b"this is no image\n" * 500,
    "garbage": np.random.default_rng(3).bytes(9000),
    "table only": None,
    "three dimensions": None,
    "no data": header_only(BITPIX=16, NAXIS=0),
    "no pixels": header_only(BITPIX=16, NAXIS=2, NAXIS1=0, NAXIS2=5),
    "lying about its size": header_only(BITPIX=16, NAXIS=2, NAXIS1=10**9, NAXIS2=10**9),
    "lying about one axis": header_only(BITPIX=-64, NAXIS=2, NAXIS1=10**9, NAXIS2=1),
    "nonsense axes": header_only(BITPIX=16, NAXIS=2, NAXIS1=-5, NAXIS2="x"),
    "header without end": header_only(BITPIX=16, NAXIS=2, NAXIS1=4, NAXIS2=4)[:200],
    "bad gzip": b"\x1f\x8b\x08\x00" + b"\x99" * 400,
    "bad bzip2": b"BZh91AY&SY" + b"\x99" * 400,
    "gzip cut short": gzip.compress(np.random.default_rng(3).bytes(9000))[:-500],
    "gzip with a wrong byte": None,
    "bzip2 cut short": bz2.compress(np.random.default_rng(3).bytes(9000))[:-500],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_image_is_named(tmp_path, kind):
    path = tmp_path / "a.fits"
    match kind:
        case "table only":
            table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])])
            fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
        case "three dimensions":
            write_fits(path, np.zeros((5, 10, 10), "f4"))
        case "gzip with a wrong byte":
            content = bytearray(gzip.compress(write_fits(path, image_pixels("f8")).read_bytes()))
            content[len(content) // 2] ^= 0xFF
            path.write_bytes(content)
        case _:
            path.write_bytes(BROKEN[kind])
    with pytest.raises(UsageError, match="The input file broken") as raised:
        read_all(path, tmp_path, "broken")
    assert len(raised.value.message) < 500


@pytest.mark.parametrize("compression", [None, "RICE_1", "GZIP_1"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_file_cut_short_is_named(tmp_path, compression, part):
    path = write_fits(tmp_path / "a.fits", image_pixels("u2", 400, 400), compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(UsageError, match="The input file broken"):
        read_all(path, tmp_path, "broken")


def test_a_compressed_image_that_lies_about_its_size_allocates_nothing(tmp_path):
    path = write_fits(tmp_path / "a.fits", image_pixels("u2"), compression="RICE_1")
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        hdus[1].header["ZNAXIS1"] = 10**9
        hdus[1].header["ZTILE1"] = 10**9
    with pytest.raises(UsageError, match="cannot be in a file of"):
        read_all(path, tmp_path, "broken")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), compression=st.sampled_from(["RICE_1", "GZIP_2", None]), flips=st.integers(1, 12))
def test_wrong_bytes_anywhere_give_pixels_or_a_usage_error(tmp_path, seed, compression, flips):
    path = write_fits(tmp_path / "a.fits", image_pixels("i2", 20, 30), compression=compression)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(seed)
    content[rng.integers(0, content.size, flips)] = rng.integers(0, 256, flips)
    path.write_bytes(content.tobytes())
    with contextlib.suppress(UsageError):
        assert read_all(path, tmp_path, "broken").size <= 8190 * content.size


def test_what_this_machine_lacks_is_not_the_files_fault(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(write_fits(tmp_path / "a.fits", image_pixels("u2")).read_bytes()))
    monkeypatch.setattr(fits_images.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        FitsImage("one", path, work_dir=tmp_path)
    with pytest.raises(FileNotFoundError):
        FitsImage("one", Path(tmp_path / "gone"), work_dir=tmp_path)


def test_untidy_headers_are_no_news(tmp_path):
    path = write_fits(tmp_path / "a.fits", image_pixels("u2"))
    content = path.read_bytes().replace(b"EXTNAME = 'SCI     '", b"EXTNAME =  'SCI'''  ")
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert FitsImage("one", path, work_dir=tmp_path).shape == (ROWS, COLUMNS)


def test_no_room_to_unpack_into_is_not_the_files_fault(tmp_path):
    """A compressed image of one tile is unpacked as a whole."""
    image = fits.CompImageHDU(image_pixels("i4"), compression_type="GZIP_1", tile_shape=(ROWS, COLUMNS))
    path = tmp_path / "tile.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    full = tmp_path / "work"
    full.mkdir()
    (full / f"{path.name}.2880.pixels").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        FitsImage("tile", path, work_dir=full)
