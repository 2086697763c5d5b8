"""Tiles for viewers: every pixel of every level, each once, whatever the image is stored as."""

import asyncio

import numpy as np
import pytest
from astropy.io import fits

from datalab.astro.display.tiles import UNDEFINED_CODE
from datalab.errors import UsageError
from support.analysis import analysis_job, looked_at, night_sky, running_pool
from support.runner import write_fits
from support.waiting import PATIENCE_S

SHAPE = (1100, 1300)
#: Of the sky, by which floats are rounded.
NOISE = 30.0


@pytest.fixture(scope="module")
async def pool(tmp_path_factory):
    async with running_pool(tmp_path_factory.mktemp("tiles")) as pool:
        yield pool


async def tile(pool, path, level, row, column):
    job = analysis_job("tile", path, level=level, row=row, column=column)
    part = await pool.analyse(job, within_s=PATIENCE_S)
    assert part.media_type == "application/octet-stream"
    return part.body


def values_of(body, level, height):
    """Return the values of a tile, in units of the image."""
    if level:
        return np.frombuffer(body, "<f4").reshape(height, -1)
    lowest, step, _ = np.frombuffer(body[:24], "<f8")
    codes = np.frombuffer(body[24:], "<u2").reshape(height, -1)
    return np.where(codes == UNDEFINED_CODE, np.nan, lowest + step * (codes - 1.0))


async def whole_level(pool, path, level, told):
    """Return a level put together from its tiles, in units of the image."""
    size, side = told["levels"][level], told["tile_px"]
    rows = []
    for row in range(-(-size["height"] // side)):
        height = min(side, size["height"] - row * side)
        tiles = [
            values_of(await tile(pool, path, level, row, column), level, height)
            for column in range(-(-size["width"] // side))
        ]
        rows.append(np.concatenate(tiles, axis=1))
    values = np.concatenate(rows)
    assert values.shape == (size["height"], size["width"])
    return values


@pytest.mark.parametrize(("kind", "compression"), [("u2", "RICE_1"), ("f4", None)])
async def test_tiles_put_together_are_the_image(pool, tmp_path, kind, compression):
    sky = night_sky(SHAPE)
    pixels = np.rint(sky).astype(kind) if kind == "u2" else sky.astype(kind)
    if kind == "f4":
        pixels[600:700, 500:520] = np.nan
    path = write_fits(tmp_path / "a.fits", pixels, compression=compression)
    told = await looked_at(pool, "tiling", path)
    assert [(each["height"], each["width"]) for each in told["levels"]] == [SHAPE, (550, 650), (275, 325)]
    shown = await whole_level(pool, path, 0, told)
    np.testing.assert_allclose(shown, pixels, atol=NOISE / 16 * 1.01)
    if kind == "u2":
        np.testing.assert_array_equal(shown, pixels)
    for level in (1, 2):
        side = 2**level
        with np.errstate(invalid="ignore"):
            blocks = pixels.astype(float).reshape(SHAPE[0] // side, side, SHAPE[1] // side, side)
            expected = np.nanmean(blocks, axis=(1, 3)) if kind == "u2" else blocks.mean(axis=(1, 3))
        shown = await whole_level(pool, path, level, told)
        whole = np.isfinite(expected)  # a block with some undefined pixels is the mean of means
        np.testing.assert_allclose(shown[whole], expected[whole], rtol=1e-5)


async def test_many_at_once_are_those_one_by_one(pool, tmp_path):
    path = write_fits(tmp_path / "a.fits", night_sky(SHAPE).astype("f4"))
    places = [(1, row, column) for row in range(2) for column in range(2)] + [(2, 0, 0)]
    together = await asyncio.gather(*(tile(pool, path, *place) for place in places))
    assert together == [await tile(pool, path, *place) for place in places]


@pytest.mark.parametrize(
    ("kind", "compression", "tile_shape"), [("u2", "RICE_1", None), ("f4", "RICE_1", None), ("u2", "GZIP_2", (64, 64))]
)
async def test_an_overview_is_about_the_last_level_whether_the_image_is_decoded_or_not(
    pool, tmp_path, kind, compression, tile_shape
):
    pixels = np.rint(night_sky(SHAPE)).astype(kind)
    image = fits.CompImageHDU(pixels, name="SCI", compression_type=compression, tile_shape=tile_shape)
    path = tmp_path / "a.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    job = analysis_job("overview", path)
    before = await pool.glimpse(job, within_s=PATIENCE_S)
    told = await looked_at(pool, "tiling", path)
    last = np.frombuffer(await tile(pool, path, len(told["levels"]) - 1, 0, 0), "<f4")
    after = await pool.glimpse(job, within_s=PATIENCE_S)
    assert before.body == after.body
    seen = np.frombuffer(before.body, "<f4")
    assert seen.shape == last.shape
    assert np.abs(np.median(seen - last)) < NOISE


@pytest.mark.parametrize(
    ("level", "row", "column", "text"),
    [(3, 0, 0, "has 3 levels"), (0, 3, 0, "3 columns and 3 rows of tiles"), (1, 0, 2, "2 columns and 2 rows")],
)
async def test_what_is_no_tile_is_told(pool, tmp_path, level, row, column, text):
    path = write_fits(tmp_path / "a.fits", night_sky(SHAPE).astype("f4"))
    with pytest.raises(UsageError, match=text):
        await tile(pool, path, level, row, column)
