import bz2
import gzip
import io
import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from datalab.simulation.camera import Camera, Conditions, Pointing, calibration_exposure, expose
from datalab.simulation.products import fits_bytes, header_text, jpeg_bytes, write_fits
from datalab.simulation.sky import StarField

TIME = datetime(2026, 3, 14, 7, 30, tzinfo=UTC)


def picture(rows=128, columns=160):
    camera = Camera(rows=rows, columns=columns)
    field = StarField.random(
        seed=1,
        centre_ra_deg=10.0,
        centre_dec_deg=-20.0,
        radius_deg=camera.field_radius_deg,
        n_stars=40,
        magnitude_range=(10.0, 16.0),
    )
    return expose(
        field=field,
        camera=camera,
        conditions=Conditions(),
        pointing=Pointing(ra_deg=10.0, dec_deg=-20.0),
        filter_name="V",
        exposure_s=30.0,
        time=TIME,
        seed=7,
    )


@pytest.fixture(scope="module")
def exposure():
    return picture()


@pytest.mark.parametrize("compression", ["fpack", "none", "gz", "bz2"])
def test_fits_is_clean_and_lossless(exposure, compression):
    content = fits_bytes(exposure, compression)
    unpacked = {"gz": gzip.decompress, "bz2": bz2.decompress}.get(compression, bytes)(content)
    with fits.open(io.BytesIO(unpacked)) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "CAT"]
        assert hdus["SCI"].data.dtype == np.uint16
        assert np.array_equal(hdus["SCI"].data, exposure.pixels)
        for key, value in exposure.header.items():
            expected = pytest.approx(value, rel=1e-13, abs=0.0) if isinstance(value, float) else value
            assert hdus["SCI"].header[key] == expected
        catalogue = hdus["CAT"].data
        assert catalogue.dtype.names == exposure.catalogue.dtype.names
        assert all(np.array_equal(catalogue[name], exposure.catalogue[name]) for name in catalogue.dtype.names)
        assert (hdus["CAT"].columns["flux"].unit, hdus["CAT"].columns["flag"].unit) == ("count", None)


def test_fpack_means_rice_tiles_of_one_row(exposure):
    with fits.open(io.BytesIO(fits_bytes(exposure)), disable_image_compression=True) as hdus:
        header = hdus["SCI"].header
        assert (header["ZCMPTYPE"], header["ZTILE1"], header["ZTILE2"]) == ("RICE_1", 160, 1)


@pytest.mark.parametrize("compression", ["fpack", "none", "gz", "bz2"])
def test_bytes_depend_on_the_exposure_only(exposure, compression, monkeypatch):
    content = fits_bytes(exposure, compression)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert fits_bytes(picture(), compression) == content


def test_write_fits_takes_a_path_or_a_stream(exposure, tmp_path):
    stream = io.BytesIO()
    write_fits(exposure, stream, "none")
    write_fits(exposure, tmp_path / "a.fits", "none")
    assert stream.getvalue() == (tmp_path / "a.fits").read_bytes() == fits_bytes(exposure, "none")


def test_a_calibration_frame_has_no_catalogue():
    bias = calibration_exposure(camera=Camera(rows=32, columns=40), kind="BIAS", exposure_s=0.0, time=TIME, seed=1)
    with fits.open(io.BytesIO(fits_bytes(bias))) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI"]


def test_an_empty_catalogue_keeps_its_columns(exposure):
    with fits.open(io.BytesIO(fits_bytes(replace(exposure, catalogue=exposure.catalogue[:0])))) as hdus:
        hdus.verify("exception")
        assert hdus["CAT"].header["NAXIS2"] == 0
        assert hdus["CAT"].columns.names == list(exposure.catalogue.dtype.names)


def test_header_text_is_glued_cards_padded_to_a_block(exposure):
    text = header_text(exposure).decode("ascii")
    assert len(text) % 2880 == 0
    assert "\n" not in text
    cards = [text[i : i + 80] for i in range(0, len(text), 80)]
    assert cards[0].startswith("SIMPLE  =                    T")
    assert "END" in [card.strip() for card in cards]
    read_back = fits.Header.fromstring(text)
    assert (read_back["NAXIS1"], read_back["NAXIS2"]) == (160, 128)
    assert read_back["FILTER"] == "V"
    assert read_back["CRVAL1"] == exposure.header["CRVAL1"]


def test_jpeg_shows_north_up_and_is_never_enlarged(exposure):
    image = Image.open(io.BytesIO(jpeg_bytes(exposure)))
    assert (image.format, image.mode, image.size) == ("JPEG", "L", (160, 128))
    brightest = exposure.catalogue[0]
    grey = np.asarray(image)
    row, column = 128 - int(brightest["ypeak"]), int(brightest["xpeak"]) - 1
    assert grey[row, column] > 200
    assert grey[row, column] > np.median(grey) + 100


def test_a_large_frame_gives_a_jpeg_of_900_pixels():
    bias = calibration_exposure(camera=Camera(rows=500, columns=1800), kind="BIAS", exposure_s=0.0, time=TIME, seed=1)
    assert Image.open(io.BytesIO(jpeg_bytes(bias))).size == (900, 250)
