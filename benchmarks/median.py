"""Median of 30 frames of 2048 x 2048: the whole operation, against the plain way with astropy and numpy.

Ours: a runner process that was just started fetches the frames from the local S3 server, decodes, combines, writes
FITS and JPEGs, uploads. Measured from publishing the request to hearing the success.
Plain: a process that reads all frames from disk with astropy, calls `numpy.median`, writes the same kinds of files to
disk. Measured without starting Python and importing.
Memory is the peak of all processes together: the whole runner, and the whole plain program.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits

from support import bench, middle, report, run_ours, run_plain, stored_pixels, write_frames

SIDE = 2048
FRAMES = 30
REPETITIONS = 3

PLAIN = """
import sys, time
import numpy as np
from astropy.io import fits
from plain import write_image

target, *paths = sys.argv[1:]
began = time.perf_counter()
images = []
for path in paths:
    with fits.open(path) as hdus:
        images.append(hdus["SCI"].data)
        header = hdus["SCI"].header
median = np.median(images, axis=0)
write_image(median, header, target)
print(time.perf_counter() - began)
"""


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as folder:
        paths = write_frames(Path(folder), 2 * FRAMES, SIDE)
        plain, ours, double = [], [], []
        async with bench() as running:
            for repetition in range(REPETITIONS):
                target = Path(folder) / f"plain-{repetition}"
                plain.append(await asyncio.to_thread(run_plain, PLAIN, target, *paths[:FRAMES]))
                run, success = await run_ours(running, "Median", {"input_files": paths[:FRAMES]})
                if not np.array_equal(await stored_pixels(running, success), fits.getdata(f"{target}.fits", "SCI")):
                    raise RuntimeError("the results differ")
                ours.append(run)
                double.append((await run_ours(running, "Median", {"input_files": paths}))[0])
                print(f"plain {plain[-1]}  ours {ours[-1]}  ours, twice the frames {double[-1]}", flush=True)
    by_plain, by_us, by_us_double = middle(plain), middle(ours), middle(double)
    print(f"\n{FRAMES} frames of {SIDE} x {SIDE}, middle of {REPETITIONS} runs each")
    print(f"  plain astropy + numpy   {by_plain.seconds:6.2f} s  {by_plain.megabytes:6.0f} MB")
    print(f"  Median operation        {by_us.seconds:6.2f} s  {by_us.megabytes:6.0f} MB")
    print(f"  same, {2 * FRAMES} frames        {by_us_double.seconds:6.2f} s  {by_us_double.megabytes:6.0f} MB")
    report(
        "median",
        {
            "time_ratio": round(by_plain.seconds / by_us.seconds, 2),
            "memory_ratio": round(by_us.megabytes / by_plain.megabytes, 3),
            "double_time_ratio": round(by_us_double.seconds / by_us.seconds, 2),
            "double_memory_ratio": round(by_us_double.megabytes / by_us.megabytes, 3),
            "plain_s": by_plain.seconds,
            "ours_s": by_us.seconds,
            "plain_mb": round(by_plain.megabytes),
            "ours_mb": round(by_us.megabytes),
        },
    )


asyncio.run(main())
