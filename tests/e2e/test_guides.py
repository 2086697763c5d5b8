"""README and guides, done as they are written, on a system somebody has just started with `make run`."""

import asyncio
import os
import re
import runpy
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from datalab.local.ports import free_port
from support.guides import blocks, finished, running_datalab, shell, shell_blocks, shell_environment
from support.operations import run
from support.waiting import PATIENCE_S

README, USER_GUIDE = "README.md", "docs/user-guide.md"
OPERATOR_GUIDE, OBSERVATORY_GUIDE = "docs/operator-guide.md", "docs/observatory-guide.md"


@pytest.fixture(scope="module")
async def newcomer(tmp_path_factory):
    """The folder of somebody who has done `make run`, and their variables."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    port = free_port()  # the usual one may be somebody else's
    environment = shell_environment() | {"DATALAB_API_URL": f"http://127.0.0.1:{port}"}
    async with running_datalab(f"exec datalab up --demo --port {port}", folder, environment):
        yield folder, environment


def the_use_of(guide):
    """Return what the shell blocks of a page do, without what goes on until it is stopped, or starts a system."""
    return "\n".join(block for said, block in shell_blocks(guide) if said == "" and "make run" not in block)


async def test_the_readme_leads_to_files(newcomer):
    folder, environment = newcomer
    said = await finished(the_use_of(README), folder, environment)
    assert "frames (12)" in said
    normalized = sorted((folder / "normalized").iterdir())
    assert len(normalized) == 12
    assert all(file.name.endswith("_normalization.fits") for file in normalized)
    frame = normalized[0].name.removesuffix("_normalization.fits")
    assert frame in said  # named by the frame it was made of
    with fits.open(normalized[0]) as hdus:
        assert np.isclose(np.nanmedian(hdus["SCI"].data), 1)


def test_the_operation_of_the_readme_is_one(tmp_path):
    (source,) = [block for block in blocks(README, "python") if "(Operation)" in block]
    (tmp_path / "maximum.py").write_text(source)
    operation = runpy.run_path(str(tmp_path / "maximum.py"))["Maximum"]()
    images = [np.full((4, 5), value, dtype=np.float32) for value in (3, 7)]
    files = [tmp_path / f"image_{number}.fits" for number in (1, 2)]
    for file, image in zip(files, images, strict=True):
        fits.writeto(file, image)
    made = run(operation, {"input_files": files}, work_dir=tmp_path / "work")
    np.testing.assert_array_equal(fits.getdata(made.fits(), "SCI"), images[1])


async def test_every_block_of_the_user_guide_works_in_their_order(newcomer):
    folder, environment = newcomer
    said = await finished(the_use_of(USER_GUIDE), folder, environment)
    (stacked,) = (folder / "results").iterdir()
    assert stacked.name.endswith("_stacking.fits")
    assert "--set combine=sum|average|median|sigma-clipped" in said
    assert all(f'"name":"{name}","status":' in said for name in ("Median", "Stacking"))  # what curl was answered
    assert '"detail":"The operation is' in said or '"state":"CANCELLED"' in said  # when the median was too fast for it
    assert '"clipped_mean":' in said
    assert {file.name for file in (folder / "frames").iterdir()} == {
        f"sim-sq001ms-20260314-0000000{number}-EX00.fits.fz" for number in (1, 2)
    }


async def test_what_goes_on_until_ctrl_c_does(newcomer):
    folder, environment = newcomer
    begin, *_ = (block for _, block in shell_blocks(USER_GUIDE))
    endless = [block for said, block in shell_blocks(USER_GUIDE) if said == "until=Ctrl-C"]
    assert endless
    for block in endless:
        process = await shell(f"{begin}\n{block}", folder, environment, stdout=asyncio.subprocess.PIPE)
        try:
            first = await asyncio.wait_for(process.stdout.readline(), timeout=PATIENCE_S)
        finally:
            os.killpg(process.pid, signal.SIGINT)
        await asyncio.wait_for(process.wait(), timeout=PATIENCE_S)
        assert b"session" in first


async def test_the_feed_sample_hears_what_happens(newcomer):
    folder, environment = newcomer
    (sample,) = [block for block in blocks(USER_GUIDE, "python") if "FeedClient" in block]
    here = environment["DATALAB_API_URL"].replace("http://", "")
    (folder / "feed.py").write_text(sample.replace("localhost:8000", here))
    begin, *_ = (block for _, block in shell_blocks(USER_GUIDE))
    listening = f"{begin}\npython feed.py"
    process = await shell(listening, folder, environment, stdout=asyncio.subprocess.PIPE)
    try:
        # Which of the two is first cannot be told, so there is something new until it has been heard.
        heard = asyncio.create_task(process.stdout.readline())
        while not heard.done():
            await finished(f"{begin}\ndatalab ops start Median 'sim-*' --session 1 --wait", folder, environment)
            await asyncio.wait([heard], timeout=1)
        assert b"operation_changed" in await heard
    finally:
        os.killpg(process.pid, signal.SIGINT)
        await asyncio.wait_for(process.wait(), timeout=PATIENCE_S)


async def test_the_observatory_guide_leads_to_frames(newcomer):
    folder, environment = newcomer
    (program,) = blocks(OBSERVATORY_GUIDE, "python")
    (folder / "send.py").write_text(program)
    for number in (1, 2):
        fits.writeto(folder / f"tst_m31_red_20260504_{number}.fits", np.full((8, 8), number, dtype="f4"))
    said = await finished(the_use_of(OBSERVATORY_GUIDE), folder, environment)
    assert said.count("ingested, frame tst-sq001ms-20261128-0000000") == 6
    assert re.search("night/tst_m31_red_20260504_1.fits  (ingested|unchanged)", said)
    assert "\ntst_m31_red_20260504_1.fits\ntst_m31_red_20260504_2.fits\n" in said


async def test_every_block_of_the_operator_guide_works_in_their_order(newcomer):
    folder, environment = newcomer
    await finished("datalab sites remove tst || true", folder, environment)  # of the observatory's guide
    said = await finished(the_use_of(OPERATOR_GUIDE), folder, environment)
    assert "DATALAB_NATS_USER=observatory-tst" in said
    assert "ada  P2026  P2027" in said
    assert re.search("^state +ready$", said, re.MULTILINE)
