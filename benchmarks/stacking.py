"""Stacking of 30 frames of 2048 x 2048, plain sum and sigma-clipped, against the plain way.

`time_ratio` is computing alone, from files to files: by a runner that was just started, and by a process that reads all
frames with astropy, combines them with `numpy.nansum`, or with `astropy.stats.sigma_clip` and the mean of what is left,
and writes the same kinds of files; measured without starting Python and importing. `whole_s` is ours from publishing
the request to hearing the success, with frames from and products to the local S3 server.
`memory_ratio` compares what is used beyond programs that do nothing: the peak of the runner and all its processes
above that of an idle runner, and the peak of the plain program above that of one that only imports.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits

from support import bench, idle_megabytes, middle, report, run_ours, run_plain, stored_pixels, write_frames

SIDE = 2048
FRAMES = 30
REPETITIONS = 3
#: Our limits of clipping are not astropy's, which a single outlier among 30 widens: this part of the noise of a frame.
NOISE_TOLERANCE = 0.1

PLAIN = """
import sys, time
import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clip
from plain import write_image

combine, target, *paths = sys.argv[1:]
began = time.perf_counter()
images = []
for path in paths:
    with fits.open(path) as hdus:
        images.append(hdus["SCI"].data)
        header = hdus["SCI"].header
if combine == "sum":
    stacked = np.nansum(images, axis=0)
else:
    stacked = np.nanmean(sigma_clip(images, sigma=3, axis=0, masked=False), axis=0)
write_image(stacked, header, target)
print(time.perf_counter() - began)
"""


async def main() -> None:
    figures: dict[str, object] = {}
    nothing_plain = run_plain(PLAIN.partition("combine, target")[0] + "print(0)")
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as folder:
        paths = write_frames(Path(folder), FRAMES, SIDE)
        async with bench() as running:
            idle_mb = await idle_megabytes(running)
            for combine in ("sum", "sigma-clipped"):
                plain, ours, computing = [], [], []
                for repetition in range(REPETITIONS):
                    target = Path(folder) / f"{combine}-{repetition}"
                    plain.append(await asyncio.to_thread(run_plain, PLAIN, combine, target, *paths))
                    run, success = await run_ours(running, "Stacking", {"input_files": paths}, combine=combine)
                    ours.append(run)
                    computing.append(success.compute_s)
                    check(combine, await stored_pixels(running, success), fits.getdata(f"{target}.fits", "SCI"))
                    print(f"{combine}: plain {plain[-1]}  ours {run}, computing {success.compute_s:.2f} s", flush=True)
                by_plain, by_us, seconds = middle(plain), middle(ours), median(computing)
                plain_mb, ours_mb = by_plain.megabytes - nothing_plain.megabytes, by_us.megabytes - idle_mb
                name = combine.replace("-", "_")
                figures |= {
                    f"{name}_time_ratio": round(by_plain.seconds / seconds, 2),
                    f"{name}_memory_ratio": round(ours_mb / plain_mb, 3),
                    f"{name}_plain_s": by_plain.seconds,
                    f"{name}_ours_s": round(seconds, 3),
                    f"{name}_whole_s": by_us.seconds,
                    f"{name}_plain_mb": round(plain_mb),
                    f"{name}_ours_mb": round(ours_mb),
                }
    report("stacking", figures)


def check(combine: str, ours: np.ndarray, plain: np.ndarray) -> None:
    """Raise an error unless both stacks show the same."""
    tolerance = 0.0 if combine == "sum" else NOISE_TOLERANCE * float(np.sqrt(np.median(plain)))
    if float(np.median(np.abs(ours - plain))) > tolerance:
        raise RuntimeError("the results differ")


asyncio.run(main())
