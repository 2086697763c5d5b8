"""Median of 30 frames of 2048 x 2048: the whole operation, against the plain way with astropy and numpy.

Ours: a runner process that was just started fetches the frames from the local S3 server, decodes, combines, writes
FITS and JPEGs, uploads. Measured from publishing the request to hearing the success.
Plain: a process that reads all frames from disk with astropy, calls `numpy.median`, writes the same kinds of files to
disk. Measured without starting Python and importing.
Memory is the peak of all processes together: the whole runner, and the whole plain program.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits

from support import Bench, bench, peak_memory, report, write_frames

SIDE = 2048
FRAMES = 30
REPETITIONS = 3

PLAIN = """
import sys, time
import numpy as np
from astropy.io import fits
from PIL import Image
from datalab.astro.stretch import auto_stretch, to_8bit

target, *paths = sys.argv[1:]
began = time.perf_counter()
images = []
for path in paths:
    with fits.open(path) as hdus:
        images.append(hdus["SCI"].data)
        header = hdus["SCI"].header
median = np.median(images, axis=0)
image = fits.ImageHDU(median.astype(np.float32), header, name="SCI")
fits.HDUList([fits.PrimaryHDU(), image]).writeto(target + ".fits")
picture = Image.fromarray(to_8bit(median, auto_stretch(median))).convert("RGB")
picture.save(target + "-large.jpg", quality=95)
picture.thumbnail((200, 200))
picture.save(target + "-small.jpg", quality=95)
print(time.perf_counter() - began)
"""


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as folder:
        paths = write_frames(Path(folder), 2 * FRAMES, SIDE)
        plain, ours, double = [], [], []
        async with bench() as running:
            for repetition in range(REPETITIONS):
                plain.append(await asyncio.to_thread(run_plain, Path(folder) / f"plain-{repetition}", paths[:FRAMES]))
                ours.append(await run_ours(running, paths[:FRAMES], Path(folder) / f"plain-{repetition}.fits"))
                double.append(await run_ours(running, paths, None))
                print(f"plain {plain[-1]}  ours {ours[-1]}  ours, twice the frames {double[-1]}", flush=True)
    plain_s, plain_mb = middle(plain)
    ours_s, ours_mb = middle(ours)
    double_s, double_mb = middle(double)
    print(f"\n{FRAMES} frames of {SIDE} x {SIDE}, middle of {REPETITIONS} runs each")
    print(f"  plain astropy + numpy   {plain_s:6.2f} s  {plain_mb:6.0f} MB")
    print(f"  Median operation        {ours_s:6.2f} s  {ours_mb:6.0f} MB")
    print(f"  same, {2 * FRAMES} frames        {double_s:6.2f} s  {double_mb:6.0f} MB")
    report(
        "median",
        {
            "time_ratio": round(plain_s / ours_s, 2),
            "memory_ratio": round(ours_mb / plain_mb, 3),
            "double_time_ratio": round(double_s / ours_s, 2),
            "double_memory_ratio": round(double_mb / ours_mb, 3),
            "plain_s": round(plain_s, 3),
            "ours_s": round(ours_s, 3),
            "plain_mb": round(plain_mb),
            "ours_mb": round(ours_mb),
        },
    )


def run_plain(target: Path, paths: list[Path]) -> tuple[float, float]:
    """Return seconds and peak megabytes of the plain program."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", PLAIN, str(target), *map(str, paths)], stdout=subprocess.PIPE, text=True
        ) as process,
        peak_memory(process.pid) as peak,
    ):
        output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("the plain program failed")
    return round(json.loads(output), 3), round(peak[0] / 1e6, 1)


async def run_ours(running: Bench, paths: list[Path], expected: Path | None) -> tuple[float, float]:
    """Return seconds and peak megabytes of a runner that has nothing cached; the result must equal the plain one."""
    pid = await running.fresh_runner()
    inputs = await running.upload(paths)
    with peak_memory(pid) as peak:
        began = time.perf_counter()
        success = await running.median(inputs)
        seconds = time.perf_counter() - began
    if success.reused:
        raise RuntimeError("the result was not computed")
    if expected is not None:
        content = await running.store.get_bytes(success.result.output_files[0].files["fits"].key, max_bytes=10**9)
        if not np.array_equal(fits.getdata(BytesIO(content), "SCI"), fits.getdata(expected, "SCI")):
            raise RuntimeError("the results differ")
    return round(seconds, 3), round(peak[0] / 1e6, 1)


def middle(runs: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(seconds for seconds, _ in runs), statistics.median(megabytes for _, megabytes in runs)


asyncio.run(main())
