"""Pictures are made in processes, of whatever an observatory sends; what cannot be decoded is the file's own fault."""

import bz2
import hashlib
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from datalab.errors import UsageError
from datalab.events.previews import PreviewKind
from operation_runner.previews.model import FitsTask, JpegTask, Sizes
from operation_runner.previews.pool import PreviewPool
from support.runner import write_fits

SIZES = Sizes(longest_side_px=900, thumbnail_height_px=128)


@pytest.fixture(scope="module")
async def pool(lean_processes):
    made = PreviewPool(processes=1, time_limit_s=60, memory_bytes=512 * 1024**2, sizes=SIZES)
    await made.start()
    yield made
    await made.stop()


def jpeg(width, height, mode="L", **options):
    values = np.random.default_rng(1).integers(0, 255, (height // 60 + 1, width // 60 + 1), dtype=np.uint8)
    smooth = Image.fromarray(values).resize((width, height)).convert(mode)
    encoded = io.BytesIO()
    smooth.save(encoded, "JPEG", **options)
    return encoded.getvalue()


def task(content):
    return JpegTask(content=content, sha256=hashlib.sha256(content).hexdigest())


def opened(content):
    picture = Image.open(io.BytesIO(content))
    picture.load()
    assert picture.format == "JPEG"
    return picture


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((900, 900), (128, 128)),
        ((900, 600), (192, 128)),
        ((600, 900), (85, 128)),
        ((100, 60), (100, 60)),
        ((3000, 100), (3000, 100)),
    ],
)
async def test_a_thumbnail_has_the_height_and_the_shape_and_is_never_enlarged(pool, size, expected):
    pictures = await pool.paint(task(jpeg(*size)))
    assert list(pictures) == [PreviewKind.THUMBNAIL]
    assert opened(pictures[PreviewKind.THUMBNAIL]).size == expected


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
async def test_a_thumbnail_looks_like_its_picture(pool, mode, progressive):
    content = jpeg(900, 700, mode, progressive=progressive, quality=95)
    thumbnail = opened((await pool.paint(task(content)))[PreviewKind.THUMBNAIL]).convert("L")
    reference = Image.open(io.BytesIO(content)).convert("RGB").convert("L").resize(thumbnail.size)
    assert np.abs(np.asarray(thumbnail, float) - np.asarray(reference, float)).mean() < 3


async def test_the_same_file_gives_the_same_bytes(pool):
    content = jpeg(900, 700)
    assert await pool.paint(task(content)) == await pool.paint(task(content))


def with_size(content, width, height):
    """Return a JPEG whose header claims another size."""
    at = content.index(b"\xff\xc0")
    return content[: at + 5] + height.to_bytes(2) + width.to_bytes(2) + content[at + 9 :]


NO_JPEG = {
    "cut short": jpeg(900, 700)[:-20_000],
    "nothing": b"\xff\xd8\xff\xe0 picture",
    "another format": b"\x89PNG\r\n\x1a\n" + zlib.compress(b"x" * 100),
    "empty": b"",
    "too many pixels": with_size(jpeg(64, 64), 65_000, 65_000),
    "no frame": jpeg(64, 64).replace(b"\xff\xc0", b"\xff\xe5"),
}


@pytest.mark.parametrize("content", NO_JPEG.values(), ids=NO_JPEG)
async def test_what_is_no_whole_jpeg_is_said_to_be_none(pool, content):
    with pytest.raises(UsageError):
        await pool.paint(task(content))
    assert await pool.paint(task(jpeg(64, 64))), "the next one is none the worse"


async def test_a_file_that_is_not_what_was_recorded_is_refused(pool):
    with pytest.raises(UsageError, match="has changed"):
        await pool.paint(JpegTask(content=jpeg(64, 64), sha256="0" * 64))


async def test_a_picture_that_takes_too_long_or_too_much_is_given_up(lean_processes):
    content = jpeg(6000, 6000, "RGB", progressive=True)
    hasty = PreviewPool(processes=1, time_limit_s=0.001, memory_bytes=512 * 1024**2, sizes=SIZES)
    small = PreviewPool(processes=1, time_limit_s=60, memory_bytes=16 * 1024**2, sizes=SIZES)
    try:
        with pytest.raises(UsageError, match=r"takes more than 0.001 s"):
            await hasty.paint(task(content))
        with pytest.raises(UsageError):
            await small.paint(task(content))
    finally:
        await hasty.stop()
        await small.stop()


def sky(rows, columns):
    """Return an image that rises upwards, with noise and one star."""
    pixels = np.random.default_rng(2).normal(1000, 5, (rows, columns)) + np.linspace(0, 200, rows)[:, None]
    pixels[rows // 4, columns // 4] = 60_000
    return pixels


def fits_task(tmp_path, pixels, *, packed=False, **options):
    path = write_fits(tmp_path / "image.fits", pixels, **options)
    if packed:
        path.write_bytes(bz2.compress(path.read_bytes()))
    folder = tmp_path / "work"
    folder.mkdir()
    return FitsTask(basename="image", path=path, folder=folder)


@pytest.mark.parametrize(
    ("shape", "medium", "thumbnail"),
    [
        ((1200, 1800), (900, 600), (192, 128)),
        ((64, 80), (80, 64), (80, 64)),
        ((2000, 2), (1, 900), (1, 128)),
    ],
)
async def test_both_pictures_of_a_fits_file_have_their_sizes(pool, tmp_path, shape, medium, thumbnail):
    pictures = await pool.paint(fits_task(tmp_path, sky(*shape).astype(np.uint16), compression="RICE_1"))
    assert opened(pictures[PreviewKind.MEDIUM]).size == medium
    assert opened(pictures[PreviewKind.THUMBNAIL]).size == thumbnail


@pytest.mark.parametrize("kind", ["float with holes", "int32", "packed"])
async def test_a_fits_file_of_any_kind_is_shown_top_row_first(pool, tmp_path, kind):
    pixels = sky(1000, 1000)
    if kind == "float with holes":
        pixels[400:500, 400:500] = np.nan
    else:
        pixels = pixels.astype(np.int32)
    pictures = await pool.paint(fits_task(tmp_path, pixels, packed=kind == "packed"))
    shown = np.asarray(opened(pictures[PreviewKind.MEDIUM]).convert("L"), float)
    assert shown[:200].mean() > shown[-200:].mean() + 30


@pytest.mark.parametrize("damage", ["cut short", "no image", "no FITS"])
async def test_a_fits_file_that_shows_nothing_is_said_to(pool, tmp_path, damage):
    wrong = fits_task(tmp_path, sky(300, 300))
    content = wrong.path.read_bytes()
    cut = {"cut short": content[:-100_000], "no image": content[:2880], "no FITS": b"x" * 2880}[damage]
    wrong.path.write_bytes(cut)
    with pytest.raises(UsageError):
        await pool.paint(wrong)


async def test_what_unpacks_to_more_than_a_picture_may_need_is_refused(lean_processes, tmp_path):
    """A file may claim to be larger than it is; its process has its memory, and no more."""
    pool = PreviewPool(processes=1, time_limit_s=60, memory_bytes=32 * 1024**2, sizes=SIZES)
    try:
        with pytest.raises(UsageError, match="needs more than 32 MiB"):
            await pool.paint(fits_task(tmp_path, np.zeros((6000, 6000), np.int16), compression="RICE_1"))
    finally:
        await pool.stop()
