"""Files made to be saved, and parts of images: against astropy, tifffile and numpy."""

import bz2
import io
import json

import numpy as np
import pytest
import tifffile
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image as Picture

from datalab.errors import UsageError
from operation_runner.analysing.model import PartJob
from support.analysis import analysis_job, night_sky, running_pool, write_with_catalogue
from support.runner import WCS_CARDS, input_file, write_fits
from support.waiting import PATIENCE_S

SHAPE = (90, 130)
CARDS = {name: value for name, value in WCS_CARDS.items() if name != "DATE-OBS"}
SIP = {
    **CARDS,
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 2,
    "A_2_0": 1e-6,
    "B_ORDER": 2,
    "B_0_2": -2e-6,
    "HISTORY": "made for a test",
    "GAIN": 1.5,
}
SIP_HEADER = fits.Header(SIP)
SIP_HEADER.comments["GAIN"] = "electrons per count"
SKY = night_sky(SHAPE)


@pytest.fixture(scope="module")
async def pool(tmp_path_factory, computer):
    async with running_pool(tmp_path_factory.mktemp("pool"), processes=1) as pool:
        yield pool


async def rendered(pool, action, path, target, **parameters):
    await pool.analyse(analysis_job(action, path, target=target, **parameters), within_s=PATIENCE_S)
    return target


async def cut(pool, path, **parameters):
    """Cut a part out of a file that is read in parts."""
    data = path.read_bytes()

    async def read(offset, length):
        return data[offset : offset + length]

    job = PartJob(action="cutout", parameters=parameters, file=input_file(path))
    return await pool.cut(job, read=read, within_s=PATIENCE_S)


def opened(part):
    with fits.open(io.BytesIO(part.body)) as hdus:
        hdus.verify("exception")
        (hdu,) = hdus
        return hdu.data.copy(), hdu.header.copy()


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
@pytest.mark.parametrize("packing", ["fz", "bz2", "plain"])
async def test_fits_is_the_image_and_its_header_in_one_hdu(pool, tmp_path, dtype, packing):
    pixels = np.clip(SKY, 0, 250).astype(dtype)
    if dtype[0] == "f":
        pixels[3, 4] = np.nan
    lossless = {"compression": "GZIP_2", "quantize_level": 0} if dtype[0] == "f" else {"compression": "RICE_1"}
    path = write_fits(tmp_path / "a.fits", pixels, header=SIP_HEADER, **(lossless if packing == "fz" else {}))
    if packing == "bz2":
        path.write_bytes(bz2.compress(path.read_bytes()))
    target = await rendered(pool, "get-fits", path, tmp_path / "made.fits")
    with fits.open(target) as hdus:
        hdus.verify("exception")
        (hdu,) = hdus
        assert isinstance(hdu, fits.PrimaryHDU)
        assert hdu.data.dtype.newbyteorder("=") == pixels.dtype
        np.testing.assert_array_equal(hdu.data, pixels)
        for keyword, value in SIP.items():
            assert str(hdu.header[keyword]) == str(value)
        assert hdu.header.comments["GAIN"] == "electrons per count"
        assert not {"ZIMAGE", "XTENSION", "TFIELDS", "CHECKSUM"} & set(hdu.header)
    assert target.stat().st_size % 2880 == 0


@pytest.mark.parametrize("stretch", ["linear", "arcsinh"])
async def test_a_tiff_is_what_other_programs_read(pool, tmp_path, stretch):
    pixels = SKY.astype("f4")
    pixels[2, 3], pixels[5, 6] = np.nan, -400.0
    path = write_fits(tmp_path / "a.fits.fz", pixels, header=CARDS, compression="GZIP_2", quantize_level=0)
    target = await rendered(pool, "get-tif-16bit", path, tmp_path / "made.tif.bz2", stretch=stretch)
    with tifffile.TiffFile(io.BytesIO(bz2.decompress(target.read_bytes()))) as tiff:
        (page,) = tiff.pages
        made, said = page.asarray(), tiff.shaped_metadata[0]
        assert json.loads(page.description)["shape"] == list(SHAPE)
    values = pixels.astype(float) if stretch == "linear" else np.arcsinh(pixels.astype(float))
    values -= np.nanmin(values)
    expected = values * 65535 / np.nanmax(values)
    defined = np.isfinite(pixels)
    assert (made.dtype, made.shape) == (np.uint16, SHAPE)
    assert np.abs(made - expected)[defined].max() <= 1.001
    assert made[2, 3] == 0
    assert (said["PTRName"], said["FILTER"], said["STRETCH"]) == ("thename", "rp", stretch)
    shown = made.astype(float) * said["STEP"] + said["ZERO"]
    truth = pixels if stretch == "linear" else np.arcsinh(pixels.astype(float))
    assert np.abs(shown - truth)[defined].max() <= 1.001 * said["STEP"]


async def test_a_tiff_of_whole_numbers_has_them_as_they_are(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits.fz", SKY.astype("u2"), compression="RICE_1")
    target = await rendered(pool, "get-tif-16bit", path, tmp_path / "made.tif.bz2", stretch="linear")
    made = tifffile.imread(io.BytesIO(bz2.decompress(target.read_bytes())))
    np.testing.assert_array_equal(made, SKY.astype("u2"))


async def test_a_tiff_of_a_flat_image_is_black(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits", np.full(SHAPE, 77.0, "f4"))
    for stretch in ("linear", "arcsinh"):
        target = await rendered(pool, "get-tif-16bit", path, tmp_path / f"{stretch}.tif.bz2", stretch=stretch)
        assert not tifffile.imread(io.BytesIO(bz2.decompress(target.read_bytes()))).any()


async def test_unpacking_leaves_every_hdu(pool, tmp_path):
    path = tmp_path / "a.fits.fz"
    mask = (SKY > 1000).astype("u1")
    image = fits.CompImageHDU(SKY.astype("f4"), SIP_HEADER, name="SCI", quantize_level=16)
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[1.0, 2.0])], name="CAT")
    fits.HDUList([fits.PrimaryHDU(), image, table, fits.CompImageHDU(mask, name="BPM")]).writeto(path)
    target = await rendered(pool, "funpack", path, tmp_path / "made.fits")
    with fits.open(target) as made, fits.open(path) as packed:
        made.verify("exception")
        assert [hdu.name for hdu in made] == ["PRIMARY", "SCI", "CAT", "BPM"]
        assert [type(hdu) for hdu in made] == [fits.PrimaryHDU, fits.ImageHDU, fits.BinTableHDU, fits.ImageHDU]
        for number in (1, 3):
            np.testing.assert_array_equal(made[number].data, packed[number].data)
        assert list(made[2].data["x"]) == [1.0, 2.0]
        assert made[1].header["GAIN"] == 1.5


async def test_an_image_that_was_in_the_primary_hdu_goes_back_there(pool, tmp_path):
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(SKY.astype("i2"), fits.Header({"GAIN": 1.5}), name=None)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    # As fpack notes it, which astropy does not write.
    with fits.open(path, disable_image_compression=True, mode="update") as hdus:
        hdus[1].header["ZSIMPLE"] = True
        hdus[1].header.remove("ZTENSION", ignore_missing=True)
    target = await rendered(pool, "funpack", path, tmp_path / "made.fits")
    with fits.open(target) as made:
        made.verify("exception")
        (primary,) = made
        np.testing.assert_array_equal(primary.data, SKY.astype("i2"))
        assert primary.header["GAIN"] == 1.5


@pytest.mark.parametrize("compression", ["RICE_1", None])
async def test_a_cutout_shows_the_same_sky(pool, tmp_path, compression):
    pixels = SKY.astype("u2")
    path = write_fits(tmp_path / "a.fits", pixels, header=SIP_HEADER, compression=compression)
    part = await cut(pool, path, x=31, y=21, width=40, height=25)
    assert part.media_type == "image/fits"
    data, header = opened(part)
    assert data.dtype.newbyteorder("=") == np.uint16
    np.testing.assert_array_equal(data, pixels[20:45, 30:70])
    truth, found = WCS(SIP_HEADER), WCS(header)
    assert (header["CRPIX1"], header["CRPIX2"]) == (SIP["CRPIX1"] - 30, SIP["CRPIX2"] - 20)
    corners = np.array([[0, 0], [39, 24], [12.5, 7.25]])
    np.testing.assert_allclose(
        found.all_pix2world(corners, 0), truth.all_pix2world(corners + np.array([30, 20]), 0), rtol=0, atol=1e-10
    )
    assert (header["A_2_0"], header["B_0_2"]) == (1e-6, -2e-6)
    said = "".join(str(header["HISTORY"]).split("\n"))
    assert (header["DLABOP"], "DLAB_KEY" in header) == ("cutout", False)
    assert input_file(path).sha256 in said.replace("sha256 ", "")
    assert "made for a test" in said


async def test_a_cutout_around_a_place_has_it_in_its_middle(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits.fz", SKY.astype("u2"), header=CARDS, compression="RICE_1")
    wcs = WCS(fits.Header(CARDS))
    ra, dec = wcs.pixel_to_world_values(60, 40)
    data, header = opened(await cut(pool, path, ra=float(ra), dec=float(dec), size=21 * 2e-4))
    assert data.shape == (21, 21)
    np.testing.assert_array_equal(data, SKY.astype("u2")[30:51, 50:71])
    x, y = WCS(header).world_to_pixel_values(ra, dec)
    assert (float(x), float(y)) == pytest.approx((10, 10), abs=1e-6)
    turned = await cut(pool, path, ra=float(ra) - 360, dec=float(dec), size=21 * 2e-4)
    np.testing.assert_array_equal(opened(turned)[0], data)


@pytest.mark.parametrize(("dtype", "filled"), [("u2", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")])
async def test_beyond_the_edge_a_cutout_is_nan(pool, tmp_path, dtype, filled):
    pixels = SKY.astype(dtype)
    path = write_fits(tmp_path / "a.fits", pixels, header=CARDS)
    data, header = opened(await cut(pool, path, x=-9, y=81, width=30, height=20))
    assert data.dtype.newbyteorder("=") == np.dtype(filled)
    inside = np.zeros(data.shape, bool)
    inside[:10, 10:] = True
    np.testing.assert_array_equal(data[inside].reshape(10, 20), pixels[80:, :20])
    assert np.isnan(data[~inside]).all()
    assert header["CRPIX1"] == CARDS["CRPIX1"] + 10


async def test_a_cutout_as_a_picture(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits.fz", SKY.astype("u2"), compression="RICE_1")
    part = await cut(pool, path, x=1, y=1, width=130, height=90, format="jpg")
    assert part.media_type == "image/jpeg"
    picture = Picture.open(io.BytesIO(part.body))
    assert (picture.size, picture.format) == ((130, 90), "JPEG")
    whole = await pool.analyse(analysis_job("get-jpg", path), within_s=PATIENCE_S)
    import base64

    assert part.body == base64.b64decode(json.loads(whole)["jpg_base64"])


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"x": 131, "y": 1, "width": 5, "height": 5}, "The cutout lies outside a, which has 130 columns and 90 rows"),
        ({"x": -10, "y": 1, "width": 10, "height": 5}, "lies outside"),
        ({"ra": 22.0, "dec": -47.0, "size": 0.001}, "lies outside"),
        ({"ra": 202.47, "dec": 48.2, "size": 0.001}, "lies outside"),
        ({"ra": 202.47, "dec": 47.2, "size": 3.0}, "at most 2048 pixels"),
        ({"ra": 202.47, "dec": 47.2}, "Give ra, dec and size in degrees, or x, y, width and height in pixels"),
        ({"x": 1, "y": 1, "width": 5}, "Give ra, dec and size"),
        ({"x": 1, "y": 1, "width": 5, "height": 5, "ra": 1.0}, "Give ra, dec and size"),
        ({}, "Give ra, dec and size"),
    ],
)
async def test_what_cannot_be_cut_out_is_told(pool, tmp_path, given, text):
    path = write_fits(tmp_path / "a.fits", SKY.astype("f4"), header=SIP_HEADER)
    with pytest.raises(UsageError, match=text):
        await cut(pool, path, **given)


async def test_without_coordinates_there_are_pixels_only(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits", SKY.astype("f4"))
    with pytest.raises(UsageError, match="no valid celestial WCS in its header: give x, y, width and height"):
        await cut(pool, path, ra=202.47, dec=47.2, size=0.01)
    assert opened(await cut(pool, path, x=5, y=6, width=7, height=8))[0].shape == (8, 7)


async def test_a_packed_file_is_asked_for_as_a_whole(pool, tmp_path):
    path = write_with_catalogue(tmp_path / "a.fits", SKY.astype("f4"), None, header=CARDS)
    expected = await cut(pool, path, x=5, y=6, width=7, height=8)
    path.write_bytes(bz2.compress(path.read_bytes()))
    given = {"x": 5, "y": 6, "width": 7, "height": 8}
    assert await cut(pool, path, **given) is None
    whole = await pool.analyse(analysis_job("cutout", path, **given), within_s=PATIENCE_S)
    np.testing.assert_array_equal(opened(whole)[0], opened(expected)[0])


async def test_a_file_that_changes_meanwhile_is_told_and_read_anew(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits.fz", SKY.astype("u2"), compression="RICE_1")
    given = {"x": 5, "y": 6, "width": 7, "height": 8}
    await cut(pool, path, **given)

    async def changed(offset, length):
        raise UsageError("The input file a has changed since it was recorded.")

    job = PartJob(action="cutout", parameters=given, file=input_file(path))
    with pytest.raises(UsageError, match="has changed"):
        await pool.cut(job, read=changed, within_s=PATIENCE_S)
    assert opened(await cut(pool, path, **given))[0].shape == (8, 7)
