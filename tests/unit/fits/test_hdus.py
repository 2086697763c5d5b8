"""HDUs, compared with what astropy writes, byte for byte."""

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from datalab.astro.products.provenance import output_records
from datalab.fits.hdus import astropy_hdu, image_hdu, primary_hdu, write_hdus

SEE = "see FITS standard 4.0, section 4.4.2.7"
TYPES = ["u1", "<i2", ">i2", "i4", "i8", "<f4", ">f4", "f8"]

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=150)
values = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts
keywords = (
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=8).map("Q{}".format).map(lambda k: k[:8])
)
remarks = st.lists(st.tuples(st.sampled_from(["COMMENT", "HISTORY"]), texts), max_size=4)


def by_astropy(cards, pixels, header):
    primary = fits.PrimaryHDU()
    primary.header.extend(cards, bottom=True)
    hdus = fits.HDUList([primary, fits.ImageHDU(pixels, header, name="SCI")])
    for hdu in hdus:
        hdu.add_checksum(when=SEE)
    file = io.BytesIO()
    hdus.writeto(file)
    return file.getvalue()


def by_us(path, cards, pixels, header):
    write_hdus(path, [primary_hdu(cards), image_hdu(pixels, output_records(header, pixels.shape))])
    return path.read_bytes()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hdus") / "image.fits"


@given(cards=st.dictionaries(keywords, values, max_size=50), last=remarks, read=st.booleans())
def test_every_header_is_written_as_astropy_writes_it(path, cards, last, read):
    header = fits.Header([("EXTNAME", "SCI", "extension name"), *cards.items()])
    for keyword, text in last:
        header.append((keyword, text), end=True)
    if read:
        header = fits.Header.fromstring(header.tostring())
    pixels = np.arange(12, dtype=np.float32).reshape(3, 4)
    provenance = [fits.Card("DLABOP", "Median"), *(fits.Card("HISTORY", text[:70]) for _, text in last)]
    assert by_us(path, provenance, pixels, header) == by_astropy(provenance, pixels.copy(), header)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (1200, 1201)])
def test_every_type_of_pixel_is_written_as_astropy_writes_it(path, dtype, shape):
    pixels = np.random.default_rng(5).integers(0, 100, shape).astype(dtype)
    before = pixels.copy()
    header = fits.Header([("EXTNAME", "SCI", "extension name"), ("OBJECT", "M 31")])
    ours = by_us(path, [], pixels, header)
    assert ours == by_astropy([], pixels.copy(), header)
    np.testing.assert_array_equal(pixels, before)
    with fits.open(path, checksum=True) as hdus:  # astropy warns of a wrong one, which is an error here
        np.testing.assert_array_equal(hdus["SCI"].data, before)


def test_a_sum_that_passes_many_words_is_that_of_astropy(path):
    pixels = np.full((3000, 2000), 2**32 - 1, dtype=np.int64)  # larger than what is summed at once
    header = fits.Header([("EXTNAME", "SCI", "extension name")])
    assert by_us(path, [], pixels, header) == by_astropy([], pixels.copy(), header)


def test_types_fits_does_not_have_go_another_way(path):
    pixels = np.array([[0, 65535]], dtype=np.uint16)
    with pytest.raises(TypeError, match="no pixels of type uint16"):
        image_hdu(pixels, [])
    write_hdus(path, [primary_hdu([]), astropy_hdu(fits.ImageHDU(pixels, name="SCI"))])
    with fits.open(path, checksum=True) as hdus:
        np.testing.assert_array_equal(hdus["SCI"].data, pixels)
