"""astropy's decoder of RICE tiles, which `datalab.fits.rice` uses and astropy does not promise to keep."""

import importlib

import numpy as np
import pytest
from astropy.io import fits

COLUMNS = 70


@pytest.fixture(scope="module")
def rice():
    try:
        return importlib.import_module("datalab.fits.rice")
    except ImportError as error:
        pytest.fail(f"astropy's private RICE decoder is gone or was renamed: mend datalab.fits.rice ({error})")


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@pytest.mark.parametrize("spread", [1, 100], ids=["smooth", "noisy"])
def test_it_decodes_a_tile_as_the_public_reader_does(tmp_path, rice, dtype, spread):
    row = np.random.default_rng(5).integers(0, spread + 1, COLUMNS).astype(dtype)
    path = tmp_path / "a.fits"
    image = fits.CompImageHDU(row[np.newaxis], compression_type="RICE_1", tile_shape=(1, COLUMNS))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    with fits.open(path) as hdus:
        public = hdus[1].data[0].copy()
    with fits.open(path, disable_image_compression=True) as hdus:
        packed = bytes(hdus[1].data["COMPRESSED_DATA"][0])
        header = hdus[1].header
        options = {header[f"ZNAME{n}"]: header[f"ZVAL{n}"] for n in (1, 2)}
    decoded = rice.rice_decoded(packed, COLUMNS, block_size=options["BLOCKSIZE"], bytes_per_pixel=options["BYTEPIX"])
    np.testing.assert_array_equal(np.frombuffer(decoded, dtype), public)
    np.testing.assert_array_equal(public, row)


def test_damage_is_an_error(rice):
    with pytest.raises(Exception, match="decompression"):  # of a private type, too
        rice.rice_decoded(np.random.default_rng(1).bytes(200), COLUMNS, block_size=32, bytes_per_pixel=2)
