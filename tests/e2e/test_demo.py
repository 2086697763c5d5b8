"""The demonstration is what a newcomer sees first: it must work, from an empty folder, and say so in JSON."""

import asyncio
import json
import sys

import numpy as np
from astropy.io import fits


async def run_demo(*arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from datalab.cli.main import app; app()",
        "demo",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), timeout=120)
    return process.returncode, output.decode(), errors.decode()


async def test_simulated_night():
    code, output, errors = await run_demo()
    assert code == 0, errors
    figures = json.loads(output.strip().splitlines()[-1])
    assert figures["result"] == "ok"
    assert figures["frames"] == 12
    assert figures["upload_to_visible_ms_p50"] > 0
    assert figures["operation_s"] > 0
    assert figures["largest_difference"] == 0  # integers: exact


async def test_folder_of_files(tmp_path):
    """Two frames that belong together, one that does not, one that is packed otherwise."""
    generator = np.random.default_rng(5)
    for name in ("pair_1.fits", "pair_2.fits.gz", "alone.fits"):
        image = fits.ImageHDU(generator.normal(1000, 10, (40, 50)).astype(np.float32), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / name)
    code, output, errors = await run_demo("--data", str(tmp_path))
    assert code == 0, errors
    figures = json.loads(output.strip().splitlines()[-1])
    assert figures["frames"] == 3
    assert figures["operations"] == 1


async def test_folder_without_fits_files_is_refused_in_words(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing here")
    code, _, errors = await run_demo("--data", str(tmp_path))
    assert code == 1
    assert "no FITS files" in errors
