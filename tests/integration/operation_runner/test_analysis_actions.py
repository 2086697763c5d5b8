"""What the actions answer, against numbers everybody has and a sky whose truth is known."""

import base64
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import block_reduce
from astropy.visualization import ZScaleInterval
from astropy.wcs import WCS
from PIL import Image as Picture

from datalab.astro.display.resizing import area_resized
from datalab.astro.display.stretch import sample
from datalab.astro.pixels.noise import array_noise
from datalab.errors import OutageError, UsageError
from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from datalab.simulation.products import fits_bytes
from operation_runner.analysing.decoded_image import DecodedImage, decode
from operation_runner.analysis import get_jpg
from operation_runner.analysis.region_statistics import Statistics
from support.analysis import analysis_job, looked_at, night_sky, running_pool, write_with_catalogue
from support.runner import WCS_CARDS, input_file, write_fits
from support.waiting import PATIENCE_S

REAL_DATA = os.environ.get("DATALAB_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL_DATA, reason="DATALAB_REAL_DATA names no folder with fits_1.fits.fz")

ROWS, COLUMNS = 300, 420
#: Without the date, of which astropy tells that it read it.
SKY_CARDS = {name: value for name, value in WCS_CARDS.items() if name != "DATE-OBS"}
#: Half the size across, two thirds of it upwards: whoever swaps the axes or uses one scale for both is found out.
DISPLAY = {"width": 210, "height": 200}


@pytest.fixture(scope="module")
async def pool(tmp_path_factory, computer):
    async with running_pool(tmp_path_factory.mktemp("pool"), processes=1) as pool:
        yield pool


@pytest.fixture(scope="module")
def exposure():
    observatory = SimulatedObservatory(camera=Camera(rows=ROWS, columns=COLUMNS))
    return next(iter(observatory.exposures(NightPlan(n_exposures=1))))


@pytest.fixture(scope="module")
def frame(exposure, tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "sim.fits.fz"
    path.write_bytes(fits_bytes(exposure))
    return path


@pytest.fixture(scope="module")
def star(exposure):
    """The brightest star that is alone and far from the rims: its place in the arrays of the truth."""
    truth = exposure.truth
    for index in np.argsort(-truth.flux_adu):
        x, y = truth.x[index], truth.y[index]
        near = np.hypot(truth.x - x, truth.y - y) < 30
        if truth.flux_adu[near].sum() < 1.01 * truth.flux_adu[index] and 30 < x < COLUMNS - 30 and 30 < y < ROWS - 30:
            return index
    raise AssertionError("no star is alone")


def on_display(x, y):
    """Return where a 0-based position is on the display: pixel i covers [i, i + 1)."""
    return {"x": (x + 0.5) * DISPLAY["width"] / COLUMNS, "y": (y + 0.5) * DISPLAY["height"] / ROWS}


def separation_arcsec(answer, ra, dec):
    return SkyCoord(answer["ra"], answer["dec"], unit="deg").separation(SkyCoord(ra, dec, unit="deg")).arcsec


# --- wcs --------------------------------------------------------------------------------------------------------------


async def test_wcs_is_that_of_the_header(pool, frame, exposure):
    answer, header = await looked_at(pool, "wcs", frame), exposure.header
    assert answer.pop("fits_dimensions") == [COLUMNS, ROWS]
    assert answer.pop("distortion") is None
    assert answer.pop("distortion_px") == pytest.approx(0, abs=1e-6)
    keywords = {"crval": "CRVAL{}", "crpix": "CRPIX{}", "cd1": "CD1_{}", "cd2": "CD2_{}"}
    expected = {key: [header[keyword.format(axis)] for axis in (1, 2)] for key, keyword in keywords.items()}
    assert answer.keys() == expected.keys()
    for key, values in expected.items():
        assert answer[key] == pytest.approx(values, rel=1e-13), key  # a card holds 20 characters


async def test_wcs_of_a_pc_header_becomes_cd(pool, tmp_path):
    cards = {name: value for name, value in WCS_CARDS.items() if not name.startswith("CD")}
    cards |= {"CDELT1": -2e-4, "CDELT2": 2e-4, "PC1_1": 1.0, "PC1_2": -0.5, "PC2_1": 0.5, "PC2_2": 1.0}
    answer = await looked_at(pool, "wcs", write_fits(tmp_path / "a.fits", night_sky((30, 40)), header=cards))
    np.testing.assert_allclose([answer["cd1"], answer["cd2"]], [[-2e-4, 1e-4], [1e-4, 2e-4]])


async def test_what_the_linear_part_leaves_out_is_told(pool, tmp_path):
    sip = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-3}
    path = write_fits(tmp_path / "a.fits", night_sky((30, 40)), header=WCS_CARDS | sip)
    answer = await looked_at(pool, "wcs", path)
    told = answer["distortion"]
    assert told["accuracy_px"] < 1e-6
    # In the corner, SIP's own definition: the square of the distance from the reference pixel.
    (u, v), powers = ([(1 - centre) / told["unit_px"] for centre in told["centre"]], range(6))
    shift = sum(told["shift_x"][i][j] * u**i * v**j for i in powers for j in powers)
    assert shift == pytest.approx(1e-3 * (1 - answer["crpix"][0]) ** 2)


@pytest.mark.parametrize("cards", [{}, {"CTYPE1": "LINEAR"}, {"CRVAL1": "unknown"}])
async def test_no_wcs_is_told(pool, tmp_path, cards):
    header = WCS_CARDS | cards if cards else {}
    path = write_fits(tmp_path / "a.fits", night_sky((30, 40)), header=header)
    with pytest.raises(UsageError, match=r"^No WCS solution found for this image"):
        await looked_at(pool, "wcs", path)


# --- line-profile -----------------------------------------------------------------------------------------------------


@needs_real_data
async def test_line_profile_of_a_real_frame(pool):
    """Numbers of the predecessor, for the same file."""
    given = {"width": 100, "height": 100, "x1": 25, "y1": 25, "x2": 75, "y2": 75}
    answer = await looked_at(pool, "line-profile", Path(REAL_DATA) / "fits_1.fits.fz", **given)
    profile = answer["line_profile"]
    assert len(profile) == 72
    np.testing.assert_allclose(profile[:4], [135.6661, 187.9734, 186.2728, 152.8155], atol=5e-4)
    np.testing.assert_allclose(profile[-3:], [181.0509, 168.3872, 159.5526], atol=5e-4)
    assert (answer["start_coords"], answer["end_coords"], answer["position_angle"]) == (None, None, None)


async def test_line_profile_follows_rows_and_columns_of_the_display(pool, frame, exposure):
    # Row 150 of 300 is at 100 of 200; columns 84 and 168 of 420 are at 42 and 84 of 210.
    answer = await looked_at(pool, "line-profile", frame, **DISPLAY, x1=100, y1=42, x2=100, y2=84)
    assert answer["line_profile"] == exposure.pixels[150, 84:169].astype(float).tolist()
    wcs = WCS(exposure.header)
    start, end = wcs.pixel_to_world(84, 150), wcs.pixel_to_world(168, 150)
    assert answer["start_coords"] == pytest.approx([start.ra.deg, start.dec.deg], abs=1e-9)
    assert answer["end_coords"] == pytest.approx([end.ra.deg, end.dec.deg], abs=1e-9)
    assert answer["arcsec"] == pytest.approx(start.separation(end).arcsec)
    assert answer["position_angle"] == pytest.approx(start.position_angle(end).deg)


async def test_line_profile_without_wcs_is_as_long_as_its_pixels(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits", night_sky((50, 50)), header={"PIXSCALE": 0.5})
    given = {"width": 50, "height": 50, "x1": 0, "y1": 0, "x2": 30, "y2": 40}
    assert (await looked_at(pool, "line-profile", path, **given))["arcsec"] == pytest.approx(25.0)
    bare = write_fits(tmp_path / "b.fits", night_sky((50, 50)))
    assert (await looked_at(pool, "line-profile", bare, **given))["arcsec"] is None


@pytest.mark.parametrize("value", ["unknown", True, None])
async def test_cards_that_are_no_numbers_do_not_count(pool, tmp_path, value):
    path = write_fits(tmp_path / "a.fits", night_sky((50, 50)), header={"PIXSCALE": value, "SATURATE": value})
    given = {"width": 50, "height": 50, "x1": 0, "y1": 0, "x2": 30, "y2": 40}
    assert (await looked_at(pool, "line-profile", path, **given))["arcsec"] is None
    assert (await looked_at(pool, "raw-data", path))["bins"]


async def test_line_profile_across_undefined_and_missing_pixels(pool, tmp_path):
    pixels = np.ones((10, 10), "f4")
    pixels[5, 5] = np.nan
    path = write_fits(tmp_path / "a.fits", pixels)
    answer = await looked_at(pool, "line-profile", path, width=10, height=10, x1=5, y1=-2, x2=5, y2=9)
    assert answer["line_profile"] == [-1, -1, 1, 1, 1, 1, 1, None, 1, 1, 1, 1]
    with pytest.raises(UsageError, match="leaves the image"):
        await looked_at(pool, "line-profile", path, width=10, height=10, x1=0, y1=0, x2=9e5, y2=9e5)


# --- centroiding ------------------------------------------------------------------------------------------------------


async def test_centroiding_as_pinned(pool, tmp_path):
    """An image the predecessor was tested with: 80 rows, 120 columns, shown twice as large."""
    pixels = np.zeros((80, 120), "f4")
    pixels[48, 36] = 1200
    given = {"width": 240, "height": 160, "x": 72, "y": 96, "radius": 3, "r_back1": 4, "r_back2": 5}
    answer = await looked_at(pool, "centroiding", write_fits(tmp_path / "a.fits", pixels), **given)
    assert answer == {
        "x": 73.0,
        "y": 97.0,
        "ra": None,
        "dec": None,
        "background": 0.0,
        "peak": 1200.0,
        "success": True,
        "message": "Centroid calculation completed.",
    }
    solved = await looked_at(pool, "centroiding", write_fits(tmp_path / "b.fits", pixels, header=WCS_CARDS), **given)
    # C8: the reference has x and y swapped here.
    place = WCS(fits.Header(SKY_CARDS)).pixel_to_world(36, 48)
    assert (solved["ra"], solved["dec"]) == pytest.approx((place.ra.deg, place.dec.deg), abs=1e-9)


async def test_centroiding_finds_a_star_of_the_sky(pool, frame, exposure, star):
    truth = exposure.truth
    near = on_display(truth.x[star] + 1.5, truth.y[star] - 1.0)
    # Two and a half widths of the star, whatever the display.
    radius = 2.5 * truth.fwhm_px * np.sqrt(DISPLAY["width"] * DISPLAY["height"] / (ROWS * COLUMNS))
    answer = await looked_at(
        pool, "centroiding", frame, **DISPLAY, **near, radius=radius, r_back1=2 * radius, r_back2=3 * radius
    )
    expected = on_display(truth.x[star], truth.y[star])
    assert answer["success"], answer["message"]
    assert answer["x"] == pytest.approx(expected["x"], abs=0.1)
    assert answer["y"] == pytest.approx(expected["y"], abs=0.1)
    assert separation_arcsec(answer, truth.ra_deg[star], truth.dec_deg[star]) < 0.2
    row, column = round(truth.y[star]), round(truth.x[star])
    sky = exposure.header["SEPSKY"]
    assert answer["background"] == pytest.approx(sky, abs=5)
    assert answer["peak"] == pytest.approx(
        exposure.pixels[row - 2 : row + 3, column - 2 : column + 3].max() - sky, abs=5
    )


async def test_centroiding_says_where_it_failed(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits", np.zeros((40, 40), "u1"))
    given = {"width": 40, "height": 40, "x": 20, "y": 10}
    answer = await looked_at(pool, "centroiding", path, **given)
    assert (answer["success"], answer["x"], answer["y"]) == (False, 20, 10)
    assert answer["message"] == "Centroid calculation has zero weight in both dimensions."
    blank = write_fits(tmp_path / "b.fits", np.full((40, 40), np.nan, "f4"))
    answer = await looked_at(pool, "centroiding", blank, **given)
    assert (answer["success"], answer["peak"]) == (False, None)
    with pytest.raises(UsageError, match="outside"):
        await looked_at(pool, "centroiding", path, **given | {"x": 41})
    with pytest.raises(UsageError, match="500 pixels"):
        await looked_at(pool, "centroiding", path, **given, radius=50_000)


async def test_a_position_can_be_measured_as_it_is(pool, frame, exposure, star):
    near = on_display(exposure.truth.x[star] + 0.4, exposure.truth.y[star])
    answer = await looked_at(pool, "centroiding", frame, **DISPLAY, **near, find_centroid=False)
    assert (answer["x"], answer["y"]) == pytest.approx((near["x"], near["y"]))
    assert answer["peak"] > 100


# --- source-catalog ---------------------------------------------------------------------------------------------------


@needs_real_data
async def test_source_catalog_of_a_real_frame(pool):
    """Numbers of the predecessor, for the same file. The positions belong to a larger frame this one was cut from."""
    answer = await looked_at(pool, "source-catalog", Path(REAL_DATA) / "fits_1.fits.fz", width=100, height=100)
    assert len(answer) == 312
    first, last = answer[0], answer[-1]
    assert (first["x_win"], first["y_win"]) == (792.7688681860718, 623.9358368337556)
    assert (first["flux"], first["ra"], first["dec"]) == (3164455, "260.933350", "-33.022468")
    assert (last["flux"], last["ra"]) == (1256, "260.815224")


async def test_source_catalog_of_a_rectangular_image(pool, frame, exposure):
    """C12: the reference scales x with the height."""
    answer = await looked_at(pool, "source-catalog", frame, **DISPLAY)
    catalogue = exposure.catalogue
    assert len(answer) == len(catalogue)
    np.testing.assert_allclose([source["x_win"] for source in answer], catalogue["xwin"] * DISPLAY["width"] / COLUMNS)
    np.testing.assert_allclose([source["y"] for source in answer], catalogue["y"] * DISPLAY["height"] / ROWS)
    assert [source["mag"] for source in answer] == catalogue["mag"].tolist()
    assert not any(source["flux_fallback"] for source in answer)
    assert all(0 <= source["x"] <= DISPLAY["width"] and 0 <= source["y"] <= DISPLAY["height"] for source in answer)


async def test_source_catalog_fills_in_what_the_table_lacks(pool, tmp_path):
    sources = {"x": [21.0, 5.0, 6.0], "y": [17.0, 5.0, 6.0], "flux": [100.0, -3.0, np.nan], "fluxerr": [5.0, 5.0, 5.0]}
    path = write_with_catalogue(tmp_path / "a.fits", night_sky((30, 40)), sources, header=WCS_CARDS)
    answer = await looked_at(pool, "source-catalog", path, width=40, height=30)
    place = WCS(fits.Header(SKY_CARDS)).pixel_to_world(20, 16)
    assert answer[0] == {
        "x_win": 21.0,
        "y_win": 17.0,
        "x": 21.0,
        "y": 17.0,
        "flux": 100,
        "mag": -5.0,
        "magerr": pytest.approx(0.05428681023790647),
        "flux_fallback": True,
        "ra": f"{place.ra.deg:.6f}",
        "dec": f"{place.dec.deg:.6f}",
    }
    assert [(source["flux"], source["mag"], source["magerr"]) for source in answer[1:]] == [
        (-3, None, None),
        (None, None, None),
    ]
    bare = write_with_catalogue(tmp_path / "b.fits", night_sky((30, 40)), sources)
    assert not {"ra", "dec"} & (await looked_at(pool, "source-catalog", bare, width=40, height=30))[0].keys()


async def test_source_catalog_shows_a_thousand_or_what_one_asks_for(pool, tmp_path):
    sources = {"x": np.arange(1500.0), "y": np.arange(1500.0), "flux": np.arange(1500.0)}
    path = write_with_catalogue(tmp_path / "a.fits", night_sky((30, 40)), sources, compression="RICE_1")
    answer = await looked_at(pool, "source-catalog", path, width=40, height=30)
    assert [source["flux"] for source in answer] == list(range(1000))
    assert len(await looked_at(pool, "source-catalog", path, width=40, height=30, limit=20_000)) == 1500


async def test_without_a_catalog_there_are_no_sources_and_a_useless_one_is_told(pool, tmp_path):
    path = write_fits(tmp_path / "bare.fits", night_sky((30, 40)))
    assert await looked_at(pool, "source-catalog", path, width=40, height=30) == []
    useless = write_with_catalogue(tmp_path / "useless.fits", night_sky((30, 40)), {"name": ["a", "b"]})
    with pytest.raises(UsageError, match="no columns x, y and flux"):
        await looked_at(pool, "source-catalog", useless, width=40, height=30)


# --- raw-data ---------------------------------------------------------------------------------------------------------


async def test_a_look_in_one_size_changes_nothing_of_the_next(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits", night_sky((70, 90)))
    sizes = [30, 60, 30, 30]
    answers = [await looked_at(pool, "raw-data", path, max_size=size) for size in sizes]
    assert [len(answer["data"]) for answer in answers] == [size**2 for size in sizes]
    assert answers[0] == answers[2] == answers[3]


async def test_what_was_resized_is_kept_and_cannot_be_written_to(tmp_path):
    path = write_fits(tmp_path / "a.fits", night_sky((70, 90)))
    decode(input_file(path), path, tmp_path / "decoded", limit_bytes=10**6)
    image = DecodedImage(input_file(path), tmp_path / "decoded", path=path)
    resized = image.resized((7, 9))
    np.testing.assert_array_equal(resized, area_resized(image.pixels, (7, 9)))
    assert image.resized((7, 9)) is resized
    assert image.resized((9, 7)).shape == (9, 7)
    with pytest.raises(ValueError, match="read-only"):
        resized[0, 0] = 1


async def test_raw_data_is_the_image_in_fewer_pixels(pool, frame, exposure):
    answer = await looked_at(pool, "raw-data", frame, max_size=60)
    assert (answer["height"], answer["width"], answer["bitdepth"]) == (60, 60, 16)
    shown = np.reshape(answer["data"], (60, 60))[::-1]
    expected = block_reduce(exposure.pixels.astype("f8"), (5, 7), np.mean)
    assert_rounded_to_noise(shown, expected, noise=array_noise(expected))
    samples = sample(exposure.pixels)
    assert answer["zmin"] == round(np.median(samples))
    assert answer["zmax"] == int(answer["zmax"]) > answer["zmin"]
    assert len(answer["histogram"]) == len(answer["bins"]) > 50
    assert answer["bins"] == sorted(answer["bins"])
    assert answer["bins"][-1] < exposure.header["SATURATE"]
    fullest = answer["bins"][int(np.argmax(answer["histogram"]))]
    assert fullest == pytest.approx(np.median(exposure.pixels), abs=20)


@needs_real_data
async def test_raw_data_of_a_real_frame(pool):
    """The stretch of the predecessor for the same file: median 178.44318, white at 505.16199."""
    answer = await looked_at(pool, "raw-data", Path(REAL_DATA) / "fits_1.fits.fz", max_size=100)
    assert (answer["zmin"], answer["zmax"], answer["bitdepth"]) == (178, 506, 32)
    data = np.reshape(answer["data"], (100, 100))[::-1]
    assert data[0, 0] == pytest.approx(177.163177, abs=0.5)
    assert data[99, 99] == pytest.approx(162.926025, abs=0.5)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("level", [100.0, -5000.0])
async def test_raw_data_of_any_pixels(pool, tmp_path, dtype, level):
    """C9 to C11: big-endian pixels, fewer than 2000 of them, levels below zero."""
    pixels = night_sky((13, 17), level=level).clip(*limits(dtype)).astype(dtype)
    answer = await looked_at(pool, "raw-data", write_fits(tmp_path / "a.fits", pixels), max_size=17)
    shown = np.reshape(answer["data"], (17, 17))
    np.testing.assert_allclose(shown[-1], pixels[0], rtol=1e-6, atol=0.5)
    np.testing.assert_allclose(shown[0], pixels[-1], rtol=1e-6, atol=0.5)
    assert len(answer["histogram"]) == len(answer["bins"])


def assert_rounded_to_noise(shown, expected, *, noise):
    """At most half a step off, of a step that is a power of ten and no more than the noise, or 1."""
    step = min(1.0, 10.0 ** np.floor(np.log10(noise)))
    assert np.abs(shown - expected).max() <= 0.5 * step + 1e-6 * np.abs(expected).max()
    assert np.std(shown - expected) < 0.3 * noise


@pytest.mark.parametrize("noise", [0.003, 0.4, 7.0, 300.0])
async def test_raw_data_has_the_digits_that_the_noise_leaves_which_is_half_the_size(pool, tmp_path, noise):
    rng = np.random.default_rng(4)
    pixels = rng.normal(20 * noise, noise, (300, 300)).astype("f4")
    pixels[100, 50:90] += 500 * noise
    job = analysis_job("raw-data", write_fits(tmp_path / "a.fits", pixels), max_size=300)
    text = await pool.analyse(job, within_s=PATIENCE_S)
    shown = np.reshape(json.loads(text)["data"], pixels.shape)[::-1]
    assert_rounded_to_noise(shown, pixels, noise=noise)
    in_full = orjson.dumps(pixels.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
    assert len(text) < 0.6 * len(in_full)


async def test_raw_data_without_noise_is_exact(pool, tmp_path):
    pixels = np.linspace(0, 1, 64 * 64).reshape(64, 64).astype("f4")
    pixels[:] = pixels[:, :1]  # alike in each row
    answer = await looked_at(pool, "raw-data", write_fits(tmp_path / "a.fits", pixels), max_size=64)
    np.testing.assert_array_equal(np.reshape(answer["data"], (64, 64)).astype("f4")[::-1], pixels)


async def test_the_limits_of_a_normalized_image_can_be_chosen(pool, tmp_path):
    """Between whole numbers there would be nothing to choose."""
    pixels = np.random.default_rng(4).normal(1.0, 0.03, (200, 200)).astype("f4")
    answer = await looked_at(pool, "raw-data", write_fits(tmp_path / "a.fits", pixels), max_size=100)
    assert answer["step"] == pytest.approx(1e-3)
    assert answer["zmin"] == pytest.approx(1.0, abs=0.005)
    assert 1.05 < answer["zmax"] < 1.4
    assert len([middle for middle in answer["bins"] if 0.9 < middle < 1.1]) > 25
    counts = np.array(answer["bins"])[np.argmax(answer["histogram"])]
    assert counts == pytest.approx(1.0, abs=0.02)


def limits(dtype):
    return (np.iinfo(dtype).min, np.iinfo(dtype).max) if np.dtype(dtype).kind in "iu" else (-np.inf, np.inf)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (3, 2)])
async def test_raw_data_of_any_shape(pool, tmp_path, shape):
    answer = await looked_at(pool, "raw-data", write_fits(tmp_path / "a.fits", night_sky(shape)), max_size=10)
    assert len(answer["data"]) == 100


async def test_raw_data_where_pixels_are_undefined(pool, tmp_path):
    pixels = night_sky((40, 40)).astype("f4")
    pixels[20:, :] = np.nan
    answer = await looked_at(pool, "raw-data", write_fits(tmp_path / "a.fits", pixels), max_size=40)
    shown = answer["data"]
    assert shown[:800] == [None] * 800
    assert None not in shown[800:]
    blank = write_fits(tmp_path / "b.fits", np.full((40, 40), np.nan, "f4"))
    with pytest.raises(UsageError, match="No pixel of b has data"):
        await looked_at(pool, "raw-data", blank)


# --- pictures ---------------------------------------------------------------------------------------------------------


def picture_of(answer):
    return Picture.open(io.BytesIO(base64.b64decode(answer["jpg_base64"])))


async def test_get_jpg_shows_levels_between_its_limits(pool, tmp_path):
    pixels = np.tile(np.linspace(0, 1000, 200), (80, 1))
    pixels[60:] = 0
    picture = picture_of(await looked_at(pool, "get-jpg", write_fits(tmp_path / "a.fits", pixels), zmin=250, zmax=750))
    assert (picture.size, picture.format) == ((200, 80), "JPEG")
    grey = np.asarray(picture.convert("L")).astype(int)
    assert grey[:16].max() < 10  # the last rows of the image are at the top
    assert grey[40, :45].max() < 10
    assert grey[40, 155:].min() > 245
    assert grey[40, 100] == pytest.approx(256 * 0.5 ** (1 / 2.5), abs=6)


@pytest.mark.parametrize("given", [{}, {"zmin": None, "zmax": None}, {"zmin": 0, "zmax": None}, {"zmin": -5}])
async def test_get_jpg_finds_limits_that_are_not_given(pool, frame, given):
    """With zmin 0 and zmax null the reference fails."""
    picture = picture_of(await looked_at(pool, "get-jpg", frame, **given))
    assert picture.size == (COLUMNS, ROWS)
    assert np.asarray(picture.convert("L")).std() > 5


@pytest.mark.parametrize("pixels", [np.full((20, 30), np.nan, "f4"), np.ones((1, 1)), np.full((5, 5), 3, "u1")])
async def test_pictures_of_images_without_range(pool, tmp_path, pixels):
    path = write_fits(tmp_path / "a.fits", pixels)
    assert picture_of(await looked_at(pool, "get-jpg", path)).size == pixels.shape[::-1]
    await pool.analyse(analysis_job("get-tif", path, target=tmp_path / "a.tif"), within_s=PATIENCE_S)
    with Picture.open(tmp_path / "a.tif") as picture:
        assert picture.size == pixels.shape[::-1]


async def test_a_picture_there_is_no_room_for_is_waited_for(pool, frame, tmp_path):
    (tmp_path / "a.tif").symlink_to("/dev/full")
    with pytest.raises(OutageError, match="No space left on device"):
        await pool.analyse(analysis_job("get-tif", frame, target=tmp_path / "a.tif"), within_s=10)


@needs_real_data
async def test_get_tif_of_a_real_frame(pool, tmp_path):
    """Pixels of the file the predecessor made: tif_1.tif."""
    target = tmp_path / "fits_1.tif"
    job = analysis_job("get-tif", Path(REAL_DATA) / "fits_1.fits.fz", target=target)
    await pool.analyse(job, within_s=PATIENCE_S)
    with Picture.open(target) as picture:
        assert (picture.size, picture.mode) == ((100, 100), "RGB")
        assert [picture.getpixel((n, n)) for n in (0, 50, 99)] == [(0,) * 3, (69,) * 3, (131,) * 3]


# --- new actions ------------------------------------------------------------------------------------------------------


async def test_histogram_counts_every_pixel(pool, frame, exposure):
    answer = await looked_at(pool, "histogram", frame, bins=50)
    counts, edges = np.histogram(exposure.pixels, bins=50)
    assert answer["counts"] == counts.tolist()
    assert answer["edges"] == pytest.approx(edges.tolist())
    narrow = await looked_at(pool, "histogram", frame, bins=10, minimum=400, maximum=500)
    assert sum(narrow["counts"]) + narrow["below"] + narrow["above"] == exposure.pixels.size
    with pytest.raises(UsageError, match="not below"):
        await looked_at(pool, "histogram", frame, minimum=5, maximum=5)


async def test_statistics_of_a_region_of_the_display(pool, frame, exposure):
    # Columns 100 to 140 and rows 30 to 90, given by opposite corners in any order.
    answer = await looked_at(pool, "statistics", frame, **DISPLAY, x1=70, y1=20, x2=50, y2=60)
    region = exposure.pixels[30:90, 100:140]
    assert (answer["rows"], answer["columns"]) == ([30, 90], [100, 140])
    assert (answer["pixel_count"], answer["undefined_count"]) == (2400, 0)
    assert answer["mean"] == pytest.approx(region.mean())
    assert answer["median"] == np.median(region)
    row, column = np.unravel_index(region.argmax(), region.shape)
    place = on_display(100 + column, 30 + row)
    assert answer["maximum_at"] == {**place, "column": 100 + column, "row": 30 + row}
    whole = await looked_at(pool, "statistics", frame, **DISPLAY)
    assert whole["total"] == pytest.approx(exposure.pixels.sum(dtype="f8"))
    with pytest.raises(UsageError, match="no pixel with data"):
        await looked_at(pool, "statistics", frame, **DISPLAY, x1=300, y1=0, x2=400, y2=10)
    columns = await looked_at(pool, "statistics", frame, **DISPLAY, x1=50, x2=70)
    assert (columns["rows"], columns["columns"]) == ([0, exposure.pixels.shape[0]], [100, 140])


async def test_statistics_of_a_circle(pool, frame, exposure):
    """Around column 120.5 and row 60, with a radius of 17.3 pixels of the image."""
    x, y, radius = 120.5, 60.0, 17.3
    corners = {"x1": x - radius, "x2": x + radius, "y1": y + radius, "y2": y - radius}
    answer = await looked_at(pool, "statistics", frame, width=COLUMNS, height=ROWS, shape="ellipse", **corners)
    row, column = np.indices(exposure.pixels.shape)
    inside = exposure.pixels[np.hypot(column + 0.5 - x, row + 0.5 - y) <= radius]
    assert (answer["pixel_count"], answer["undefined_count"]) == (inside.size, 0)
    assert answer["total"] == pytest.approx(inside.sum(dtype="f8"))
    assert (answer["minimum"], answer["maximum"]) == (inside.min(), inside.max())
    assert (answer["median"], answer["mean"]) == (np.median(inside), pytest.approx(inside.mean()))
    brightest = answer["maximum_at"]
    assert exposure.pixels[brightest["row"], brightest["column"]] == inside.max()
    with pytest.raises(UsageError, match="no pixel with data"):
        await looked_at(pool, "statistics", frame, **DISPLAY, shape="ellipse", x1=5, x2=5, y1=7, y2=9)
    with pytest.raises(UsageError, match="An ellipse has"):
        await looked_at(pool, "statistics", frame, **DISPLAY, shape="ellipse", x1=5, x2=9)


async def test_statistics_of_a_circle_tell_undefined_pixels_apart_from_those_outside(pool, tmp_path):
    pixels = np.ones((20, 20), "f4")
    pixels[10, 10] = np.nan
    path = write_fits(tmp_path / "a.fits", pixels)
    answer = await looked_at(pool, "statistics", path, width=20, height=20, shape="ellipse", x1=9, x2=12, y1=9, y2=12)
    assert (answer["pixel_count"], answer["undefined_count"]) == (8, 1)


@pytest.mark.parametrize(("given", "missing"), [("x1", "x2"), ("x2", "x1"), ("y1", "y2"), ("y2", "y1")])
async def test_half_a_region_is_none(pool, frame, given, missing):
    with pytest.raises(UsageError, match=f"both {given[0]}1 and {given[0]}2") as refused:
        await looked_at(pool, "statistics", frame, **DISPLAY, **{given: 10})
    assert missing in refused.value.message


async def test_statistics_of_more_than_can_be_sorted(pool, tmp_path, monkeypatch):
    monkeypatch.setattr("operation_runner.analysis.region_statistics._MOST_BYTES", 7999)
    action = Statistics()
    floats = SimpleNamespace(pixels=np.zeros((40, 50), "f4"))
    with pytest.raises(UsageError, match="2000 pixels of 4 bytes; at most 1999 of them"):
        action.analyse(floats, action.Parameters(**DISPLAY))
    counted = SimpleNamespace(pixels=np.full((40, 500), 7, "u2"))
    assert action.analyse(counted, action.Parameters(**DISPLAY))["pixel_count"] == 20_000


async def test_a_colour_image_is_looked_at_by_the_plane_one_chooses(pool, tmp_path, frame):
    path = tmp_path / "colour.fits"
    planes = np.stack([np.full((40, 50), level, "u2") for level in (100, 200, 600)])
    fits.PrimaryHDU(planes).writeto(path)
    medians = {
        plane: (await looked_at(pool, "statistics", path, **DISPLAY, **({"plane": plane} if plane else {})))["median"]
        for plane in (None, "red", "green", "blue", "luminance")
    }
    assert medians == {None: 200, "red": 100, "green": 200, "blue": 600, "luminance": 300}
    with pytest.raises(UsageError, match="it is no colour image, and has no plane red"):
        await looked_at(pool, "statistics", frame, **DISPLAY, plane="red")
    with pytest.raises(UsageError, match="no colour image"):
        await pool.analyse(
            analysis_job("cutout", frame, x=1, y=1, width=9, height=9, plane="blue"), within_s=PATIENCE_S
        )


async def test_a_large_picture_takes_little_more_memory_than_itself(tmp_path):
    """Of 100 million pixels the answer is made within the memory an analysis has; here a fifteenth of both."""
    frame = write_fits(tmp_path / "large.fits", night_sky((2600, 2600)).astype("i2"))
    async with running_pool(tmp_path, processes=1, memory_bytes=80 * 1024**2) as pool:
        picture = picture_of(await looked_at(pool, "get-jpg", frame))
    assert picture.size == (2600, 2600)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"zmin": 1e5}, "zmin 100000 lies above .*, the limit found for white: give zmax too"),
        ({"zmax": -1e5}, "zmax -100000 lies below .*, the limit found for black: give zmin too"),
        ({"zmin": 5, "zmax": 4}, "zmin 5 lies above zmax 4"),
    ],
)
async def test_limits_that_cannot_be_are_told_apart_from_those_that_were_found(pool, frame, given, words):
    with pytest.raises(UsageError, match=words):
        await looked_at(pool, "get-jpg", frame, **given)


def test_pictures_that_would_be_too_much_are_packed_more(monkeypatch):
    grey = np.random.default_rng(2).integers(0, 256, (300, 300)).astype(np.uint8)
    best = len(get_jpg._encoded(grey))
    monkeypatch.setattr(get_jpg, "_SMALL_PIXELS", 1)
    monkeypatch.setattr(get_jpg, "_MOST_BYTES", int(0.9 * best))
    assert len(get_jpg._encoded(grey)) < 0.9 * best
    monkeypatch.setattr(get_jpg, "_MOST_BYTES", 100)
    with pytest.raises(UsageError, match=r"300 x 300 pixels has .* bytes; at most 100"):
        get_jpg.GetJpg().analyse(SimpleNamespace(pixels=grey), get_jpg.GetJpg.Parameters())


@pytest.mark.parametrize("model", ["moffat", "gaussian"])
async def test_radial_profile_measures_the_seeing(pool, frame, exposure, star, model):
    truth = exposure.truth
    near = on_display(truth.x[star] + 1, truth.y[star] + 1)
    answer = await looked_at(pool, "radial-profile", frame, **DISPLAY, **near, model=model)
    # The sky is a Moffat of exponent 3.5, whose wings make a Gaussian wider than it is.
    assert answer["fwhm_px"] == pytest.approx(truth.fwhm_px, rel=0.03 if model == "moffat" else 0.15)
    assert answer["fwhm_arcsec"] == pytest.approx(answer["fwhm_px"] * 0.74, rel=1e-3)
    expected = on_display(truth.x[star], truth.y[star])
    assert (answer["x"], answer["y"]) == pytest.approx((expected["x"], expected["y"]), abs=0.05)
    assert separation_arcsec(answer, truth.ra_deg[star], truth.dec_deg[star]) < 0.1
    assert answer["ring_means"][0] == pytest.approx(answer["background"] + answer["peak"], rel=0.2)
    assert len(answer["radii_px"]) == len(answer["values"])


async def test_quality_is_that_of_the_exposure(pool, frame, exposure):
    answer = await looked_at(pool, "quality", frame)
    truth = exposure.truth
    assert answer["fwhm_px"] == pytest.approx(truth.fwhm_px, abs=3.0 * answer["fwhm_error_px"])
    assert answer["n_stars"] >= 5
    assert answer["ellipticity"] < 0.1
    assert answer["zero_point_mag"] == pytest.approx(truth.zero_point_mag, abs=0.05)


async def test_quality_of_what_shows_nothing_is_refused_in_words(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits", np.zeros((100, 100), np.uint16))
    with pytest.raises(UsageError, match=r"cannot be measured: it is blank"):
        await looked_at(pool, "quality", path)


@pytest.mark.parametrize("x", [50, -500], ids=["sky", "off the image"])
async def test_radial_profile_where_is_no_star(pool, tmp_path, x):
    path = write_fits(tmp_path / "a.fits", night_sky((100, 100)))
    with pytest.raises(UsageError, match=r"star|few"):
        await looked_at(pool, "radial-profile", path, width=100, height=100, x=x, y=50)


async def test_zscale_gives_both_ways_to_stretch(pool, frame, exposure):
    answer = await looked_at(pool, "zscale", frame)
    samples = sample(exposure.pixels)
    assert (answer["zmin"], answer["zmax"]) == pytest.approx(ZScaleInterval(samples.size).get_limits(samples))
    assert answer["black"] == np.median(samples)
    assert answer["white"] > answer["black"]
    wider = await looked_at(pool, "zscale", frame, contrast=0.05)
    assert wider["zmax"] >= answer["zmax"]
