"""Every analysis action there is, asked as the existing user interface asks, about a frame and about an output."""

import base64
import bz2
import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pytest
import tifffile
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.visualization import ZScaleInterval
from astropy.wcs import WCS
from PIL import Image as Picture

from datalab.astro.display.tiles import UNDEFINED_CODE
from support.tour_oddities import BARE
from support.tour_outputs import opened_outputs
from support.tour_sky import BEACON, SCALE_ARCSEC, SHAPE
from support.tour_system import strict

ROWS, COLUMNS = SHAPE
#: The picture the user sees is larger than the image, and not by the same factor.
DISPLAY = {"width": 700, "height": 480}
ACROSS, UP = DISPLAY["width"] / COLUMNS, DISPLAY["height"] / ROWS
CATALOGUE_KEYS = {"x_win", "y_win", "x", "y", "flux", "mag", "magerr", "flux_fallback", "ra", "dec"}


@dataclass
class Subject:
    """An image to ask about, what its pixels really are, and where the beacon is (0-based)."""

    client: object
    name: dict
    pixels: np.ndarray
    header: object
    truth: object

    @property
    def star(self):
        index = self.truth.index(BEACON.name)
        return float(self.truth.x[index]), float(self.truth.y[index])

    async def ask(self, action, **parameters):
        return await self.client.analyse(action, **self.name, **parameters)


@pytest.fixture(scope="module")
async def subjects(tour):
    """The same sky as integers from the archive, and as floating-point numbers around zero from an operation."""
    frame = tour.archive.of("asteroid")[0]
    client, item = tour.alice, frame.session_item()
    session = await client.new_session("looked at", [item])
    made = await client.made(session, "Pixel Arithmetic", {"a": [item], "expression": "a - median(a)"})
    (output,) = await opened_outputs(client, made, {frame.basename: frame.sha256})
    return {
        "archive": Subject(
            client, {"basename": frame.basename, "source": "archive"}, frame.pixels(), frame.header, frame.truth
        ),
        "output": Subject(
            client, {"basename": output.basename, "source": "datalab"}, output.pixels, output.header, frame.truth
        ),
    }


@pytest.fixture(params=["archive", "output"])
def subject(request, subjects):
    return subjects[request.param]


async def test_wcs_is_the_linear_part_the_interface_computes_with(subject):
    answer = await subject.ask("wcs")
    assert set(answer) == {"crval", "crpix", "cd1", "cd2", "fits_dimensions", "distortion_px", "distortion"}
    assert answer["fits_dimensions"] == [COLUMNS, ROWS]
    assert answer["distortion"] is None
    offset = np.array(subject.star) + 1 - answer["crpix"]
    (ra_part, dec_part) = np.array([answer["cd1"], answer["cd2"]]) @ offset
    ra = answer["crval"][0] + ra_part / math.cos(math.radians(answer["crval"][1]))
    here = SkyCoord(ra, answer["crval"][1] + dec_part, unit="deg")
    assert here.separation(SkyCoord(BEACON.ra_deg, BEACON.dec_deg, unit="deg")).arcsec < 0.2


async def test_header_is_that_of_the_image(subject):
    values = (await subject.ask("header"))["data"]
    for keyword in ("CRVAL1", "CTYPE2", "FILTER", "EXPTIME", "OBJECT"):
        assert values[keyword] == subject.header[keyword]


async def test_source_catalog_in_pixels_of_the_picture(subject):
    answer = await subject.ask("source-catalog", **DISPLAY)
    assert isinstance(answer, list)
    assert {frozenset(source) for source in answer} == {frozenset(CATALOGUE_KEYS)}
    x, y = subject.star
    nearest = min(answer, key=lambda source: abs(float(source["ra"]) - BEACON.ra_deg) + abs(source["mag"] - 12.2))
    # The catalogue counts pixels from 1.
    assert nearest["x_win"] == pytest.approx((x + 1) * ACROSS, abs=0.3 * ACROSS)
    assert nearest["y_win"] == pytest.approx((y + 1) * UP, abs=0.3 * UP)
    assert nearest["mag"] == pytest.approx(BEACON.magnitude, abs=0.05)
    assert isinstance(nearest["flux"], int)
    assert nearest["flux_fallback"] is False
    place = SkyCoord(float(nearest["ra"]), float(nearest["dec"]), unit="deg")
    assert place.separation(SkyCoord(BEACON.ra_deg, BEACON.dec_deg, unit="deg")).arcsec < 0.3


async def test_line_profile_through_the_beacon(subject):
    """x is the row from the bottom, y the column, as latitude and longitude."""
    x, y = subject.star
    row = (y + 0.5) * UP
    start, end = (x + 0.5 - 20) * ACROSS, (x + 0.5 + 20) * ACROSS
    answer = await subject.ask("line-profile", **DISPLAY, x1=row, y1=start, x2=row, y2=end)
    assert set(answer) == {"line_profile", "arcsec", "start_coords", "end_coords", "position_angle"}
    profile = answer["line_profile"]
    assert len(profile) == 41
    assert abs(int(np.argmax(profile)) - 20) <= 1
    level = np.median(subject.pixels)
    assert profile[0] - level < 0.1 * (max(profile) - level)
    assert answer["arcsec"] == pytest.approx(40 * SCALE_ARCSEC, rel=1e-3)
    # To the right is west; the camera is turned by less than a degree.
    assert answer["start_coords"][0] > answer["end_coords"][0]
    assert answer["position_angle"] == pytest.approx(270, abs=1.5)
    there = WCS(subject.header).pixel_to_world(x - 20, y)
    assert there.separation(SkyCoord(*answer["start_coords"], unit="deg")).arcsec < SCALE_ARCSEC


async def test_line_profile_upwards_is_north(subject):
    x, y = subject.star
    column = (x + 0.5) * ACROSS
    answer = await subject.ask("line-profile", **DISPLAY, x1=(y - 10) * UP, y1=column, x2=(y + 11) * UP, y2=column)
    assert min(answer["position_angle"], 360 - answer["position_angle"]) < 1.5
    assert answer["start_coords"][1] < answer["end_coords"][1]


async def test_centroiding_finds_the_beacon(subject):
    x, y = subject.star
    click = {"x": (x + 1.7) * ACROSS, "y": (y - 0.8) * UP}
    radii = {"radius": 12.0, "r_back1": 20.0, "r_back2": 30.0}
    answer = await subject.ask("centroiding", **DISPLAY, **click, **radii)
    assert set(answer) == {"x", "y", "ra", "dec", "background", "peak", "success", "message"}
    assert answer["success"] is True
    assert answer["message"] == "Centroid calculation completed."
    # A pixel of the picture covers [i, i + 1).
    assert answer["x"] == pytest.approx((x + 0.5) * ACROSS, abs=0.1 * ACROSS)
    assert answer["y"] == pytest.approx((y + 0.5) * UP, abs=0.1 * UP)
    place = SkyCoord(answer["ra"], answer["dec"], unit="deg")
    assert place.separation(SkyCoord(BEACON.ra_deg, BEACON.dec_deg, unit="deg")).arcsec < 0.15
    assert answer["background"] == pytest.approx(np.median(subject.pixels), abs=10.0)
    column, row = (round(value) for value in subject.star)
    assert answer["peak"] == pytest.approx(subject.pixels[row, column] - answer["background"], rel=0.3)


async def test_raw_data_is_a_square_with_the_top_row_first(subject):
    side = 100
    answer = await subject.ask("raw-data", max_size=side)
    assert set(answer) == {"data", "height", "width", "histogram", "bins", "zmin", "zmax", "step", "bitdepth"}
    assert (answer["height"], answer["width"], len(answer["data"])) == (side, side, side * side)
    assert len(answer["histogram"]) == len(answer["bins"]) > 20
    assert isinstance(answer["bitdepth"], int)
    assert all((answer[key] / answer["step"]) % 1 == pytest.approx(0, abs=1e-6) for key in ("zmin", "zmax"))
    assert answer["zmin"] == pytest.approx(np.median(subject.pixels), abs=10)
    assert answer["zmax"] > answer["zmin"]
    assert answer["bitdepth"] == 8 * subject.pixels.itemsize
    picture = np.reshape(answer["data"], (side, side))
    assert picture.mean() == pytest.approx(subject.pixels.mean(), abs=0.01 * float(np.std(subject.pixels)))
    x, y = subject.star
    column, row = int((x + 0.5) / COLUMNS * side), int((ROWS - y - 0.5) / ROWS * side)
    around = picture[row - 2 : row + 3, column - 2 : column + 3]
    assert abs(np.array(np.unravel_index(np.argmax(around), around.shape)) - 2).max() <= 1
    assert around.max() > np.percentile(picture, 99)


async def test_the_default_size_of_raw_data(subject):
    answer = await subject.ask("raw-data")
    assert (answer["height"], answer["width"]) == (500, 500)


async def test_get_tif_links_to_the_whole_image(subject, tour):
    answer = await subject.ask("get-tif")
    assert set(answer) == {"tif_url"}
    picture = Picture.open(BytesIO(await tour.alice.download(answer["tif_url"])))
    assert (picture.format, picture.mode, picture.size) == ("TIFF", "RGB", (COLUMNS, ROWS))
    x, y = subject.star
    assert picture.getpixel((round(x), ROWS - 1 - round(y)))[0] > 200
    assert (await subject.ask("get-tif"))["tif_url"].split("?")[0] == answer["tif_url"].split("?")[0]


@pytest.mark.parametrize("limits", [(None, None), (0, None), (None, 900), (250.5, 1000)])
async def test_get_jpg_between_limits(subject, limits):
    zmin, zmax = limits
    answer = await subject.ask("get-jpg", zmin=zmin, zmax=zmax)
    assert set(answer) == {"jpg_base64"}
    picture = Picture.open(BytesIO(base64.b64decode(answer["jpg_base64"], validate=True)))
    assert (picture.format, picture.size) == ("JPEG", (COLUMNS, ROWS))
    x, y = subject.star
    grey = np.asarray(picture.convert("L"))
    assert grey[ROWS - 1 - round(y), round(x)] > 200
    assert np.median(grey) < 200


async def test_histogram_counts_every_pixel(subject):
    answer = await subject.ask("histogram", bins=64)
    counts, edges = np.histogram(subject.pixels, bins=64)
    np.testing.assert_allclose(answer["edges"], edges, rtol=1e-6)
    assert answer["counts"] == counts.tolist()
    assert (answer["below"], answer["above"], answer["undefined"]) == (0, 0, 0)


async def test_statistics_of_a_region(subject):
    x, y = subject.star
    corners = {"x1": (x - 30) * ACROSS, "x2": (x + 30) * ACROSS, "y1": (y - 20) * UP, "y2": (y + 20) * UP}
    answer = await subject.ask("statistics", **DISPLAY, **corners)
    (first_row, last_row), (first_column, last_column) = answer["rows"], answer["columns"]
    assert abs(first_row - (y - 20)) <= 1
    assert abs(last_column - (x + 30)) <= 1
    region = subject.pixels[first_row:last_row, first_column:last_column].astype(float)
    assert answer["mean"] == pytest.approx(region.mean(), rel=1e-6)
    assert answer["median"] == pytest.approx(np.median(region), rel=1e-6)
    assert answer["maximum"] == region.max()
    highest = answer["maximum_at"]
    assert subject.pixels[highest["row"], highest["column"]] == region.max()


async def test_radial_profile_measures_the_seeing(subject):
    x, y = subject.star
    answer = await subject.ask("radial-profile", **DISPLAY, x=(x + 1.0) * ACROSS, y=(y + 1.0) * UP)
    assert answer["x"] == pytest.approx((x + 0.5) * ACROSS, abs=0.1 * ACROSS)
    assert answer["y"] == pytest.approx((y + 0.5) * UP, abs=0.1 * UP)
    assert answer["fwhm_px"] == pytest.approx(subject.truth.fwhm_px, rel=0.1)
    assert answer["fwhm_arcsec"] == pytest.approx(answer["fwhm_px"] * SCALE_ARCSEC, rel=1e-3)
    assert len(answer["radii_px"]) == len(answer["values"]) > 100


async def test_quality_tells_the_seeing_and_the_sky(subject):
    answer = await subject.ask("quality")
    assert answer["fwhm_px"] == pytest.approx(subject.truth.fwhm_px, abs=3.0 * answer["fwhm_error_px"])
    assert answer["fwhm_arcsec"] == pytest.approx(answer["fwhm_px"] * SCALE_ARCSEC, rel=1e-3)
    assert answer["sky_level"] == pytest.approx(np.median(subject.pixels), abs=answer["sky_noise"])
    assert not answer["is_trailed"]


async def test_zscale_is_that_of_other_programs(subject):
    answer = await subject.ask("zscale")
    low, high = ZScaleInterval().get_limits(subject.pixels)
    spread = high - low
    assert answer["zmin"] == pytest.approx(low, abs=0.2 * spread)
    assert answer["zmax"] == pytest.approx(high, abs=0.3 * spread)
    assert answer["black"] < answer["white"]


async def test_get_fits_has_the_image_alone(subject):
    link = (await subject.ask("get-fits"))["fits_url"]
    with fits.open(BytesIO(await subject.client.download(link))) as hdus:
        (hdu,) = hdus
        np.testing.assert_array_equal(hdu.data, subject.pixels)
        assert hdu.header["FILTER"] == subject.header["FILTER"]


async def test_get_tif_16bit_has_every_level(subject):
    link = (await subject.ask("get-tif-16bit", stretch="linear"))["tif_url"]
    with tifffile.TiffFile(BytesIO(bz2.decompress(await subject.client.download(link)))) as tiff:
        levels, said = tiff.asarray(), tiff.shaped_metadata[0]
    shown = said["ZERO"] + said["STEP"] * levels.astype(float)
    assert np.abs(shown - subject.pixels).max() <= 0.51 * said["STEP"]


async def test_get_png_has_every_pixel(subject):
    await downloads_whole(subject, (await subject.ask("get-png"))["png_url"], "PNG")


async def test_get_jpg_file_has_every_pixel(subject):
    await downloads_whole(subject, (await subject.ask("get-jpg-file"))["jpg_url"], "JPEG")


async def downloads_whole(subject, link, kind):
    with Picture.open(BytesIO(await subject.client.download(link))) as picture:
        assert (picture.format, picture.mode, picture.size) == (kind, "L", (COLUMNS, ROWS))
        seen = np.asarray(picture).astype(float)[::-1]
    assert np.corrcoef(seen.ravel(), np.argsort(np.argsort(subject.pixels.ravel())))[0, 1] > 0.5


async def test_funpack_leaves_the_whole_file(subject):
    link = (await subject.ask("funpack"))["fits_url"]
    with fits.open(BytesIO(await subject.client.download(link))) as hdus:
        assert not any(isinstance(hdu, fits.CompImageHDU) for hdu in hdus)
        assert "CAT" in [hdu.name for hdu in hdus]
        np.testing.assert_array_equal(hdus["SCI"].data, subject.pixels)


async def test_cutout_is_a_part_of_the_image(subject):
    body = {**subject.name, "x": 31, "y": 21, "width": 40, "height": 25}
    reply = await subject.client.http.post("analysis/cutout/", json=body)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/fits")
    np.testing.assert_array_equal(fits.getdata(BytesIO(reply.content)), subject.pixels[20:45, 30:70])


async def test_tiling_says_what_tile_answers_with(subject):
    told = await subject.ask("tiling")
    (size,) = told["levels"]  # the image is smaller than a tile
    assert (size["height"], size["width"]) == SHAPE
    assert told["has_wcs"]


async def test_tile_is_the_image_as_codes(subject):
    told = await subject.ask("tiling")
    body = {**subject.name, "level": 0, "column": 0, "row": 0}
    reply = await subject.client.http.post("analysis/tile/", json=body)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/octet-stream")
    lowest, step, is_clipped = np.frombuffer(reply.content[:24], "<f8")
    codes = np.frombuffer(reply.content[24:], "<u2").reshape(SHAPE)
    shown = np.where(codes == UNDEFINED_CODE, np.nan, lowest + step * (codes - 1.0))
    np.testing.assert_allclose(shown, subject.pixels, atol=0.5001 * step)
    assert not is_clipped
    assert told["zscale"][0] < np.median(shown) < told["zscale"][1]


async def test_overview_is_the_image_where_that_is_small(subject):
    reply = await subject.client.http.post("analysis/overview/", json=subject.name)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/octet-stream")
    np.testing.assert_allclose(np.frombuffer(reply.content, "<f4").reshape(SHAPE), subject.pixels, rtol=1e-6)


async def test_header_cards_are_those_of_every_hdu(subject):
    told = await subject.ask("header-cards")
    assert told["complete"]
    (image,) = (hdu for hdu in told["hdus"] if hdu["name"] == "SCI")
    values = {keyword: value for keyword, value, _ in image["cards"]}
    assert values["FILTER"] == subject.header["FILTER"]
    assert any(comment for _, _, comment in image["cards"])
    assert [hdu["number"] for hdu in told["hdus"]] == list(range(len(told["hdus"])))


async def test_the_name_of_a_picture_means_its_image(subjects):
    """The user interface asks with the name of what it shows."""
    subject = subjects["archive"]
    whole = await subject.ask("wcs")
    for suffix in ("-large", "-small"):
        name = subject.name["basename"] + suffix
        assert await subject.client.analyse("wcs", basename=name, source="archive") == whole


async def test_an_image_without_coordinates_has_profiles_all_the_same(tour):
    answer = await tour.alice.analyse(
        "line-profile", basename=BARE.basename, source="archive", width=120, height=100, x1=10, y1=10, x2=10, y2=50
    )
    assert len(answer["line_profile"]) == 41
    assert [answer[key] for key in ("arcsec", "start_coords", "end_coords", "position_angle")] == [None] * 4
    answer = await tour.alice.analyse("centroiding", basename=BARE.basename, width=120, height=100, x=50, y=50)
    assert (answer["ra"], answer["dec"]) == (None, None)


async def test_no_action_is_left_out(tour):
    """Each action is tried by tests named after it."""
    offered = strict(await tour.alice.http.get("analysis/"))
    beginnings = [f"test_{action.replace('-', '_')}_" for action in offered]
    assert [begin for begin in beginnings if not any(name.startswith(begin) for name in globals())] == []
    assert set(offered) > {"centroiding", "line-profile", "source-catalog", "get-tif", "get-jpg", "raw-data", "wcs"}
