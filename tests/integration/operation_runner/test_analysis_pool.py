"""The pool: what it keeps, and what it survives."""

import asyncio
import gzip

import numpy as np
import pytest

from datalab.errors import TransientError, UsageError
from datalab.processes.outcomes import WorkFailedError
from operation_runner.analysing.model import TooLateError
from support.analysis import analysis_job, looked_at, night_sky, running_pool
from support.runner import pids_in, process_exists, write_fits
from support.waiting import PATIENCE_S, until

#: Has the fork server load astronomy once, instead of every process by itself.
pytestmark = pytest.mark.usefixtures("computer")


@pytest.fixture(scope="module")
async def pool(tmp_path_factory, computer):
    async with running_pool(tmp_path_factory.mktemp("pool")) as pool:
        yield pool


@pytest.fixture
def frame(tmp_path):
    return write_fits(tmp_path / "frame.fits", night_sky((40, 50), seed=7).astype("u2"))


async def test_processes_live_on(pool, frame):
    pids = {(await looked_at(pool, "misbehave", frame, how="pid"))["pid"] for _ in range(5)}
    assert len(pids) == 1
    assert process_exists(pids.pop())


async def test_an_image_is_decoded_once(tmp_path):
    frame = write_fits(tmp_path / "frame.fits.fz", night_sky((40, 50)).astype("u2"), compression="RICE_1")
    async with running_pool(tmp_path, processes=1) as pool:
        first = await looked_at(pool, "statistics", frame, width=50, height=40)
        job = analysis_job("statistics", frame, width=50, height=40)
        frame.unlink()
        answers = await asyncio.gather(*(pool.analyse(job, within_s=PATIENCE_S) for _ in range(6)))
    assert len(set(answers)) == 1
    assert first["mean"] == pytest.approx(1000, abs=5)


async def test_least_recently_used_images_go_first(tmp_path):
    frames = [write_fits(tmp_path / f"f{n}.fits", night_sky((100, 100), seed=n).astype("f4")) for n in range(3)]
    async with running_pool(tmp_path, processes=1, decoded_bytes=110_000) as pool:  # two of 40 kB and their headers
        for frame in (*frames[:2], frames[0], frames[2]):
            await looked_at(pool, "zscale", frame)
        kept = {path.name for path in (tmp_path / "decoded").iterdir()}
        await looked_at(pool, "zscale", frames[1])  # and are decoded again
    assert kept == {analysis_job("zscale", frame).file.sha256 for frame in (frames[0], frames[2])}


@pytest.mark.parametrize("packing", ["plain", "big tiles", "gzip"])
async def test_any_fits_file_is_looked_at(pool, tmp_path, packing):
    pixels = night_sky((64, 48), seed=3).astype("f4")
    path = tmp_path / "image.fits"
    tiles = {"compression": "GZIP_2", "tile_shape": (64, 48), "quantize_level": 0} if packing == "big tiles" else {}
    write_fits(path, pixels, **tiles)
    if packing == "gzip":
        path = path.rename(tmp_path / "image.fits.gz")
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = await looked_at(pool, "statistics", path, width=48, height=64)
    assert found["mean"] == pytest.approx(pixels.mean(dtype="f8"))
    assert found["maximum"] == pytest.approx(pixels.max())


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "no image"])
async def test_a_damaged_file_is_the_users_mistake(pool, frame, damage):
    content = frame.read_bytes()
    frame.write_bytes(
        {"empty": b" ", "text": b"hello" * 1000, "cut": content[:4000], "no image": content[:2880]}[damage]
    )
    with pytest.raises(UsageError, match="frame") as raised:
        await looked_at(pool, "zscale", frame)
    assert "/" not in raised.value.message


async def test_an_image_beyond_the_limit_is_refused(tmp_path, frame):
    async with running_pool(tmp_path, processes=1, largest_image_bytes=3000) as pool:
        with pytest.raises(UsageError, match="4000 bytes"):
            await looked_at(pool, "zscale", frame)
    assert list((tmp_path / "decoded").iterdir()) == []


async def test_a_killed_process_is_replaced(pool, frame):
    with pytest.raises(TransientError):
        await looked_at(pool, "misbehave", frame, how="kill")
    assert (await looked_at(pool, "misbehave", frame, how="pid"))["pixels"] == [40, 50]


async def test_what_takes_too_long_is_ended(tmp_path, frame):
    async with running_pool(tmp_path, processes=1) as pool:
        pid = (await looked_at(pool, "misbehave", frame, how="pid"))["pid"]
        with pytest.raises(TooLateError, match="frame could not be analysed in time"):
            await looked_at(pool, "misbehave", frame, how="sleep", within_s=0.5)
        await until(lambda: not process_exists(pid))
        # The place is free again.
        assert (await looked_at(pool, "misbehave", frame, how="pid"))["pid"] != pid


async def test_who_waits_for_a_place_too_long_is_told(tmp_path, frame):
    async with running_pool(tmp_path, processes=1) as pool:
        sleeping = asyncio.create_task(
            looked_at(pool, "misbehave", frame, how="sleep", pid_file=str(tmp_path / "pid"), within_s=PATIENCE_S)
        )
        await until(lambda: pids_in(tmp_path / "pid"))
        with pytest.raises(TooLateError):
            await looked_at(pool, "zscale", frame, within_s=0.2)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping


async def test_too_little_memory_is_told(tmp_path, frame):
    async with running_pool(tmp_path, processes=1, memory_bytes=64 * 1024**2) as pool:
        with pytest.raises(UsageError, match="more than the 64 MiB"):
            await looked_at(pool, "misbehave", frame, how="memory")


@pytest.mark.parametrize(
    ("how", "error"), [("bug", WorkFailedError), ("not json", WorkFailedError), ("disk full", TransientError)]
)
async def test_what_goes_wrong_is_told_apart(pool, frame, how, error):
    with pytest.raises(error):
        await looked_at(pool, "misbehave", frame, how=how)


async def test_an_interrupted_decoding_leaves_nothing(tmp_path):
    frame = write_fits(tmp_path / "frame.fits.fz", np.ones((4000, 4000), "i2"), compression="GZIP_1")
    async with running_pool(tmp_path, processes=1) as pool:
        await looked_at(pool, "misbehave", write_fits(tmp_path / "other.fits", np.ones((3, 3))), how="pid")
        with pytest.raises(TooLateError):
            await looked_at(pool, "zscale", frame, within_s=0.03)
        assert len(list((tmp_path / "decoded").iterdir())) == 1
        await looked_at(pool, "zscale", frame)


async def test_stopping_ends_every_process(tmp_path, frame):
    async with running_pool(tmp_path, processes=1) as pool:
        pid = (await looked_at(pool, "misbehave", frame, how="pid"))["pid"]
    await until(lambda: not process_exists(pid))
